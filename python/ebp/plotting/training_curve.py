"""The loss in the course of the training."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ebp._analysis import checked_estimator
from ebp._checks import check_choice, check_number
from ebp._options import SEARCHES

from ._figure import axes_and_figure, plain_ticks, require_matplotlib

SCALES = ("auto", "log", "linear")
LOGARITHMIC = 10.0  # ratio of the largest to the smallest loss from which "auto" takes a logarithmic axis
TRAINING, VALIDATION, SCORE = "tab:blue", "tab:orange", "tab:green"


class TrainingCurveDisplay:
    """Loss per epoch of training, and of the validation samples where some were held out.

    Parameters
    ----------
    losses : ndarray of shape (n_points,)
        Mean training loss.
    validation_losses : ndarray of shape (n_points,) or None, default=None
        Mean loss of the validation samples.
    validation_scores : ndarray of shape (n_points,) or None, default=None
        Accuracy or R² of the validation samples.
    ends : ndarray of shape (n_points,) or None, default=None
        Where on the axis each loss is drawn: the number of epochs (or presentations) that have passed by
        then. None: 1, 2, ...
    unit : str, default="epoch"
        What the axis counts.

    Attributes
    ----------
    best : int or None
        Place (from 0) of the largest validation score, and of several the one with the smallest validation
        loss; None without finite scores. Early stopping keeps this network, but for differences below `tol`.
    lines_ : dict of str to matplotlib Line2D
        What was drawn: "training loss", "validation loss", "validation score".
    ax_ : matplotlib Axes
        Where the last `plot` was drawn.
    score_ax_ : matplotlib Axes or None
        The axis of the scores, at the right.
    figure_ : matplotlib Figure

    Notes
    -----
    The training loss of an online epoch is the mean over samples each measured before its own update, so that
    a falling curve lags behind the loss of the network as it stands at the end of the epoch.

    Examples
    --------
    >>> import matplotlib, ebp
    >>> matplotlib.use("Agg")
    >>> X, y = ebp.datasets.load_digits()
    >>> model = ebp.MLPClassifier((10,), max_iter=5, random_state=0).fit(X, y)
    >>> display = ebp.plotting.TrainingCurveDisplay.from_estimator(model)
    >>> display.losses.tolist() == model.loss_curve_
    True
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(
        self,
        *,
        losses: np.ndarray,
        validation_losses: np.ndarray | None = None,
        validation_scores: np.ndarray | None = None,
        ends: np.ndarray | None = None,
        unit: str = "epoch",
    ) -> None:
        self.losses = losses
        self.validation_losses = validation_losses
        self.validation_scores = validation_scores
        self.ends = np.arange(1, len(losses) + 1) if ends is None else ends
        self.unit = unit

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **kwargs: Any) -> TrainingCurveDisplay:
        """Draw the curves of the last `fit` of an estimator.

        Parameters
        ----------
        estimator : fitted MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor
            Its `loss_curve_`, and with ``early_stopping=True`` its `validation_loss_curve_` and
            `validation_scores_`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs
            For `plot`.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, NotFittedError
            For other estimators, and unfitted ones.
        ValueError
            If there is no curve: `partial_fit` leaves none.
        """
        function = f"{cls.__name__}.from_estimator"
        require_matplotlib(function)
        check_is_fitted(checked_estimator(estimator, function))
        if not len(estimator.loss_curve_):
            raise ValueError(
                f"[{function}] estimator must have a loss_curve_, which fit leaves and partial_fit does not; "
                "got an empty one"
            )
        unit = "iteration" if estimator.solver_ in SEARCHES else "epoch"
        curves = (estimator.loss_curve_, estimator.validation_loss_curve_, estimator.validation_scores_)
        losses, *validation = (np.asarray(curve, dtype=np.float64) for curve in curves)
        held_out = {
            name: curve if len(curve) else None
            for name, curve in zip(("validation_losses", "validation_scores"), validation, strict=True)
        }
        return cls(losses=losses, unit=unit, **held_out).plot(ax, **kwargs)

    @classmethod
    def from_losses(
        cls,
        losses: Any,
        *,
        validation_losses: Any = None,
        validation_scores: Any = None,
        window: int = 1,
        unit: str = "epoch",
        ax: Any = None,
        **kwargs: Any,
    ) -> TrainingCurveDisplay:
        """Draw losses of one's own, such as those of `Network.train_online`.

        Parameters
        ----------
        losses : array-like of shape (n,)
            In order of time.
        validation_losses, validation_scores : array-like of shape (n,), default=None
            At the same times; only with ``window=1``.
        window : int, default=1
            So many successive losses are averaged for each point of the curve; the last window may be
            shorter. For losses of single samples, the number of samples makes a point an epoch.
        unit : str, default="epoch"
            What one loss stands for: "epoch", "presentation", ...
        ax, **kwargs
            As in `from_estimator`.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            For no losses, other shapes, or a `window` below 1.

        Examples
        --------
        >>> import matplotlib, ebp
        >>> matplotlib.use("Agg")
        >>> X, y = ebp.datasets.two_gaussians(random_state=0)
        >>> net = ebp.Network([ebp.layers.Dense(1)], 2, random_state=0)
        >>> result = net.train_online(X, y, ebp.rules.SGD(0.01))
        >>> display = ebp.plotting.TrainingCurveDisplay.from_losses(
        ...     result.losses, window=20, unit="presentation")
        >>> display.ends.tolist()
        [20, 40, 60, 80, 100]
        """
        function = f"{cls.__name__}.from_losses"
        require_matplotlib(function)
        check_number(function, "window", window, 1, integer=True)
        values = _curve(losses, "losses", function)
        rest = {"validation_losses": validation_losses, "validation_scores": validation_scores}
        given = {name: _curve(curve, name, function) for name, curve in rest.items() if curve is not None}
        for name, curve in given.items():
            if window > 1 or len(curve) != len(values):
                raise ValueError(
                    f"[{function}] {name} must have as many values as losses, {len(values)}, and window=1; "
                    f"got {len(curve)} values and window={window}"
                )
        starts = np.arange(0, len(values), window)
        ends = np.minimum(starts + window, len(values))
        means = np.add.reduceat(values, starts) / (ends - starts)
        return cls(losses=means, ends=ends, unit=unit, **given).plot(ax, **kwargs)

    @property
    def best(self) -> int | None:
        scores = self.validation_scores
        if scores is None or not np.isfinite(scores).any():
            return None
        ties = np.flatnonzero(scores == scores[np.isfinite(scores)].max())
        losses = (self.losses if self.validation_losses is None else self.validation_losses)[ties]
        return int(ties[np.argmin(np.where(np.isnan(losses), np.inf, losses))])

    def plot(
        self, ax: Any = None, *, yscale: str = "auto", scores: bool = True, **kwargs: Any
    ) -> TrainingCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        yscale : {"auto", "log", "linear"}, default="auto"
            Of the losses. "auto" is logarithmic if they are positive and the largest is more than ten times
            the smallest.
        scores : bool, default=True
            Whether to draw the validation scores, if there are any, on an axis of their own at the right.
        **kwargs
            For `Axes.plot`, for all lines.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            For an unknown scale, or losses none of which is finite.
        """
        function = f"{type(self).__name__}.plot"
        check_choice(function, "yscale", yscale, SCALES)
        scale = self._scale(yscale, function)
        self.ax_, self.figure_ = axes_and_figure(ax, function)
        self.lines_: dict[str, Any] = {}
        self._plot_line(self.ax_, self.losses, "training loss", TRAINING, kwargs)
        if self.validation_losses is not None:
            self._plot_line(self.ax_, self.validation_losses, "validation loss", VALIDATION, kwargs)
        self.ax_.set(yscale=scale, xlabel=self.unit, ylabel="mean loss")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.score_ax_: Any = None
        if scores and self.validation_scores is not None:
            self._plot_scores(kwargs)
        if scale == "log":
            plain_ticks(self.ax_.yaxis)
        if len(self.lines_) > 1:
            # Above the axes: "best" would keep clear of the lines of one axis only.
            self.ax_.legend(
                handles=list(self.lines_.values()),
                loc="lower left",
                bbox_to_anchor=(0, 1),
                ncols=2,
                frameon=False,
                fontsize="small",
            )
        return self

    def _scale(self, yscale: str, function: str) -> str:
        given = [curve for curve in (self.losses, self.validation_losses) if curve is not None]
        losses = np.concatenate(given)
        losses = losses[np.isfinite(losses)]
        if not len(losses):
            raise ValueError(f"[{function}] some loss must be finite; got NaN or infinity throughout")
        if yscale != "auto":
            return yscale
        return "log" if losses.min() > 0 and losses.max() > LOGARITHMIC * losses.min() else "linear"

    def _plot_line(self, ax: Any, values: np.ndarray, label: str, color: str, kwargs: dict[str, Any]) -> None:
        # A single point has no line, and a short curve shows where its epochs are.
        marker = "." if len(values) <= 50 else ""
        style = {"color": color, "marker": marker, "label": label, **kwargs}
        (self.lines_[label],) = ax.plot(self.ends, values, **style)

    def _plot_scores(self, kwargs: dict[str, Any]) -> None:
        """Scores at the right, with a line where the best network was, if any score is finite."""
        self.score_ax_ = self.ax_.twinx()
        scores, best = self.validation_scores, self.best
        assert scores is not None
        self._plot_line(self.score_ax_, scores, "validation score", SCORE, {"linestyle": "--", **kwargs})
        self.score_ax_.set_ylabel("validation score")
        if best is None:
            return
        place = self.ends[best]
        label = f"best score {scores[best]:.4g} at {self.unit} {place}"
        self.lines_[label] = self.ax_.axvline(place, color=SCORE, linewidth=0.8, linestyle=":", label=label)


def _curve(values: Any, name: str, function: str) -> np.ndarray:
    """One-dimensional float64 array of at least one value."""
    try:
        curve = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        curve = np.empty((0, 0))
    if curve.ndim != 1 or not curve.size:
        raise ValueError(
            f"[{function}] {name} must be a 1-D array of at least one number; got shape {np.shape(values)}"
        )
    return curve
