"""The loss over a plane of the weights, with the paths of optimisers: figures 9 to 14 of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ebp._analysis import double_copy, network_data
from ebp._arrays import as_rows
from ebp.network import Network

from ._figure import axes_and_figure, require_matplotlib
from ._plane import make_plane

MARGIN = 0.15  # around the trajectories, as a part of their range
LOWEST_LEVEL = 1e-3  # of the range of losses, above the smallest
LABELLED_LEVELS = 7


class LossSurfaceDisplay:
    """Mean loss over two weights, or over two directions of all weights, with trajectories of optimisers.

    The contours are closer near the minimum: their distances from the smallest loss grow by a constant
    factor, so that narrow valleys are seen as well as high walls.

    Parameters
    ----------
    x : ndarray of shape (n_columns,)
        Coordinates along the first direction.
    y : ndarray of shape (n_rows,)
        Coordinates along the second direction.
    losses : ndarray of shape (n_rows, n_columns)
        Mean loss; values that are not finite are left blank.
    trajectories : dict of str to ndarray of shape (n_steps, 2)
        Coordinates of the points of each trajectory.
    xlabel, ylabel : str

    Attributes
    ----------
    contours_ : matplotlib QuadContourSet
        The filled contours of the last `plot`.
    lines_ : dict of str to matplotlib Line2D
        The trajectories by name.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    The first 20 steps of batch gradient descent on two Gaussians, as in figures 9 and 10:

    >>> import matplotlib, ebp
    >>> matplotlib.use("Agg")
    >>> X, y = ebp.datasets.two_gaussians(random_state=0)
    >>> net = ebp.Network([ebp.layers.Dense(1, "identity")], 2, weight_init=[2.0, -1.0, 0.5], dtype="float64")
    >>> steps = [net.parameters.copy()]
    >>> for _ in range(20):
    ...     net.parameters[:] -= 1.5 * net.gradient(X, y)
    ...     steps.append(net.parameters.copy())
    >>> display = ebp.plotting.LossSurfaceDisplay.from_network(
    ...     net, X, y, directions=(0, 1), trajectories={"batch, rate 1.5": steps})
    >>> display.losses.shape, display.xlabel
    ((50, 50), '0.weights[0, 0]')
    """

    def __init__(
        self,
        *,
        x: np.ndarray,
        y: np.ndarray,
        losses: np.ndarray,
        trajectories: Mapping[str, np.ndarray],
        xlabel: str,
        ylabel: str,
    ) -> None:
        self.x = x
        self.y = y
        self.losses = losses
        self.trajectories = trajectories
        self.xlabel = xlabel
        self.ylabel = ylabel

    @classmethod
    def from_network(
        cls,
        net: Network,
        X: Any,
        T: Any,
        *,
        directions: Any = None,
        trajectories: Mapping[str, Any] | None = None,
        extent: Any = None,
        resolution: int = 50,
        ax: Any = None,
        **kwargs: Any,
    ) -> LossSurfaceDisplay:
        """Compute the loss on a grid, in double precision, and draw it.

        Parameters
        ----------
        net : Network
            Gives the architecture, the loss and the point that the plane passes through; stays as it is.
        X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
        T : array-like of shape (n, n_outputs), or (n,) for one output
            Targets.
        directions : None, (i, j) or (u, v), default=None
            (i, j): two parameters by their place in `net.parameters`; the axes are their values, all others
            stay as they are. (u, v): two vectors of shape (n_parameters,); the axes are multiples of them,
            counted from the parameters as they are. None: the two principal directions of the trajectories,
            seen from the parameters as they are; the labels tell which part of the movement each shows. A
            network of two parameters needs no directions.
        trajectories : dict of str to array-like of shape (n_steps, n_parameters), default=None
            Parameters during training, by the name for the legend: a list of copies of `net.parameters`, say
            from a callback. Points beside the plane are drawn at their feet on it, where the loss is another
            one.
        extent : (x_min, x_max, y_min, y_max), default=None
            Part of the plane to draw. None: what the trajectories need with a margin, or 1 around the present
            parameters if there are none.
        resolution : int, default=50
            Points of the grid along each axis; the loss is computed resolution² times.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs
            For `plot`.

        Returns
        -------
        LossSurfaceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, TypeError
            For arguments that do not fit, values of trajectories that are not finite, or no directions where
            the trajectories do not span a plane.
        """
        function = f"{cls.__name__}.from_network"
        require_matplotlib(function)
        double = double_copy(net, function)
        X = as_rows(X, double.n_inputs, double.dtype, function, "X", double.input_shape)
        T = as_rows(T, double.n_outputs, double.dtype, function, "T")
        return cls._computed(function, double, X, T, directions, trajectories, extent, resolution, ax, kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        directions: Any = None,
        trajectories: Mapping[str, Any] | None = None,
        extent: Any = None,
        resolution: int = 50,
        ax: Any = None,
        **kwargs: Any,
    ) -> LossSurfaceDisplay:
        """The same for a fitted estimator: its network, with inputs and targets as it sees them.

        Parameters
        ----------
        estimator : fitted MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor
            Normalises `X` and codes `y`; sample and class weights play no part. Trajectories come from a
            callback: ``lambda model, epoch, logs: steps.append(model.network_.parameters.copy())``.
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        directions, trajectories, extent, resolution, ax, **kwargs
            As in `from_network`.

        Returns
        -------
        LossSurfaceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError, TypeError
            As in `from_network`, and for other estimators, unfitted ones, or data that do not suit.
        """
        function = f"{cls.__name__}.from_estimator"
        require_matplotlib(function)
        data = network_data(estimator, X, y, function)
        return cls._computed(function, *data, directions, trajectories, extent, resolution, ax, kwargs)

    @classmethod
    def _computed(
        cls,
        function: str,
        net: Network,
        X: np.ndarray,
        T: np.ndarray,
        directions: Any,
        trajectories: Mapping[str, Any] | None,
        extent: Any,
        resolution: int,
        ax: Any,
        kwargs: dict[str, Any],
    ) -> LossSurfaceDisplay:
        if not isinstance(resolution, (int, np.integer)) or isinstance(resolution, bool) or resolution < 2:
            raise ValueError(f"[{function}] resolution must be an integer >= 2; got {resolution!r}")
        paths = _checked_trajectories(trajectories, net.n_parameters, function)
        plane = make_plane(net, directions, paths, function)
        projected = {name: plane.coordinates(path) for name, path in paths.items()}
        here = plane.coordinates(net.parameters[np.newaxis])
        x_min, x_max, y_min, y_max = _extent(extent, projected, here, function)
        x, y = np.linspace(x_min, x_max, resolution), np.linspace(y_min, y_max, resolution)
        losses = np.empty((resolution, resolution))
        for row, b in enumerate(y):
            for column, a in enumerate(x):
                net.parameters[:] = plane.point(a, b)
                losses[row, column] = net.loss(X, T)
        xlabel, ylabel = plane.labels
        display = cls(x=x, y=y, losses=losses, trajectories=projected, xlabel=xlabel, ylabel=ylabel)
        return display.plot(ax, **kwargs)

    def plot(
        self, ax: Any = None, *, levels: int = 20, colorbar: bool = True, **kwargs: Any
    ) -> LossSurfaceDisplay:
        """Draw contours and trajectories.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        levels : int, default=20
            Number of contour lines.
        colorbar : bool, default=True
            Whether to show which loss a colour means.
        **kwargs
            For `Axes.contourf`, such as ``cmap``.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            For fewer than two levels, or losses that are all the same or not finite.
        """
        function = f"{type(self).__name__}.plot"
        values = _contour_levels(self.losses, levels, function)
        self.ax_, self.figure_ = axes_and_figure(ax, function)
        from matplotlib.colors import BoundaryNorm

        losses = np.ma.masked_invalid(self.losses)
        style = {"cmap": "Blues_r", "norm": BoundaryNorm(values, 256), **kwargs}
        self.contours_ = self.ax_.contourf(self.x, self.y, losses, levels=values, **style)
        self.ax_.contour(self.x, self.y, losses, levels=values, colors="white", linewidths=0.5)
        if colorbar:
            ticks = values[np.linspace(0, len(values) - 1, min(LABELLED_LEVELS, len(values))).astype(int)]
            bar = self.figure_.colorbar(self.contours_, ax=self.ax_, label="mean loss", ticks=ticks)
            bar.ax.set_yticklabels([f"{tick:.3g}" for tick in ticks])
        self._plot_trajectories()
        self.ax_.set(xlim=self.x[[0, -1]], ylim=self.y[[0, -1]], xlabel=self.xlabel, ylabel=self.ylabel)
        return self

    def _plot_trajectories(self) -> None:
        self.lines_ = {}
        for number, (name, path) in enumerate(self.trajectories.items()):
            color = TRAJECTORY_COLORS[number % len(TRAJECTORY_COLORS)]
            (line,) = self.ax_.plot(*path.T, color=color, marker=".", markersize=4, linewidth=1.2, label=name)
            self.ax_.plot(*path[0], marker="o", markersize=7, color=color, markeredgecolor="black")
            self.ax_.plot(*path[-1], marker="*", markersize=12, color=color, markeredgecolor="black")
            self.lines_[name] = line
        if self.lines_:
            self.ax_.legend(title="from ● to ★", fontsize="small")


# Warm and dark, apart from the blues of the contours.
TRAJECTORY_COLORS = ("tab:orange", "tab:red", "black", "tab:green", "tab:purple", "tab:pink", "tab:brown")


def _checked_trajectories(trajectories: Any, size: int, function: str) -> dict[str, np.ndarray]:
    """Trajectories as float64 arrays of shape (n_steps, size)."""
    if trajectories is None:
        return {}
    if not isinstance(trajectories, Mapping):
        raise TypeError(
            f"[{function}] trajectories must be a dict of names and arrays; got {type(trajectories).__name__}"
        )
    checked = {}
    for name, trajectory in trajectories.items():
        try:
            path = np.asarray(trajectory, dtype=np.float64)
        except (TypeError, ValueError):
            path = np.empty(0)
        if path.ndim != 2 or path.shape[1] != size or not len(path):
            raise ValueError(
                f"[{function}] trajectory {name!r} must have shape (n_steps, {size}); got {np.shape(path)}"
            )
        finite = np.isfinite(path).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"[{function}] trajectory {name!r} must be finite; got NaN or infinity from step "
                f"{int(np.argmin(finite))} on"
            )
        checked[str(name)] = path
    return checked


def _extent(
    extent: Any, projected: Mapping[str, np.ndarray], here: np.ndarray, function: str
) -> tuple[float, float, float, float]:
    """The part of the plane to draw, (x_min, x_max, y_min, y_max)."""
    if extent is not None:
        values = np.asarray(extent, dtype=np.float64)
        if values.shape != (4,) or not np.isfinite(values).all() or not (values[::2] < values[1::2]).all():
            raise ValueError(
                f"[{function}] extent must be finite (x_min, x_max, y_min, y_max) with x_min < x_max and "
                f"y_min < y_max; got {extent!r}"
            )
        x_min, x_max, y_min, y_max = values.tolist()
        return x_min, x_max, y_min, y_max
    if not projected:
        (a, b) = here[0]
        return a - 1, a + 1, b - 1, b + 1
    points = np.concatenate([*projected.values(), here])
    low, high = points.min(axis=0), points.max(axis=0)
    ranges = high - low
    # A trajectory along one axis needs some width across it.
    margins = MARGIN * np.maximum(ranges, 0.1 * ranges.max() if ranges.max() > 0 else 1.0)
    (x_min, y_min), (x_max, y_max) = (low - margins).tolist(), (high + margins).tolist()
    return x_min, x_max, y_min, y_max


def _contour_levels(losses: np.ndarray, n_levels: int, function: str) -> np.ndarray:
    """Levels from the smallest to the largest loss, at distances from the smallest in geometric sequence."""
    if not isinstance(n_levels, (int, np.integer)) or isinstance(n_levels, bool) or n_levels < 2:
        raise ValueError(f"[{function}] levels must be an integer >= 2; got {n_levels!r}")
    finite = losses[np.isfinite(losses)]
    if not len(finite) or finite.min() == finite.max():
        raise ValueError(f"[{function}] losses must vary over the plane; got a constant, NaN or infinity")
    low, high = finite.min(), finite.max()
    above = np.geomspace(LOWEST_LEVEL, 1.0, n_levels - 1)
    return low + (high - low) * np.concatenate([[0.0], above])
