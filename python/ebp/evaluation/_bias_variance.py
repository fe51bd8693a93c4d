"""Bias and variance of training, epoch by epoch, from networks trained on resampled data sets."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import delayed
from threadpoolctl import threadpool_limits

from ebp import _options
from ebp._analysis import checked_estimator
from ebp._checks import check_n_jobs, check_verbose
from ebp._initialization import generator
from ebp._training import InterruptedTraining
from ebp.plotting._figure import axes_and_figure

from ._progress import ParallelWithBar
from ._resampling import HeldOut, held_out, rows_of_data_sets


@dataclass(frozen=True)
class ZeroOneDecomposition:
    """Errors of classification split by Domingos (2000), one value an epoch, means over held-out samples.

    The main prediction is the label that most of the networks give (of several, the first in the order of the
    classes). With two classes `biased_variance` is the variance of the biased samples. Of an indicator matrix
    every label counts as a sample of two classes, so that `total` is the Hamming loss.

    Attributes
    ----------
    bias : ndarray of shape (n_epochs,)
        Share of biased samples, whose main prediction is wrong.
    variance : ndarray of shape (n_epochs,)
        Share of predictions that differ from the main one.
    unbiased_variance : ndarray of shape (n_epochs,)
        The part of it from samples that are not biased: there it adds to the error.
    biased_variance : ndarray of shape (n_epochs,)
        Share of predictions of biased samples that are right: there variance helps.
    total : ndarray of shape (n_epochs,)
        Error rate, mean over the data sets: bias + unbiased_variance - biased_variance.
    """

    bias: np.ndarray
    variance: np.ndarray
    unbiased_variance: np.ndarray
    biased_variance: np.ndarray
    total: np.ndarray


@dataclass(eq=False)
class BiasVarianceResult:
    """Bias and variance over the epochs of a training.

    Attributes
    ----------
    epochs : ndarray of shape (n_epochs,)
        1, 2, ..., `max_iter` of the estimator.
    bias_squared : ndarray of shape (n_epochs,)
        Squared difference of the mean prediction and the target, mean over the held-out samples.
    variance : ndarray of shape (n_epochs,)
        Squared difference of a prediction and the mean prediction, mean over data sets and held-out samples.
    total : ndarray of shape (n_epochs,)
        bias_squared + variance, the mean of `test_errors` over the data sets.
    test_errors : ndarray of shape (n_datasets, n_epochs)
        Mean squared error of each network.
    noise : float or None
        Mean squared difference of `y` and `true_function` at the held-out samples: the error of the true
        function, which adds to `total`. None without a true function: then the noise is in the bias.
    zero_one : ZeroOneDecomposition or None
        The same for wrong labels; None for regressors.
    best_epoch : int
        The epoch of least total, where training should have ended.
    ax_, figure_ : matplotlib Axes and Figure
        Where the last `plot` was drawn.
    """

    epochs: np.ndarray
    bias_squared: np.ndarray
    variance: np.ndarray
    test_errors: np.ndarray
    noise: float | None
    zero_one: ZeroOneDecomposition | None
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    @property
    def total(self) -> np.ndarray:
        return self.bias_squared + self.variance

    @property
    def best_epoch(self) -> int:
        return int(self.epochs[np.argmin(self.total)])

    def plot(self, ax: Any = None, **kwargs: Any) -> BiasVarianceResult:
        """Draw the picture of section 2: bias falls, variance rises, and their sum has a minimum.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs
            For the three calls of `Axes.plot`.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_, self.figure_ = axes_and_figure(ax, "BiasVarianceResult.plot")
        curves = (
            (self.bias_squared, "tab:blue", "bias²" if self.noise is not None else "bias² and noise"),
            (self.variance, "tab:red", "variance"),
            (self.total, "black", "sum"),
        )
        for values, color, label in curves:
            self.ax_.plot(self.epochs, values, **{"color": color, "label": label, **kwargs})
        label = f"least sum, epoch {self.best_epoch}"
        self.ax_.axvline(self.best_epoch, color="grey", linestyle=":", label=label)
        self.ax_.set(xlabel="epoch", ylabel="squared error", ylim=(0, None))
        self.ax_.legend(fontsize="small")
        return self


def bias_variance(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    X_test: Any = None,
    y_test: Any = None,
    test_size: float | int = 0.3,
    resample: str = "bootstrap",
    train_size: float | int | None = None,
    true_function: Callable[[Any], Any] | None = None,
    n_datasets: int = 20,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> BiasVarianceResult:
    """Split the error on held-out samples into bias and variance, epoch by epoch. Section 2, figure 1.

    Clones of the estimator are trained on many data sets, drawn again from the samples, and predict the same
    held-out samples after every epoch. Early in training all networks are alike and wrong: the bias is
    large. Late, each has learnt what only its own data set has: the variance is large. In between their sum
    is least.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor
        Stays as it is. Its `max_iter` is the number of epochs, or of iterations of a batch solver. With an
        integer as its `random_state` all networks start with the same weights, and the variance is that of
        the data sets alone; with None each has a seed of its own, and its variance counts too.
    X : array-like of shape (n_samples, n_features) or (n_samples, \\*input_shape)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or indicator matrix (n_samples, n_labels)
    X_test, y_test : array-like, default=None
        The held-out samples, if they are not to be split off `X` and `y`.
    test_size : float or int, default=0.3
        Share or number of the samples to be held out, where X_test is not given.
    resample : {"bootstrap", "subsample"}, default="bootstrap"
        How data sets are drawn from the other samples: with or without replacement.
    train_size : float or int, default=None
        Size of a data set, or its share of those samples. None: as many as there are for "bootstrap", half of
        them for "subsample", since data sets that share most of their samples vary too little.
    true_function : callable, default=None
        `true_function(X)` gives the values without noise, shaped like `y`, or the probabilities of the
        classes (n, n_classes) in sorted order, or of the labels (n, n_labels). The bias then is against
        them, and the noise is known.
    n_datasets : int, default=20
        At least 2. The squared bias of so many networks is expected to be too large by 1 / n_datasets of the
        true variance, and the variance too small by the same.
    n_jobs : int, default=None
        Data sets at a time, as in scikit-learn; `joblib.parallel_config` chooses the backend. Neither changes
        a bit of the results, nor does a worker of dask's that dies.
    random_state : int, RandomState, Generator or None, default=None
        Seed of split, data sets and, unless the estimator has one itself, networks.
    verbose : {0, 1}, default=0
        1: progress bar over the data sets.

    Returns
    -------
    BiasVarianceResult

    Raises
    ------
    ValueError
        For wrong parameters or data, from here or from `fit`.
    TypeError
        For another estimator.

    Warns
    -----
    ConvergenceWarning
        From `fit`, for any of the data sets; but not because a batch solver needs more iterations.

    Notes
    -----
    Regression: squared errors in units of `y`, mean over several outputs. Classification: of the
    probabilities, sum over the classes (Brier 1950; for two classes twice scikit-learn's
    `brier_score_loss`); classes that a data set lacks get probability 0, and data sets of one class are
    drawn again. Indicator matrices: of the probabilities too, mean over the labels, which is
    `brier_score_loss` of each label. `bias_squared` and `variance` are those of the networks at hand (the
    variance divides by n_datasets), so that their sum is exactly the mean error over the data sets.

    Every network is trained for all epochs: `n_iter_no_change` plays no part, and predictions are those of
    the network as it stands, even if early_stopping would go back to a better one. A training that ends
    before nevertheless (a batch solver that has converged, a callback, divergence) keeps its last predictions
    for the epochs that are left. `learning_rate="auto"` falls over the epochs and damps the variance in the
    end; "constant" shows more of it.

    Ctrl-C ends all trainings, without a result. Predictions of all data sets are held in memory: 8 bytes for
    each epoch, held-out sample, and output or class.

    References
    ----------
    Geman, Bienenstock and Doursat (1992), Neural networks and the bias/variance dilemma, Neural
    Computation 4.
    Domingos (2000), A unified bias-variance decomposition for zero-one and squared loss, AAAI.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(150, 1))
    >>> y = np.sin(3 * X[:, 0]) + rng.normal(0, 0.3, size=150)
    >>> reg = ebp.MLPRegressor((10,), solver="lm", max_iter=8, random_state=0)
    >>> found = ebp.evaluation.bias_variance(reg, X, y, n_datasets=10, random_state=0)
    >>> bool(found.bias_squared[-1] < found.bias_squared[0]), bool(found.variance[-1] > found.variance[0])
    (True, True)
    >>> np.allclose(found.total, found.test_errors.mean(axis=0))
    True
    """
    function = "bias_variance"
    checked_estimator(estimator, function)
    check_verbose(function, verbose)
    check_n_jobs(function, n_jobs)
    rng = generator(random_state)
    tests = held_out(estimator, X, y, X_test, y_test, test_size, true_function, rng)
    rows = rows_of_data_sets(tests, resample, train_size, n_datasets, rng)
    seeds = rng.integers(2**31 - 1, size=len(rows)).tolist()
    tasks = (
        # One tuple: joblib's dask backend puts arrays into the memory of single workers, to die with them.
        delayed(_predictions)(
            (
                _prepared_clone(estimator, seed),
                _safe_indexing(tests.X_train, chosen),
                _safe_indexing(tests.y_train, chosen),
                tests.X_test,
                tests.classes,
            )
        )
        for chosen, seed in zip(rows, seeds, strict=True)
    )
    parallel = ParallelWithBar(n_jobs=n_jobs, total=len(rows), unit="data set", verbose=verbose)
    # Here for threads, which share the limit, and in the task for processes: products split otherwise would
    # round otherwise.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\[\w+\] the iterations ended before", ConvergenceWarning)
        warnings.simplefilter("error", InterruptedTraining)
        # Of dask, about the data within a task, which is where they are to be.
        warnings.filterwarnings("ignore", "Sending large graph")
        predictions = parallel(tasks)
    return _decomposed(predictions, tests)


def _prepared_clone(estimator: Any, seed: int) -> Any:
    """A clone that trains for all epochs, in silence."""
    copy = clone(estimator).set_params(n_iter_no_change=estimator.max_iter, warm_start=False, verbose=0)
    return copy.set_params(random_state=seed) if estimator.random_state is None else copy


def _predictions(task: tuple[Any, Any, Any, Any, np.ndarray | None]) -> np.ndarray:
    """Predictions (n_epochs, n_test, outputs or classes) after each epoch of a training.

    Of an estimator, with X and y, on X_test with its classes.
    """
    estimator, X, y, X_test, classes = task
    recorded: list[np.ndarray] = []

    def record(estimator: Any, epoch: int, logs: dict[str, float]) -> None:
        del recorded[epoch:]  # of a training that was restarted at a smaller rate
        recorded.append(_responses(estimator, X_test, classes))

    callbacks = _options.callback_list(type(estimator).__name__, estimator.callbacks)
    estimator.set_params(callbacks=[*callbacks, record])
    with threadpool_limits(1):
        _fit(estimator, X, y)
        if not recorded:  # diverged in the first epoch
            recorded.append(_responses(estimator, X_test, classes))
    recorded += [recorded[-1]] * (estimator.max_iter - len(recorded))
    return np.stack(recorded)


def _fit(estimator: Any, X: Any, y: Any) -> None:
    """`fit`, but Ctrl-C, after which it would leave a usable estimator, ends all trainings."""
    try:
        estimator.fit(X, y)
    except InterruptedTraining:
        raise KeyboardInterrupt from None


def _responses(estimator: Any, X: Any, classes: np.ndarray | None) -> np.ndarray:
    """Values (n, outputs), or probabilities (n, classes or labels) of all classes or labels."""
    if is_regressor(estimator):
        values = estimator.predict(X)
        return values.reshape(len(values), -1)
    known = estimator.predict_proba(X)
    if classes is None:
        return known
    probabilities = np.zeros((len(known), len(classes)))
    probabilities[:, np.searchsorted(classes, estimator.classes_)] = known
    return probabilities


def _decomposed(predictions: list[np.ndarray], tests: HeldOut) -> BiasVarianceResult:
    """Bias and variance of predictions (n_epochs, n_test, outputs), one array a data set."""
    n_epochs = len(predictions[0])
    bias_squared, variance = np.empty((2, n_epochs))
    errors = np.empty((len(predictions), n_epochs))
    for epoch in range(n_epochs):
        values = np.stack([one[epoch] for one in predictions])
        mean = values.mean(axis=0)
        bias_squared[epoch] = tests.squared_error(mean)
        variance[epoch] = np.mean([tests.squared_error(one, mean) for one in values])
        errors[:, epoch] = [tests.squared_error(one) for one in values]
    zero_one = None
    if tests.classes is not None:
        zero_one = _zero_one(np.stack([one.argmax(axis=2) for one in predictions]), tests.targets)
    elif tests.multilabel:  # every label of a sample as a sample of two classes
        labels = np.stack([one.reshape(n_epochs, -1) > 0.5 for one in predictions])
        zero_one = _zero_one(
            labels.astype(int), np.stack([1 - tests.targets, tests.targets], axis=2).reshape(-1, 2)
        )
    return BiasVarianceResult(
        epochs=np.arange(1, n_epochs + 1),
        bias_squared=bias_squared,
        variance=variance,
        test_errors=errors,
        noise=None if tests.truth is None else tests.squared_error(tests.targets),
        zero_one=zero_one,
    )


def _zero_one(labels: np.ndarray, targets: np.ndarray) -> ZeroOneDecomposition:
    """From class numbers (n_datasets, n_epochs, n_test) and coded targets (n_test, n_classes)."""
    right = targets.argmax(axis=1)
    votes = np.stack([(labels == number).sum(axis=0) for number in range(targets.shape[1])])
    main = votes.argmax(axis=0)  # (n_epochs, n_test)
    biased = main != right
    deviating = (labels != main).mean(axis=0)
    return ZeroOneDecomposition(
        bias=biased.mean(axis=1),
        variance=deviating.mean(axis=1),
        unbiased_variance=np.where(biased, 0.0, deviating).mean(axis=1),
        biased_variance=np.where(biased, (labels == right).mean(axis=0), 0.0).mean(axis=1),
        total=(labels != right).mean(axis=(0, 2)),
    )
