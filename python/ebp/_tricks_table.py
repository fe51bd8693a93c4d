"""The recipe of the paper, and what leaving out or adding one trick means: the table of the ablation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sklearn.preprocessing import StandardScaler

from .normalizer import InputNormalizer

RECIPE = "full recipe"

# Sections 4.1 (one sample an update), 4.2 (neighbours of different classes), 4.3 (mean removed, decorrelated,
# variances equalised), 4.4 (the sigmoid), 4.5 (targets), 4.6 (weights), 9.1 (a rate for every weight).
# Everything is spelled out, so that no automatic choice changes with the data.
CLASSIFICATION = {
    "activation": "scaled_tanh",
    "out_activation": "scaled_tanh",
    "loss": "squared_error",
    "targets": (-1.0, 1.0),
    "normalize": "decorrelate",
    "solver": "sdlm",
    "batch_size": 1,
    "sampling": "interleave",
    "momentum": 0.0,
    "twist": 0.0,
    "center_hidden": False,
}
# Values need a linear output, and have no classes to interleave.
REGRESSION = {
    **CLASSIFICATION,
    "out_activation": "identity",
    "targets": "auto",
    "sampling": "shuffle",
}
RECIPES = {"classification": CLASSIFICATION, "regression": REGRESSION}

# Decorrelation divides by the standard deviation of every direction. With fewer samples than this for each
# feature, most of the small ones are chance, and all samples become about equally far from each other.
SAMPLES_PER_FEATURE = 2
# The covariance is a matrix of n_features^2 numbers, and its eigenvectors take n_features^3 operations.
MOST_FEATURES = 2000

BOTH = ("classification", "regression")
# One scale a column but no shift is no method of InputNormalizer, because nobody should use it.
SCALE_ALONE = StandardScaler(with_mean=False)
# The recipe keeps all directions; those of the smallest variance may be noise, which scaling makes as large
# as the rest.
STRONG_DIRECTIONS = InputNormalizer("decorrelate", n_components=0.95)


@dataclass(frozen=True)
class Trick:
    """One row of the ablation: how the training differs from the full recipe, and what the paper says.

    Attributes
    ----------
    name : str
    section : str
        Of the paper.
    claim : str
        What the paper says of it; empty where it says nothing.
    changes : mapping
        Parameters of the estimator that differ from the recipe's. "normalize" may be any scikit-learn
        transformer.
    weight_factor : float
        The initial weights are multiplied by it.
    ordered : bool
        Whether the training samples are put in the order of their targets, class after class.
    expected : {"worse", "better", ""}
        Change against the recipe that the paper predicts, in error or speed; empty where it says nothing.
    tasks : tuple of str
        The tasks it makes sense for.
    against : str
        The row from which it differs in one thing, if this is not the recipe.
    """

    name: str
    section: str
    claim: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    weight_factor: float = 1.0
    ordered: bool = False
    expected: str = "worse"
    tasks: tuple[str, ...] = BOTH
    against: str = RECIPE


# Centred and scaled inputs: without centring or scaling there is no decorrelation to speak of.
_SCALED = "not decorrelated"
_CLASSES = ("classification",)

TRICKS = (
    Trick(
        "batch learning",
        "4.1",
        "stochastic learning is usually much faster than batch learning",
        {"solver": "gd"},
    ),
    Trick(
        "mini-batches of 32",
        "4.1",
        "small batches lie between stochastic and batch learning",
        {"batch_size": 32},
    ),
    Trick(
        "sorted by target",
        "4.2",
        "successive samples should (almost) never belong to the same class",
        {"sampling": "sequential"},
        ordered=True,
    ),
    Trick("shuffled", "4.2", "", {"sampling": "shuffle"}, expected="", tasks=_CLASSES),
    Trick(
        "emphasised",
        "4.2",
        "samples with a large error should be presented more often",
        {"sampling": "emphasize"},
        expected="better",
    ),
    Trick(
        "decorrelated",
        "4.3",
        "inputs should be uncorrelated if possible",
        {"normalize": "decorrelate"},
        expected="better",
    ),
    Trick(_SCALED, "4.3", "inputs should be uncorrelated if possible", {"normalize": "standard"}),
    Trick("decorrelated, 95 % kept", "4.3", "", {"normalize": STRONG_DIRECTIONS}, expected=""),
    Trick("one common scale", "4.3", "", {"normalize": "global"}, expected="", against=_SCALED),
    Trick(
        "not scaled",
        "4.3",
        "the variances of the inputs should be equal",
        {"normalize": "center"},
        against=_SCALED,
    ),
    Trick(
        "not centred",
        "4.3",
        "the mean of each input should be close to zero",
        {"normalize": SCALE_ALONE},
        against=_SCALED,
    ),
    Trick("raw inputs", "4.3", "inputs should be centred, scaled and decorrelated", {"normalize": None}),
    Trick(
        "centred hidden units",
        "4.3",
        "what holds for the means of the inputs should be applied at all layers",
        {"center_hidden": True},
        expected="better",
    ),
    Trick(
        "logistic sigmoid",
        "4.4",
        "symmetric sigmoids converge faster than the logistic function",
        {"activation": "logistic", "out_activation": "logistic", "targets": "auto"},
    ),
    Trick(
        "plain tanh",
        "4.4",
        "1.7159 tanh(2x/3) keeps the variance of the outputs near 1",
        {"activation": "tanh", "out_activation": "tanh", "targets": "auto"},
    ),
    Trick("relu", "4.4", "", {"activation": "relu"}, expected=""),
    Trick(
        "twisting term",
        "4.4",
        "a small linear term helps where the sigmoid is flat",
        {"twist": 0.05},
        expected="better",
    ),
    Trick(
        "targets at the asymptotes",
        "4.5",
        "targets belong at the points of largest curvature, never at the asymptotes",
        {"targets": "asymptotes"},
        tasks=_CLASSES,
    ),
    Trick("weights x 0.01", "4.6", "very small weights make learning very slow", weight_factor=0.01),
    Trick("weights x 3", "4.6", "large weights saturate the sigmoids", weight_factor=3.0),
    Trick("weights x 10", "4.6", "large weights saturate the sigmoids", weight_factor=10.0),
    Trick(
        "momentum 0.9",
        "4.7",
        "momentum can increase the speed where the cost surface is not spherical",
        {"momentum": 0.9},
        expected="better",
    ),
    Trick(
        "one learning rate",
        "9.1",
        "a rate for every weight, from the diagonal curvature, is better than one rate",
        {"solver": "sgd"},
    ),
)


def recipe(task: str, n_samples: int, n_features: int) -> dict[str, Any]:
    """Parameters of the full recipe: decorrelated inputs where `n_samples` of training allow it.

    Examples
    --------
    >>> recipe("classification", 1000, 64)["normalize"], recipe("regression", 100, 64)["normalize"]
    ('decorrelate', 'standard')
    """
    feasible = n_features <= MOST_FEATURES and n_samples >= SAMPLES_PER_FEATURE * n_features
    return {**RECIPES[task], "normalize": "decorrelate" if feasible else "standard"}


def suitable(task: str, base: Mapping[str, Any]) -> list[Trick]:
    """The tricks for a task that change something in the recipe `base`."""
    return [
        trick
        for trick in TRICKS
        if task in trick.tasks
        and (
            trick.weight_factor != 1
            or any(value != base[name] for name, value in parameters(trick, task, base).items())
        )
    ]


def parameters(trick: Trick, task: str, base: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the estimator for one row."""
    found = {**base, **trick.changes}
    if task == "regression":  # values keep their linear output and their own targets
        found |= {name: base[name] for name in ("out_activation", "targets")}
    return found
