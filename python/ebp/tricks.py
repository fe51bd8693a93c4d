"""What every trick of the paper gains: train by its full recipe, change one thing at a time, and compare."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets

from . import _options
from ._checks import check_choice, check_n_jobs, check_number, check_verbose
from ._initialization import generator
from ._tricks_result import Ablation, AblationRow, Interval
from ._tricks_table import RECIPE, Trick, recipe, suitable
from ._tricks_training import Found, Part, Plan, Search, Split, split
from .diagnosis import default_estimator

__all__ = ["Ablation", "AblationRow", "Interval", "Trick", "ablation"]

# Times the recipe's last validation error: the level whose presentations are counted. The last error itself
# is reached only in the end, when the rate is small, by everybody who reaches it.
LEVEL = 1.25
LARGEST = 1e30  # of raw inputs, which become float32


def ablation(
    X: Any,
    y: Any,
    *,
    test: Part | None = None,
    task: str = "auto",
    tricks: Sequence[str] | None = None,
    seeds: int | Sequence[int] = 5,
    rates: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    max_iter: int = 20,
    hidden_layer_sizes: Any = (100,),
    test_fraction: float = 0.25,
    validation_fraction: float = 0.2,
    n_jobs: int | None = None,
    random_state: Any = 0,
    verbose: int = 0,
) -> Ablation:
    """Measure on given data what each trick of the paper gains.

    The full recipe (section 10) is one sample an update (4.1), neighbours of different classes (4.2), inputs
    centred, decorrelated and scaled (4.3), the sigmoid 1.7159 tanh(2x/3) (4.4), targets -1 and 1 (4.5),
    weights by fan-in (4.6), and a rate for every weight from its curvature (9.1). Every other row changes one
    of these, or adds one trick.

    Every row gets the global rate that is best for it: that of the least mean validation error over the
    seeds, from a grid that is extended while the best rate is at its edge. The test error is reported for
    this rate alone. All rows see equally many presentations. A seed draws the parts of the data and the
    initial weights, the same ones for all rows, and the orders, which are the same for rows of the same
    inputs, targets and sampling; differences are formed seed by seed. Inputs that are not centred, or not
    scaled, are compared with those that are both, but not decorrelated.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,), for regression also (n_samples, n_outputs)
        Labels or values.
    test : (X, y), default=None
        The test part of data that come with one. None: `test_fraction` of the samples, drawn by each seed.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto": as `ebp.diagnose` chooses its estimator.
    tricks : sequence of str, default=None
        Names of the rows beside the recipe; None: all that suit the task. A row that another one is compared
        with comes too.
    seeds : int or sequence of int, default=5
        How many, or the seeds themselves; five make an interval of 2.78 standard errors to each side.
    rates : sequence of float, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        The grid, in units of the automatic rate of each row. Up to six more are tried beyond its edges.
    max_iter : int, default=20
        Epochs of every training; gradient descent in batch makes one update in each.
    hidden_layer_sizes : int or sequence of int, default=(100,)
    test_fraction, validation_fraction : float, default=0.25 and 0.2
        Part of the samples, and of what is then left; by class where every class is large enough.
    n_jobs : int, default=None
        Processes, as joblib counts them; None means 1.
    random_state : None, int, numpy.random.Generator or RandomState, default=0
        Draws the seeds, if they are not given.
    verbose : {0, 1}, default=0
        1: progress bar.

    Returns
    -------
    Ablation
        Rows with errors, intervals, presentations and rates; `to_markdown`, `to_dict`, `plot`.

    Raises
    ------
    ValueError, TypeError
        For arguments out of range, unknown names, and data that no estimator takes.

    Notes
    -----
    The recipe decorrelates where the training part has twice as many samples as features (of at most 2,000),
    else it only centres and scales, and decorrelation is a row. Regression has a linear output, standardised
    targets and shuffled samples instead of the output sigmoid, its targets, and interleaved classes.

    SDLM measures its curvature on the first 500 samples of an epoch, which are not counted as presentations.

    That training diverges by poor settings is a result, an error like that of a constant answer, and no
    warning; see `AblationRow.n_failed`. Where seeds draw the test parts, these overlap, and the intervals are
    a little too narrow. Of twenty rows, one interval leaves out 0 by chance.

    Examples
    --------
    >>> import ebp
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> found = ebp.tricks.ablation(X, y, tricks=["batch learning"], seeds=2, max_iter=5)
    >>> [row.name for row in found]
    ['full recipe', 'batch learning']
    >>> found["batch learning"].presentations > found["full recipe"].presentations
    True
    """
    check_verbose("ablation", verbose)
    check_n_jobs("ablation", n_jobs)
    X, y, task = _checked_data(X, y, task)
    hidden = _checked(rates, max_iter, hidden_layer_sizes, test_fraction, validation_fraction)
    classify = task == "classification"
    if test is not None:
        test = _checked_test(test, X, y, classify)
    drawn = _seeds(seeds, random_state)
    n_parts = 3 if test is None else 2
    if len(y) < 2 * n_parts:
        raise ValueError(
            f"[ablation] X and y must have at least {2 * n_parts} samples, two for each of the "
            f"{n_parts} parts they are divided into; got {len(y)}"
        )

    def splits(seed: int) -> Split:
        return split(X, y, test, (test_fraction, validation_fraction), seed, classify)

    sizes = splits(drawn[0])
    fewest = min(len(part[1]) for part in (sizes.training, sizes.validation, sizes.test))
    if fewest < 2:  # R^2 needs two values
        raise ValueError(
            f"[ablation] each part of the data must have at least 2 samples; got {fewest} of {len(y)}"
        )
    base = recipe(task, len(sizes.training[0]), X.shape[1])
    plan = Plan(task, base, hidden, int(max_iter))
    chosen = [Trick(RECIPE, "10", expected=""), *_chosen(tricks, suitable(task, base))]
    found = Search(plan, splits, drawn, [float(one) for one in rates], n_jobs, bool(verbose)).run(chosen)
    n_training, n_validation = len(sizes.training[0]), len(sizes.validation[0])
    first, *_, last = found[0].curve(found[0].best).tolist()
    level = max(min(LEVEL * last, (first + last) / 2), 1 / n_validation if classify else 0.0)
    by_name = {one.trick.name: one for one in found}
    rows = [_row(one, by_name.get(one.trick.against, found[0]), level, n_training) for one in found]
    return Ablation(
        rows,
        task,
        base,
        hidden,
        int(max_iter),
        len(drawn),
        n_training,
        n_validation,
        len(sizes.test[0]),
        X.shape[1],
        level,
    )


def _row(found: Found, reference: Found, level: float, n_training: int) -> AblationRow:
    best = found.best
    errors = _test_errors(found)
    curves = {factor: found.curve(factor) for factor in found.factors}
    return AblationRow(
        trick=found.trick,
        test_errors=errors,
        error=Interval.of(errors),
        difference=Interval.of(errors - _test_errors(reference)),
        against=reference.trick.name,
        validation_curve=curves[best],
        presentations=n_training * min(epochs_to(curve, level) for curve in curves.values()),
        rate=best * found.automatic,
        factor=best,
        validation_errors={factor: float(curve[-1]) for factor, curve in curves.items()},
        at_edge=found.at_edge,
        n_failed=sum(one.failed for one in found.by_factor[best]),
    )


def _test_errors(found: Found) -> np.ndarray:
    return np.array([one.test_error for one in found.by_factor[found.best]])


def epochs_to(curve: np.ndarray, level: float) -> float:
    """Epochs until an error (n_epochs + 1,) is at most `level`, by straight lines between the epochs.

    Examples
    --------
    >>> epochs_to(np.array([0.9, 0.3, 0.1]), 0.2), epochs_to(np.array([0.9, 0.3]), 0.2)
    (1.5, inf)
    """
    reached = np.flatnonzero(curve <= level)
    if not len(reached):
        return math.inf
    k = int(reached[0])
    return 0.0 if k == 0 else float(k - 1 + (curve[k - 1] - level) / (curve[k - 1] - curve[k]))


def _seeds(seeds: Any, random_state: Any) -> list[int]:
    if isinstance(seeds, (Sequence, np.ndarray)) and not isinstance(seeds, str) and len(seeds):
        for seed in seeds:
            check_number("ablation", "seeds", seed, 0, 2**32 - 1, integer=True)
        _check_distinct("seeds", seeds)
        return [int(seed) for seed in seeds]
    alternative = "a sequence of seeds"
    check_number("ablation", "seeds", seeds, 1, integer=True, alternative=alternative)
    return [int(seed) for seed in generator(random_state).integers(2**31, size=seeds)]


def _check_distinct(name: str, values: Iterable[Any]) -> None:
    """Raise ValueError if a value comes twice: its results would count as those of another seed."""
    repeated = next((value for value, count in Counter(values).items() if count > 1), None)
    if repeated is not None:
        raise ValueError(f"[ablation] {name} must differ from each other; got {repeated!r} more than once")


def _chosen(names: Sequence[str] | None, known: list[Trick]) -> list[Trick]:
    if names is None:
        return known
    by_name = {trick.name: trick for trick in known}
    if isinstance(names, str):
        raise TypeError(f"[ablation] tricks must be a sequence of names; got the text {names!r}")
    for name in names:
        check_choice("ablation", "tricks", name, list(by_name))
    needed = {*names, *(by_name[name].against for name in names)}
    return [trick for trick in known if trick.name in needed]


def _checked_data(X: Any, y: Any, task: str) -> tuple[np.ndarray, np.ndarray, str]:
    check_choice("ablation", "task", task, ("auto", "classification", "regression"))
    X = check_array(X, dtype=[np.float64, np.float32], input_name="X")
    largest = float(np.abs(X).max())
    if largest > LARGEST:
        raise ValueError(f"[ablation] X must be at most {LARGEST:g}, to be trained on raw; got {largest:g}")
    y = np.asarray(y)
    check_consistent_length(X, y)
    if task == "auto":
        task = "regression" if is_regressor(default_estimator(y, "ablation")) else "classification"
    if task == "classification":
        y = y.reshape(-1) if y.ndim == 2 and y.shape[1] == 1 else y
        check_classification_targets(y)
        if y.ndim != 1 or len(np.unique(y)) < 2:
            raise ValueError(
                f"[ablation] y must be 1-D and have at least 2 classes; got shape {y.shape} "
                f"and {len(np.unique(y))} classes"
            )
    else:
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    return X, y, task


def _checked_test(test: Any, X: np.ndarray, y: np.ndarray, classify: bool) -> Part:
    if not isinstance(test, (tuple, list)) or len(test) != 2:
        raise TypeError(f"[ablation] test must be a pair (X, y); got {type(test).__name__}")
    X_test = check_array(test[0], dtype=X.dtype, input_name="X of test")
    y_test = np.asarray(test[1]) if classify else check_array(test[1], dtype=np.float64, ensure_2d=False)
    check_consistent_length(X_test, y_test)
    if X_test.shape[1] != X.shape[1] or y_test.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"[ablation] test must have the columns of X and y, {X.shape[1:]} and {y.shape[1:]}; "
            f"got {X_test.shape[1:]} and {y_test.shape[1:]}"
        )
    return X_test, y_test


def _checked(
    rates: Any, max_iter: Any, hidden: Any, test_fraction: Any, validation_fraction: Any
) -> tuple[int, ...]:
    """Check the numbers; returns the sizes of the hidden layers."""
    check_number("ablation", "max_iter", max_iter, 1, integer=True)
    for name, part in (("test_fraction", test_fraction), ("validation_fraction", validation_fraction)):
        check_number("ablation", name, part, 0, 1, open_low=True, open_high=True)
    if isinstance(rates, str) or not isinstance(rates, (Sequence, np.ndarray)) or not len(rates):
        raise TypeError(f"[ablation] rates must be a sequence of at least one number; got {rates!r}")
    for rate in rates:
        check_number("ablation", "rates", rate, 0, open_low=True)
    _check_distinct("rates", rates)
    return _options.layer_sizes("ablation", hidden)
