"""Streams are learnt in constant memory: data several times larger than what is allowed."""

from __future__ import annotations

import sys

import ebp
import numpy as np
import pytest
from ebp import _blocks, _feed, _stream_data, _survey
from ebp.streams import Chunks, Parquet, _sources
from limited import peak_of, run_limited


def test_memory_stays_within_buffer_and_blocks(monkeypatch):
    """144 MB of float32 with 4 MB of buffer and turns of 1 MB, in a third of it."""
    n, width = 36_000, 1000
    X = np.random.default_rng(0).random((n, width), np.float32)
    y = np.arange(n) % 2
    X[:, 0] += y
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(_feed, "TURN_BYTES", 1 << 20)
    monkeypatch.setattr(_survey, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(_stream_data, "BUFFER_BYTES", 4 << 20)
    assert _sources.CHUNK_BYTES == 1 << 20
    for kind in (np.float32, np.float64):
        stream = Chunks(
            lambda kind=kind: ((X[i : i + 200].astype(kind), y[i : i + 200]) for i in range(0, n, 200))
        )
        model = ebp.MLPClassifier((60,), max_iter=1, solver="adam", early_stopping=True, random_state=0)
        assert peak_of(lambda model=model, stream=stream: model.fit(stream)) < n * width * 4 / 3
        model = ebp.MLPClassifier((20,), solver="adam", random_state=0)
        assert (
            peak_of(lambda model=model, stream=stream: model.partial_fit(stream, classes=[0, 1]))
            < n * width * 4 / 3
        )


FIT = """
X, y = np.memmap({path!r}, np.float32, "r", shape=(600_000, 100)), np.arange(600_000) % 2
stream = ebp.streams.Arrays(X, y, buffer_size=20_000)
model = ebp.MLPClassifier((2,), max_iter=1, solver="adam", random_state=0).fit(stream)
print(model.t_, model.partial_fit(stream).t_)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_a_file_of_240_mb_is_learnt_within_120(tmp_path):
    path = tmp_path / "X.bin"
    X = np.memmap(path, np.float32, "w+", shape=(600_000, 100))
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 10_000):
        X[start : start + 10_000] = rng.random((10_000, 100), np.float32)
    X[1::2, 0] += 1
    X.flush()
    run = run_limited(FIT.format(path=str(path)), 120)
    assert run.stdout == "600000 1200000\n", run.stderr


def test_parquet_is_learnt_in_a_part_of_its_size(tmp_path, monkeypatch):
    """192 MB of numbers, of which NumPy and Arrow have a third at most."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    n, width, rng = 480_000, 100, np.random.default_rng(0)
    schema = pa.schema([*((f"x{i}", pa.float32()) for i in range(width)), ("y", pa.int8())])
    path = tmp_path / "t.parquet"
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for _ in range(0, n, 5000):
            X, y = rng.random((5000, width), np.float32), np.arange(5000, dtype=np.int8) % 2
            X[:, 0] += y
            writer.write_table(pa.table([*X.T, y], schema=schema))
    del X
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(_feed, "TURN_BYTES", 1 << 20)
    monkeypatch.setattr(_survey, "BLOCK_BYTES", 1 << 20)
    pool = pa.proxy_memory_pool(pa.system_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        stream = Parquet(path, "y", buffer_size=10_000, chunk_size=2000)
        model = ebp.MLPClassifier((20,), max_iter=1, solver="adam", random_state=0)
        peak = peak_of(lambda: model.fit(stream))
    finally:
        pa.set_memory_pool(before)
    assert model.t_ == n
    assert pool.max_memory() > 0
    assert peak + pool.max_memory() < n * width * 4 / 3
