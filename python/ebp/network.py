"""Networks: layers over one flat parameter vector, evaluated in batches and trained one sample at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ebp import _core, _initialization
from ebp._arrays import as_rows, checked_order, checked_shape, checked_weights
from ebp._summary import summary_table
from ebp.layers import Dense
from ebp.rules import Rule

__all__ = ["LOSSES", "Network", "OnlineResult"]

LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy", "absolute_error", "huber", "hinge")
_ENGINES = ("auto", "streaming")
_DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class OnlineResult:
    """What `Network.train_online` did.

    Attributes
    ----------
    losses : ndarray of shape (n_samples,)
        Loss of each presentation before the update it led to, times its sample weight.
    n_samples : int
        Presentations made.
    status : {"ok", "diverged", "stopped"}
        "diverged": a loss or a parameter was not finite, and the last good parameters are back in place.
        "stopped": the callback asked for it.
    """

    losses: np.ndarray
    n_samples: int
    status: str


class Network:
    """A chain of layers with a loss, over one flat parameter vector.

    Parameters
    ----------
    layers : sequence of ebp.layers.Dense
        From the inputs up.
    input_shape : int or tuple of int
        Shape of one sample; samples may always be given as flat rows too.
    loss : str, default="squared_error"
        Per-sample loss E: "squared_error", ½ Σ (d − o)²; "cross_entropy", of the softmax of the outputs;
        "binary_cross_entropy", of their logistic function, summed over outputs; and, summed likewise,
        "absolute_error", "huber" (squared up to errors of 1) and "hinge" (targets ±1), whose curvature is 0
        where they are straight. Over a data set everything is the mean over samples.
    weight_init : str or array of shape (n_parameters,), default="lecun"
        "lecun": normal with σ = fan_in**-0.5, (16), which gives total inputs of unit variance for normalised
        data. "lecun_uniform": the same σ, uniform. "xavier", "he", "lenet" (U(±2.4/fan_in)), or the values
        themselves. Biases start at 0, and fan_in does not count them.
    dtype : {"float32", "float64"}, default="float32"
        Type of the parameters and of all arithmetic.
    random_state : None, int, numpy.random.Generator or RandomState, default=None
        Source of the initial weights.

    Raises
    ------
    ValueError, TypeError
        For no layers, unknown names, or parts that do not fit.

    Notes
    -----
    Several threads may use a network: reads run in parallel, training is exclusive and runs without the GIL.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> net = ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(1)], 2, random_state=0)
    >>> X = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=np.float32)
    >>> T = np.array([[-1], [1], [1], [-1]], dtype=np.float32)
    >>> order = np.tile(np.arange(4), 1000)
    >>> result = net.train_online(X, T, ebp.rules.SGD(0.05), order=order)
    >>> bool(net.loss(X, T) < 0.01)
    True
    """

    def __init__(
        self,
        layers: Sequence[Dense],
        input_shape: int | tuple[int, ...],
        *,
        loss: str = "squared_error",
        weight_init: str | Any = "lecun",
        dtype: Any = "float32",
        random_state: Any = None,
    ) -> None:
        if isinstance(layers, Dense) or not isinstance(layers, Iterable):
            raise TypeError(f"[Network] layers must be a sequence of ebp.layers objects; got {layers!r}")
        self._layers = tuple(layers)
        for layer in self._layers:
            if not isinstance(layer, Dense):
                raise TypeError(f"[Network] layers must be ebp.layers objects; got {layer!r}")
        if not self._layers:
            raise ValueError("[Network] layers must not be empty; got none")
        if loss not in LOSSES:
            raise ValueError(f"[Network] loss must be one of {', '.join(LOSSES)}; got {loss!r}")
        try:
            self._dtype = np.dtype(dtype)
        except TypeError:
            self._dtype = np.dtype(object)
        if self._dtype.name not in _DTYPES:
            raise ValueError(f"[Network] dtype must be one of {', '.join(_DTYPES)}; got {dtype!r}")
        self._input_shape = checked_shape(input_shape)
        self._loss = loss
        single = self._dtype == np.float32
        make: Any = _core.Network32 if single else _core.Network64
        self._trainer_class: Any = _core.Trainer32 if single else _core.Trainer64
        specification = [(layer.units, layer.activation, layer.twist, layer.bias) for layer in self._layers]
        self._core: Any = make(prod(self._input_shape), specification, loss)
        self.parameters[:] = _initialization.initial_parameters(
            weight_init, self._core.parameter_blocks(), self.n_parameters, self._dtype, random_state
        )

    @property
    def layers(self) -> tuple[Dense, ...]:
        """The layers, from the inputs up."""
        return self._layers

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self._input_shape

    @property
    def n_inputs(self) -> int:
        """Values of one sample."""
        return prod(self._input_shape)

    @property
    def n_outputs(self) -> int:
        """Outputs of the last layer."""
        return self._layers[-1].units

    @property
    def loss_function(self) -> str:
        """Name of the loss."""
        return self._loss

    @property
    def dtype(self) -> np.dtype:
        """Type of the parameters."""
        return self._dtype

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return int(self._core.n_parameters)

    @property
    def parameters(self) -> np.ndarray:
        """All parameters θ, shape (n_parameters,): a writable view, not a copy."""
        return self._core.parameters

    @property
    def parameter_slices(self) -> list[tuple[str, slice, tuple[int, ...]]]:
        """(name, slice, shape) of every array in θ, in its order; weights have shape (outputs, inputs)."""
        return [
            (name, slice(start, start + prod(shape)), tuple(shape))
            for name, start, shape, *_ in self._core.parameter_blocks()
        ]

    def forward(self, X: Any) -> np.ndarray:
        """Outputs of the network, (2)-(3).

        Parameters
        ----------
        X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
            An array of the network's dtype that is C-contiguous is used without a copy.

        Returns
        -------
        ndarray of shape (n, n_outputs)
        """
        return self._core.forward(self._inputs(X, "forward"))

    def activations(self, X: Any) -> list[np.ndarray]:
        """Outputs of every layer, a list of arrays of shape (n, units)."""
        return self._core.activations(self._inputs(X, "activations"))

    def losses(self, X: Any, T: Any) -> np.ndarray:
        """Loss of every sample.

        Parameters
        ----------
        X : array-like of shape (n, n_inputs)
        T : array-like of shape (n, n_outputs), or (n,) for one output
            Targets.

        Returns
        -------
        ndarray of shape (n,)
        """
        return self._core.losses(self._inputs(X, "losses"), self._targets(T, "losses"))

    def loss(self, X: Any, T: Any, sample_weight: Any = None) -> float:
        """Mean of `losses` over the samples, weighted if `sample_weight` (n,) is given."""
        losses = self.losses(X, T).astype(np.float64)
        if not len(losses):
            raise ValueError("[loss] X must have at least one row; got 0")
        if sample_weight is None:
            return float(losses.mean())
        weights = checked_weights(sample_weight, len(losses), np.dtype(np.float64), "loss")
        if not weights.any():
            raise ValueError("[loss] some sample_weight must be positive; got zeros only")
        return float(np.average(losses, weights=weights))

    def gradient(self, X: Any, T: Any) -> np.ndarray:
        """Gradient of the mean loss, (4)-(6), shape (n_parameters,), in the layout of `parameters`."""
        return self._mean(self._core.gradient, X, T, "gradient")

    def _curvature_diagonal(self, X: Any, T: Any) -> np.ndarray:
        """Mean over samples of the diagonal second derivatives (54)-(56), shape (n_parameters,)."""
        return self._mean(self._core.curvature, X, T, "curvature")

    def jacobian(self, X: Any) -> np.ndarray:
        """Derivatives of the outputs with respect to θ, shape (n, n_outputs, n_parameters). Section 7.2."""
        return self._core.jacobian(self._inputs(X, "jacobian"))

    def train_online(
        self,
        X: Any,
        T: Any,
        rule: Rule,
        *,
        order: Any = None,
        engine: str = "auto",
        n_threads: int = 1,
        callback: Callable[[int, float], Any] | None = None,
        batch_size: int = 1,
        sample_weight: Any = None,
        input_transform: tuple[Any, Any] | None = None,
    ) -> OnlineResult:
        """Train on one sample after the other: stochastic gradient descent, (11).

        Parameters
        ----------
        X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
            A C-contiguous array of the network's dtype is used without a copy.
        T : array-like of shape (n, n_outputs), or (n,) for one output
            Targets.
        rule : ebp.rules object
            What is done with each gradient; keeps its state from call to call.
        order : array-like of int, default=None
            Rows in the order of their presentation, any number of times each. None: 0, 1, ..., n - 1.
            Neighbours should not be alike (section 4.2): see `ebp.sampling`.
        engine : {"auto", "streaming"}, default="auto"
            How the sequence of updates is executed; "streaming" is what there is.
        n_threads : int, default=1
            The streaming engine has one thread.
        callback : callable, default=None
            Called every few milliseconds of work (after each batch, if that takes longer), at the same
            presentations in every run, as ``callback(n_done, mean_loss)``; a true result stops the training.
            It may read the network and set the rule's `learning_rate`; it must not wait for another thread
            that uses the network.
        batch_size : int, default=1
            Presentations per update. The default updates after every single one; more use the mean of their
            gradients.
        sample_weight : array-like of shape (n,), default=None
            Factor of each sample's loss and gradient.
        input_transform : tuple (shift, factor), default=None
            The network sees ``(x - shift) * factor``, or ``factor @ (x - shift)`` if `factor` is a matrix
            of shape (n_inputs, n_features); formed row by row, so that `X` is never copied.

        Returns
        -------
        OnlineResult

        Raises
        ------
        ValueError, TypeError
            For shapes that do not fit, indices out of range, or a rule that belongs to another network.
        """
        if not isinstance(rule, Rule):
            raise TypeError(f"[train_online] rule must be an ebp.rules object; got {rule!r}")
        if engine not in _ENGINES:
            raise ValueError(f"[train_online] engine must be one of {', '.join(_ENGINES)}; got {engine!r}")
        if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool):
            raise TypeError(f"[train_online] batch_size must be an integer; got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"[train_online] batch_size must be at least 1; got {batch_size}")
        if callback is not None and not callable(callback):
            raise TypeError(f"[train_online] callback must be callable; got {callback!r}")
        if n_threads != 1:
            raise ValueError(
                f"[train_online] n_threads must be 1 for the streaming engine; got {n_threads!r}"
            )
        trainer = rule._bind(self)
        shift, factor = self._transform(input_transform)
        width = self.n_inputs if shift is None else len(shift)
        rows = as_rows(X, width, self._dtype, "train_online", "X")
        losses, n_samples, status = trainer.train(
            rows,
            self._targets(T, "train_online"),
            checked_order(order, len(rows)),
            batch_size=min(int(batch_size), 2**62),
            weights=self._weights(sample_weight, len(rows)),
            shift=shift,
            factor=factor,
            callback=callback,
        )
        return OnlineResult(losses, n_samples, status)

    def learn_one(self, x: Any, t: Any, rule: Rule) -> float:
        """Learn from one sample.

        Parameters
        ----------
        x : array-like of shape (n_inputs,)
        t : array-like of shape (n_outputs,)
        rule : ebp.rules object

        Returns
        -------
        float
            The loss before the update. If it or the update is not finite, nothing is learnt.

        Raises
        ------
        ValueError, TypeError
            For shapes that do not fit, or a rule that belongs to another network.
        """
        try:
            trainer = rule._trainer if rule._core is self._core else rule._bind(self)
        except AttributeError:
            raise TypeError(f"[learn_one] rule must be an ebp.rules object; got {rule!r}") from None
        return trainer.learn_one(x, t)

    def summary(self) -> str:
        """A table of the layers with their outputs, parameters and connections, and the totals."""
        return summary_table(self.n_inputs, self._layers)

    def copy(self) -> Network:
        """An independent network with the same layers and parameters."""
        return _rebuild(self._layers, self._input_shape, self._loss, self.parameters, self._dtype.name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file that `ebp.load` reads: a safetensors container, no pickle."""
        from ebp import model_file

        model_file.save(self, path)

    def __repr__(self) -> str:
        units = "-".join(str(width) for width in (self.n_inputs, *(layer.units for layer in self._layers)))
        return f"Network({units}, loss={self._loss!r}, dtype={self._dtype.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self._layers, self._input_shape, self._loss, np.array(self.parameters), self._dtype.name)
        return _rebuild, state

    def _inputs(self, X: Any, function: str) -> np.ndarray:
        return as_rows(X, self.n_inputs, self._dtype, function, "X")

    def _targets(self, T: Any, function: str) -> np.ndarray:
        return as_rows(T, self.n_outputs, self._dtype, function, "T")

    def _weights(self, sample_weight: Any, n: int) -> np.ndarray | None:
        if sample_weight is None:
            return None
        return checked_weights(sample_weight, n, self._dtype, "train_online")

    def _transform(self, transform: tuple[Any, Any] | None) -> tuple[np.ndarray | None, np.ndarray | None]:
        if transform is None:
            return None, None
        if not isinstance(transform, (tuple, list)) or len(transform) != 2:
            raise ValueError(f"[train_online] input_transform must be (shift, factor); got {transform!r}")
        shift, factor = (np.ascontiguousarray(part, dtype=self._dtype) for part in transform)
        return shift, factor

    def _mean(self, summed: Callable[..., np.ndarray], X: Any, T: Any, function: str) -> np.ndarray:
        rows = self._inputs(X, function)
        if not len(rows):
            raise ValueError(f"[{function}] X must have at least one row; got 0")
        sums = summed(rows, self._targets(T, function))
        sums /= len(rows)
        return sums


def _rebuild(
    layers: tuple[Dense, ...], input_shape: tuple[int, ...], loss: str, parameters: np.ndarray, dtype: str
) -> Network:
    network = Network(layers, input_shape, loss=loss, weight_init=np.zeros(len(parameters)), dtype=dtype)
    network.parameters[:] = parameters  # whatever they are
    return network
