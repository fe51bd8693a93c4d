"""Every derivative of a network against differences, for networks and layers of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core, curvature
from ._analysis import double_copy
from ._arrays import as_rows
from ._checks import check_number
from ._initialization import generator
from .layers import Dense
from .losses import loss_name, loss_options
from .network import Network

# Steps of the differences, times the size of what is changed: the first balances truncation and rounding, a
# tenth of it crosses fewer kinks. An error counts only if both steps show it.
STEPS = (np.finfo(np.float64).eps ** (1 / 3), 0.1 * np.finfo(np.float64).eps ** (1 / 3))
JACOBIAN_SIZE = 10_000_000  # numbers of the Jacobian that is held; further samples are left out of it
N_DIRECTIONS = 3
# Rounding of differences, relative to the value below which the derivatives of a block count as zero.
NOISE = 1e-7


@dataclass(frozen=True)
class Comparison:
    """One derivative and what it was compared with.

    Attributes
    ----------
    error : float
        Largest difference between the two, relative to the largest value within the same block of parameters.
    largest : float
        Largest value of the reference. 0: the comparison proves nothing.
    """

    error: float
    largest: float


class GradientReport(Mapping[str, float]):
    """Largest relative error of every derivative, by name; true if all are within the tolerance.

    Attributes
    ----------
    comparisons : dict of str to Comparison
    tolerance : float
    passed : bool
        Whether no error exceeds the tolerance, and none is NaN.
    """

    def __init__(self, comparisons: dict[str, Comparison], tolerance: float) -> None:
        self.comparisons = comparisons
        self.tolerance = tolerance

    def __getitem__(self, name: str) -> float:
        return self.comparisons[name].error

    def __iter__(self) -> Iterator[str]:
        return iter(self.comparisons)

    def __len__(self) -> int:
        return len(self.comparisons)

    @property
    def passed(self) -> bool:
        return all(error <= self.tolerance for error in self.values())

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        lines = [f"{'derivative':<24}  {'largest':>9}  {'error':>9}"]
        for name, one in self.comparisons.items():
            verdict = "ok" if one.error <= self.tolerance else f"above {self.tolerance:g}"
            if one.largest == 0 and one.error == 0:
                verdict = "all zero, nothing shown"
            lines.append(f"{name:<24}  {one.largest:9.3g}  {one.error:9.2g}  {verdict}")
        return "\n".join(lines)

    __repr__ = __str__


def check_gradients(
    net: Network,
    X: Any,
    T: Any,
    *,
    tolerance: float = 1e-6,
    max_parameters: int = 1000,
    raise_on_failure: bool = False,
    random_state: Any = 0,
) -> GradientReport:
    """Compare every derivative of a network with differences, in double precision.

    - "gradient" of the mean loss with central differences of `Network.loss`;
    - "jacobian" of the outputs with central differences of `Network.forward`;
    - "hessian_vector_product" (section 7.5) in random directions with differences of the gradient, and
      "hessian_symmetry", u·Hv = v·Hu;
    - "gauss_newton_product", Jᵀ D J v, with the Jacobian times differences of the loss's gradient;
    - "curvature_diagonal", (54)-(56), with its definition (53) from the Jacobian: only for dense layers at
      the end, at most two, because below them the recursion drops cross terms by design.

    Parameters
    ----------
    net : Network
        Any, also of a subclass that overrides methods; stays as it is. The comparison runs on a copy in
        float64, whatever the type of the network.
    X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
        A few samples suffice.
    T : array-like of shape (n, n_outputs), or (n,) for one output
        Targets.
    tolerance : float, default=1e-6
        Largest relative error that passes. Errors of correct derivatives are about 1e-9; missing terms and
        wrong factors give 1e-3 to 1.
    max_parameters : int, default=1000
        Of larger networks so many parameters, drawn evenly from the blocks of `net.parameter_slices`, are
        compared one by one, each by eight evaluations of the network. Products and the diagonal are compared
        in all parameters.
    raise_on_failure : bool, default=False
        Raise AssertionError, with the report as its text, unless everything passes.
    random_state : None, int, numpy.random.Generator or RandomState, default=0
        Source of the directions and of the choice of parameters.

    Returns
    -------
    GradientReport
        A mapping of names to errors that prints as a table and is true if all pass, so that
        ``assert ebp.check_gradients(net, X, T)`` works.

    Raises
    ------
    AssertionError
        With `raise_on_failure`, for errors above the tolerance.
    ValueError, TypeError
        For shapes that do not fit, inputs, targets or parameters that are not finite, or no samples.

    Notes
    -----
    Where the function has a kink ("relu", max pooling, "hinge", "absolute_error", "huber") there is no
    derivative to compare with. Differences are taken over two steps and the better one counts, so that only
    points on a kink disagree, such as a relu unit with bias 0 and inputs of 0: move the parameters. Where the
    loss couples the outputs, as "cross_entropy" does, both sides of "curvature_diagonal" have the diagonal of
    its second derivatives only.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> net = ebp.Network([ebp.layers.Dense(3), ebp.layers.Dense(2)], 4, random_state=0)
    >>> rng = np.random.default_rng(0)
    >>> report = ebp.check_gradients(net, rng.normal(size=(5, 4)), rng.choice([-1, 1], size=(5, 2)))
    >>> report.passed, max(report.values()) < 1e-7
    (True, True)
    """
    check_number("check_gradients", "tolerance", tolerance, 0)
    check_number("check_gradients", "max_parameters", max_parameters, 1, integer=True)
    check = _Check(net, X, T, generator(random_state), max_parameters)
    report = GradientReport(check.run(), tolerance)
    if raise_on_failure and not report:
        raise AssertionError(f"[check_gradients] every error must be at most {tolerance:g}; got\n{report}")
    return report


class _Check:
    """The comparisons for one network and its data."""

    def __init__(self, net: Network, X: Any, T: Any, rng: np.random.Generator, max_parameters: int) -> None:
        where = "check_gradients"
        if not isinstance(max_parameters, (int, np.integer)) or max_parameters < 1:
            raise ValueError(f"[{where}] max_parameters must be an integer >= 1; got {max_parameters!r}")
        self.net = double_copy(net, where)
        double = self.net.dtype
        self.X = as_rows(X, net.n_inputs, double, where, "X", net.input_shape)
        self.T = as_rows(T, net.n_outputs, double, where, "T")
        if not len(self.X) or len(self.X) != len(self.T):
            raise ValueError(
                f"[{where}] X and T must have the same number of rows, at least 1; "
                f"got {len(self.X)} and {len(self.T)}"
            )
        for name, values in (("X", self.X), ("T", self.T), ("net.parameters", self.net.parameters)):
            if not np.isfinite(values).all():
                raise ValueError(f"[{where}] {name} must be finite; got NaN or infinity")
        self.rng = rng
        self.theta = self.net.parameters.copy()
        self.blocks = [(part.start, part.stop) for _, part, _ in self.net.parameter_slices]
        self.chosen = self._choice(max_parameters)
        self.n_rows = max(1, min(len(self.X), JACOBIAN_SIZE // (net.n_outputs * max(1, net.n_parameters))))
        loss = self.net.loss_function
        self.loss: Any = _core.Loss64(loss_name(loss), **loss_options(loss))

    def run(self) -> dict[str, Comparison]:
        """All comparisons that this network allows, by name."""
        self.jacobian = self.net.jacobian(self.X[: self.n_rows])
        directions = self.rng.standard_normal((N_DIRECTIONS, len(self.theta)))
        products = [curvature.hessian_vector_product(self.net, self.X, self.T, v) for v in directions]
        comparisons = self._first_derivatives()
        comparisons["hessian_vector_product"] = self._hessian_products(directions, products)
        comparisons["hessian_symmetry"] = self._symmetry(directions, products)
        comparisons["gauss_newton_product"] = self._gauss_newton(directions)
        diagonal = self._diagonal()
        if diagonal is not None:
            comparisons["curvature_diagonal"] = diagonal
        return comparisons

    def _choice(self, most: int) -> np.ndarray:
        """Indices of the parameters to compare one by one, ascending; from small blocks all."""
        sizes = np.array([stop - start for start, stop in self.blocks])
        quota = np.zeros_like(sizes)
        left = min(most, sizes.sum())
        while left > 0:  # shares evenly what is left among the blocks that are not yet used up
            open_blocks = np.flatnonzero(quota < sizes)
            share = max(1, left // len(open_blocks))
            for k in open_blocks[:left]:
                taken = min(share, sizes[k] - quota[k])
                quota[k] += taken
                left -= taken
        drawn = [
            start + self.rng.choice(stop - start, count, replace=False)
            for (start, stop), count in zip(self.blocks, quota, strict=True)
        ]
        return np.sort(np.concatenate(drawn))

    def _first_derivatives(self) -> dict[str, Comparison]:
        got = self.net.gradient(self.X, self.T)[self.chosen]
        rows = self.X[: self.n_rows]
        losses = [self._differences(lambda: self.net.loss(self.X, self.T), step) for step in STEPS]
        outputs = [self._differences(lambda: self.net.forward(rows), step) for step in STEPS]
        jacobian = np.moveaxis(self.jacobian[..., self.chosen], -1, 0)
        return {
            "gradient": self._compare(got, losses, self.chosen, abs(self.net.loss(self.X, self.T))),
            "jacobian": self._compare(jacobian, outputs, self.chosen, np.abs(self.net.forward(rows)).max()),
        }

    def _differences(self, value: Callable[[], Any], step: float) -> np.ndarray:
        """Central differences of `value` in the chosen parameters, one a row."""
        results = []
        for k in self.chosen:
            h = step * max(1.0, abs(self.theta[k]))
            high, low = self.theta[k] + h, self.theta[k] - h
            self.net.parameters[k] = high
            above = np.asarray(value())
            self.net.parameters[k] = low
            results.append((above - value()) / (high - low))  # divided by the step as it was rounded
            self.net.parameters[k] = self.theta[k]
        return np.array(results)

    def _hessian_products(self, directions: np.ndarray, products: list[np.ndarray]) -> Comparison:
        differences = [
            np.array([self._along(v, lambda: self.net.gradient(self.X, self.T), step) for v in directions])
            for step in STEPS
        ]
        scale = np.abs(self.net.gradient(self.X, self.T)).max()
        return self._compare(
            np.array(products).T, [d.T for d in differences], np.arange(len(self.theta)), scale
        )

    def _along(self, v: np.ndarray, value: Callable[[], np.ndarray], step: float) -> np.ndarray:
        """Central difference of `value` along the direction v."""
        h = step * max(1.0, np.abs(self.theta).max()) / np.abs(v).max()
        self.net.parameters[:] = self.theta + h * v
        above = value()
        self.net.parameters[:] = self.theta - h * v
        below = value()
        self.net.parameters[:] = self.theta
        return (above - below) / (2 * h)

    def _symmetry(self, directions: np.ndarray, products: list[np.ndarray]) -> Comparison:
        matrix = directions @ np.array(products).T
        scale = np.linalg.norm(directions, axis=1).max() * np.linalg.norm(products, axis=1).max()
        return Comparison(_ratio(np.abs(matrix - matrix.T).max(), scale), float(np.abs(matrix).max()))

    def _gauss_newton(self, directions: np.ndarray) -> Comparison:
        """(1/n) Jᵀ D J v, where D J v is the change of the loss's gradient as the outputs move along J v."""
        rows, targets = self.X[: self.n_rows], self.T[: self.n_rows]
        outputs = self.net.forward(rows)
        got = [
            curvature.hessian_vector_product(self.net, rows, targets, v, "gauss_newton") for v in directions
        ]
        expected = []
        for step in STEPS:
            columns = []
            for v in directions:
                moves = self.jacobian @ v
                h = step * max(1.0, np.abs(outputs).max()) / max(1.0, np.abs(moves).max())
                above = self.loss.gradient(outputs + h * moves, targets)
                below = self.loss.gradient(outputs - h * moves, targets)
                columns.append(np.einsum("nk,nkp->p", (above - below) / (2 * h), self.jacobian) / len(rows))
            expected.append(np.array(columns).T)
        return self._compare(np.array(got).T, expected, np.arange(len(self.theta)), 1.0)

    def _diagonal(self) -> Comparison | None:
        """(53), the mean over samples of Σ_k (∂²E/∂o_k²) (∂o_k/∂w)², for the last dense layers."""
        start = self._start_of_exact_diagonal()
        if start is None:
            return None
        rows, targets = self.X[: self.n_rows], self.T[: self.n_rows]
        outputs = self.net.forward(rows)
        got = curvature.hessian_diagonal(self.net, rows, targets, "backprop")[start:]
        expected = []
        for step in STEPS:
            h = step * max(1.0, np.abs(outputs).max())
            second = np.empty_like(outputs)
            for k in range(outputs.shape[1]):
                move = h * (np.arange(outputs.shape[1]) == k)
                above = self.loss.gradient(outputs + move, targets)[:, k]
                second[:, k] = (above - self.loss.gradient(outputs - move, targets)[:, k]) / (2 * h)
            squares = self.jacobian[..., start:] ** 2
            expected.append(np.einsum("nk,nkp->p", second, squares) / len(rows))
        return self._compare(got, expected, np.arange(start, len(self.theta)), 1.0)

    def _start_of_exact_diagonal(self) -> int | None:
        """The first parameter of the dense layers, at most two, that the network ends with."""
        layers = self.net.layers
        n_dense = next(
            (k for k, layer in enumerate(reversed(layers)) if not isinstance(layer, Dense)), len(layers)
        )
        first = len(layers) - min(2, n_dense)
        starts = [
            part.start for name, part, _ in self.net.parameter_slices if int(name.split(".")[0]) >= first
        ]
        return min(starts, default=None)

    def _compare(
        self, got: np.ndarray, expected: list[np.ndarray], indices: np.ndarray, scale: float
    ) -> Comparison:
        """Largest error over the blocks of parameters, each relative to its own largest value.

        The first axis of the arrays runs over the parameters `indices`. `scale` is the size of what was
        differentiated, whose rounding is all that a block of derivatives near 0 consists of.
        """
        smallest = np.finfo(np.float64).eps ** (2 / 3) * scale / NOISE
        worst = 0.0
        for start, stop in self.blocks:
            inside = (indices >= start) & (indices < stop)
            if not inside.any():
                continue
            largest = max(np.abs(one[inside]).max() for one in expected)
            errors = np.min([np.abs(got[inside] - one[inside]) for one in expected], axis=0)
            worst = max(worst, _ratio(errors.max(), max(largest, smallest)))
        return Comparison(worst, float(np.abs(expected[0]).max(initial=0.0)))


def _ratio(error: float, scale: float) -> float:
    """error / scale, and NaN as infinity."""
    if np.isnan(error):
        return float("inf")
    return float(error / scale) if scale > 0 else float(error > 0)
