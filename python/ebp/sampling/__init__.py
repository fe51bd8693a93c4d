"""Presentation orders for online training (S4.2).

An order is an array of row indices; `Network.train_online` presents the rows in this order. `shuffle` and
`interleave` present every row once; `Emphasize` presents rows of large error more often.
"""

from .emphasize import Emphasize, EmphasizedSampler
from .orders import interleave, shuffle

__all__ = ["Emphasize", "EmphasizedSampler", "interleave", "shuffle"]
