"""River's own checks of a model, for the adapters; none where River is not installed."""

from __future__ import annotations

import ebp
import pytest
from ebp.river import RiverClassifier, RiverRegressor

MODELS = [
    RiverClassifier(ebp.MLPClassifier((4,), random_state=0)),
    RiverRegressor(ebp.MLPRegressor((4,), random_state=0)),
]
# A batch is presented in a random order, and its statistics are those of all its rows.
LEFT_OUT = ("check_learn_many_matches_learn_one",)


def _checks():
    try:
        from river.checks import yield_checks
    except ImportError:
        return
    for model in MODELS:
        for i, check in enumerate(yield_checks(model)):
            if check.__name__ not in LEFT_OUT:
                yield pytest.param(model, check, id=f"{type(model).__name__}-{check.__name__}-{i}")


CHECKED = list(_checks())
