"""Data larger than memory: samples that come in chunks, mixed on their way into `fit` and `partial_fit`.

A stream stands for X and y together, and goes where X goes:
``clf.fit(ebp.streams.Parquet("flights.parquet", target="late"))``.
"""

from ebp.streams._cache import cache
from ebp.streams._files import CSV, Parquet
from ebp.streams._shuffle import ShuffleBuffer
from ebp.streams._sources import Arrays, Chunks
from ebp.streams._stream import Stream

__all__ = ["CSV", "Arrays", "Chunks", "Parquet", "ShuffleBuffer", "Stream", "cache"]
