"""Eigenvalues of the Hessian, as in figures 19 and 20 of the paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from ebp import curvature
from ebp._analysis import double_copy, network_data
from ebp._arrays import as_rows, is_dask
from ebp.network import Network

from ._figure import axes_and_figure, plain_ticks, require_matplotlib

KINDS = ("sorted", "histogram")
POSITIVE, NEGATIVE, MARK = "tab:blue", "tab:red", "black"


class SpectrumDisplay:
    """Eigenvalues of a network's Hessian on a logarithmic scale. Section 8, figures 19 and 20.

    Typical spectra have a few small, many medium and a few very large eigenvalues. The large ones hurt: the
    learning rate must stay below 2 / λ_max, and everything in the direction of an eigenvalue λ then takes
    about λ_max / λ updates.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_eigenvalues,)
        Ascending.
    n_parameters : int
        Size of the Hessian; more than `n_eigenvalues` if only the largest ones are known.

    Attributes
    ----------
    lambda_max : float
        The largest eigenvalue.
    learning_rate : float or None
        1 / λ_max, (39); None if no eigenvalue is positive.
    condition_number : float or None
        Ratio of the largest to the smallest magnitude, leaving out eigenvalues that are zero up to rounding;
        None if only the largest are known, or all are zero.
    n_zero : int
        Eigenvalues that are zero up to rounding: flat directions.
    ax_ : matplotlib Axes
        Where the last `plot` was drawn.
    figure_ : matplotlib Figure

    Notes
    -----
    Away from a minimum, as at the initial weights, some eigenvalues of the exact Hessian are negative; their
    magnitudes are drawn in a colour of their own. "gauss_newton" has none.

    Examples
    --------
    >>> import matplotlib, ebp
    >>> matplotlib.use("Agg")
    >>> X, y = ebp.datasets.two_gaussians(random_state=0)
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, random_state=0)
    >>> display = ebp.plotting.SpectrumDisplay.from_network(net, X, y)
    >>> display.eigenvalues.round(2)
    array([0.03, 0.83, 1.  ])
    >>> display.ax_.get_yscale()
    'log'
    """

    def __init__(self, *, eigenvalues: Any, n_parameters: int) -> None:
        self.eigenvalues = np.asarray(eigenvalues, dtype=np.float64)
        if self.eigenvalues.ndim != 1 or not self.eigenvalues.size:
            raise ValueError(
                "[SpectrumDisplay] eigenvalues must be one-dimensional and at least one; "
                f"got shape {self.eigenvalues.shape}"
            )
        self.n_parameters = n_parameters

    @classmethod
    def from_network(
        cls,
        net: Network,
        X: Any,
        T: Any,
        *,
        method: str = "exact",
        k: int | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> SpectrumDisplay:
        """Compute the eigenvalues of the Hessian of the mean loss, in double precision, and draw them.

        Parameters
        ----------
        net : Network
            Stays as it is.
        X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
            Dask arrays, `X` and `T`, stay where they are.
        T : array-like of shape (n, n_outputs), or (n,) for one output
            Targets.
        method : {"exact", "gauss_newton", "finite_difference"}, default="exact"
            Which Hessian, see `ebp.curvature.spectrum`.
        k : int, default=None
            Only the k largest eigenvalues. None: all, with a dense matrix of n_parameters² numbers.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs
            For `plot`.

        Returns
        -------
        SpectrumDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, TypeError
            From `ebp.curvature.spectrum`, for arguments that do not fit.
        """
        function = f"{cls.__name__}.from_network"
        require_matplotlib(function)
        double = double_copy(net, function)
        if not is_dask(X):
            T = as_rows(T, double.n_outputs, double.dtype, function, "T")
        return cls._computed(double, X, T, method, k, ax, kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        method: str = "exact",
        k: int | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> SpectrumDisplay:
        """The same for a fitted estimator: its network, with inputs and targets as it sees them.

        Parameters
        ----------
        estimator : fitted MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor
            Normalises `X` and codes `y`; sample and class weights play no part.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        method, k, ax, **kwargs
            As in `from_network`.

        Returns
        -------
        SpectrumDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, TypeError
            For other estimators, unfitted ones (NotFittedError), or data that do not suit the fitted one.
        """
        function = f"{cls.__name__}.from_estimator"
        require_matplotlib(function)
        return cls._computed(*network_data(estimator, X, y, function), method, k, ax, kwargs)

    @classmethod
    def from_eigenvalues(
        cls, eigenvalues: Any, *, n_parameters: int | None = None, ax: Any = None, **kwargs: Any
    ) -> SpectrumDisplay:
        """Draw given eigenvalues, such as those of a covariance matrix.

        Parameters
        ----------
        eigenvalues : array-like of shape (n_eigenvalues,)
            In any order.
        n_parameters : int, default=None
            Size of the matrix; None: as many as there are eigenvalues.
        ax, **kwargs
            As in `from_network`.

        Returns
        -------
        SpectrumDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            For no eigenvalues, more than `n_parameters`, or values that are not real and finite.
        """
        function = f"{cls.__name__}.from_eigenvalues"
        require_matplotlib(function)
        values = np.asarray(eigenvalues)
        if values.ndim != 1 or not values.size or values.dtype.kind not in "fiu":
            raise ValueError(
                f"[{function}] eigenvalues must be a 1-D array of real numbers; "
                f"got {values.dtype} {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"[{function}] eigenvalues must be finite; got NaN or infinity")
        size = len(values) if n_parameters is None else n_parameters
        if size < len(values):
            raise ValueError(
                f"[{function}] n_parameters must be at least the number of eigenvalues, {len(values)}; "
                f"got {size}"
            )
        display = cls(eigenvalues=np.sort(values.astype(np.float64)), n_parameters=size)
        return display.plot(ax, **kwargs)

    @classmethod
    def _computed(
        cls, net: Network, X: Any, T: Any, method: str, k: int | None, ax: Any, kwargs: dict[str, Any]
    ) -> SpectrumDisplay:
        eigenvalues = curvature.spectrum(net, X, T, method, k)
        return cls(eigenvalues=eigenvalues, n_parameters=net.n_parameters).plot(ax, **kwargs)

    @property
    def lambda_max(self) -> float:
        return float(self.eigenvalues[-1])

    @property
    def learning_rate(self) -> float | None:
        return 1 / self.lambda_max if self.lambda_max > 0 else None

    @property
    def condition_number(self) -> float | None:
        sizes = np.abs(self.eigenvalues[self._nonzero])
        if len(self.eigenvalues) < self.n_parameters or not len(sizes):
            return None
        return float(sizes.max() / sizes.min())

    @property
    def n_zero(self) -> int:
        return int((~self._nonzero).sum())

    @property
    def _nonzero(self) -> np.ndarray:
        """Where an eigenvalue is more than the rounding of an eigenvalue solver."""
        sizes = np.abs(self.eigenvalues)
        return sizes > self.n_parameters * np.finfo(np.float64).eps * sizes.max()

    def plot(self, ax: Any = None, *, kind: str = "sorted", **kwargs: Any) -> SpectrumDisplay:
        """Draw the spectrum.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        kind : {"sorted", "histogram"}, default="sorted"
            "sorted": magnitude of every eigenvalue over its rank, as in figure 19. "histogram": how many
            there are of each magnitude, as in figure 20.
        **kwargs
            For `Axes.plot` ("sorted") or `Axes.hist` ("histogram").

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            For an unknown kind.
        """
        function = f"{type(self).__name__}.plot"
        if kind not in KINDS:
            raise ValueError(f"[{function}] kind must be one of {', '.join(KINDS)}; got {kind!r}")
        self.ax_, self.figure_ = axes_and_figure(ax, function)
        nonzero = self.eigenvalues[self._nonzero]
        if kind == "sorted":
            self._plot_sorted(nonzero, kwargs)
        else:
            self._plot_histogram(nonzero, kwargs)
        self._annotate(kind)
        return self

    def _plot_sorted(self, values: np.ndarray, kwargs: dict[str, Any]) -> None:
        order = np.argsort(-np.abs(values), kind="stable")
        values, ranks = values[order], np.arange(1, len(values) + 1)
        style = {"marker": ".", "linestyle": "none", **kwargs}
        for chosen, color, label in ((values > 0, POSITIVE, "positive"), (values < 0, NEGATIVE, "negative")):
            if chosen.any():
                self.ax_.plot(
                    ranks[chosen], np.abs(values[chosen]), **{"color": color, "label": label, **style}
                )
        self.ax_.set(yscale="log", xlabel="rank by magnitude", ylabel="magnitude of eigenvalue")
        low, high = self.ax_.get_ylim()
        if high / low < 150:  # powers of ten alone would leave the axis with one label or two
            plain_ticks(self.ax_.yaxis)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)

    def _plot_histogram(self, values: np.ndarray, kwargs: dict[str, Any]) -> None:
        highest = 1
        if len(values):
            sizes = np.log10(np.abs(values))
            # Bins that begin and end with the values; a single magnitude gets a decade.
            low, high = sizes.min(), sizes.max()
            if high - low < 1e-6:
                low, high = low - 0.5, high + 0.5
            edges = np.logspace(low, high, min(40, max(10, len(values) // 10)) + 1)
            edges[0] = min(edges[0], np.abs(values).min())  # not to lose the extremes by rounding
            edges[-1] = max(edges[-1], np.abs(values).max())
            parts = [
                (np.abs(values[values > 0]), POSITIVE, "positive"),
                (np.abs(values[values < 0]), NEGATIVE, "negative"),
            ]
            parts = [part for part in parts if len(part[0])]
            groups, colors, labels = (list(column) for column in zip(*parts, strict=True))
            style = {"bins": edges, "stacked": True, "color": colors, "label": labels, **kwargs}
            self.ax_.hist(groups, **style)
            highest = np.histogram(np.abs(values), edges)[0].max()
        self.ax_.set(xscale="log", xlabel="magnitude of eigenvalue", ylabel="number of eigenvalues")
        self.ax_.set_yscale("log")
        # A bar of one eigenvalue begins below 1, so that it is seen; the legend has room above the bars.
        self.ax_.set_ylim(0.7, 8 * highest)

    def _annotate(self, kind: str) -> None:
        """Mark λ_max, and tell 1 / λ_max, the condition number and what is not drawn in the legend."""
        if self.learning_rate is not None:
            mark = self.ax_.axhline if kind == "sorted" else self.ax_.axvline
            rate = rf"$1/\lambda_{{\max}}$ = {self.learning_rate:.3g}"
            label = rf"$\lambda_{{\max}}$ = {self.lambda_max:.3g},  {rate}"
            mark(self.lambda_max, color=MARK, linestyle="--", linewidth=1, label=label)
        notes = []
        if self.condition_number is not None:
            notes.append(f"condition number {self.condition_number:.3g}")
        elif len(self.eigenvalues) < self.n_parameters:
            notes.append(f"the {len(self.eigenvalues)} largest of {self.n_parameters}")
        if self.n_zero:
            notes.append(f"{self.n_zero} zero, not drawn")
        for note in notes:
            self.ax_.plot([], [], linestyle="none", label=note)
        self.ax_.legend(fontsize="small", loc="upper left" if kind == "histogram" else "best")
