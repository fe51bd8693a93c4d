"""Networks: layers over one flat parameter vector, evaluated in batches and trained one sample at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ebp import _initialization
from ebp._arrays import checked_axes
from ebp._checks import check_number
from ebp._feed_forward import FeedForward
from ebp._files import Files
from ebp._online import OnlineResult, OnlineTraining
from ebp._rbf import initialize_rbf
from ebp._summary import summary_table
from ebp.layers import Layer
from ebp.losses import LOSSES, Loss
from ebp.rules import Rule

__all__ = ["LOSSES", "Network", "OnlineResult"]


class Network(FeedForward, Files):
    """A chain of layers with a loss, over one flat parameter vector.

    Parameters
    ----------
    layers : sequence of ebp.layers objects
        From the inputs up.
    input_shape : int or tuple of int
        Shape of one sample, (channels, height, width) for images; samples may always be given as flat rows.
    loss : str or ebp.losses object, default="squared_error"
        Per-sample loss E: "squared_error", ½ Σ (d − o)²; "cross_entropy", of the softmax of the outputs;
        "binary_cross_entropy", of their logistic function, summed over outputs; and, summed likewise,
        "absolute_error", "huber" (squared up to errors of 1) and "hinge" (targets ±1), whose curvature is 0
        where they are straight; "map", LeNet-5's criterion for distances to codes (targets 0 and 1).
        `losses.Huber` and `losses.MAP` have settings. Over a data set everything is the mean over samples.
    weight_init : str or array of shape (n_parameters,), default="lecun"
        "lecun": normal with σ = fan_in**-0.5, (16), which gives total inputs of unit variance for normalised
        data. "lecun_uniform": the same σ, uniform. "xavier", "he", "lenet" (U(±2.4/fan_in)), "sn" (the
        authors' simulator: U(±fan_in**-0.5), biases too), or the values themselves. Biases start at 0
        otherwise, and fan_in does not count them: for a convolution it is the taps of the kernels that a
        map's units see. Coefficients of `layers.Subsample2D` start at fan_in**-0.5.
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
        batch_size: Any = 1,
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
        engine : {"auto", "streaming", "blocked"}, default="auto"
            How the sequence of updates is executed, with results that differ by rounding only. "streaming"
            takes sample after sample through every layer. "blocked" goes through the first layer's weights
            only once for several samples: for dozens, by matrix products, where `rule` is an `SGD` or an
            `SDLM` with granularity "unit", and for two or three where it is an `SDLM` with granularity
            "weight" without momentum and weight decay. That layer must be dense, and the refresh of `SDLM`
            "epoch". It is faster for all but small layers. "auto" takes what is faster.
        n_threads : int, default=1
            Threads that share the work of every single update: the units of a dense layer or the maps of a
            convolution, if it is large. They wait for each other several times a sample, in a loop: there
            should be no more of them than idle processors. Results are the same bits for the same number,
            and differ by rounding otherwise. Many networks keep processors busier if each has one thread: see
            `ebp.train_many`.
        callback : callable, default=None
            Called every few milliseconds of work (after each batch, if that takes longer), at the same
            presentations in every run, as ``callback(n_done, mean_loss)``; a true result stops the training.
            It may read the network and set the rule's `learning_rate`; it must not wait for another thread
            that uses the network.
        batch_size : int or ebp.schedules.GrowingBatch, default=1
            Presentations per update. The default updates after every single one; more use the mean of their
            gradients, and of the rates that a schedule gives them the first one.
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
        if callback is not None and not callable(callback):
            raise TypeError(f"[train_online] callback must be callable; got {callback!r}")
        check_number("train_online", "n_threads", n_threads, 1, integer=True)
        training = OnlineTraining.of(
            self,
            X,
            T,
            rule,
            order=order,
            engine=engine,
            batch_size=batch_size,
            sample_weight=sample_weight,
            input_transform=input_transform,
            function="train_online",
        )
        return training.run(n_threads, callback)

    def learn_one(self, x: Any, t: Any, rule: Rule) -> float:
        """Learn from one sample: the update of `train_online` without its preparations.

        For samples that come one by one: on a small network a call takes well below a microsecond more than
        the update. C-contiguous arrays of the network's dtype are used without a copy.

        Parameters
        ----------
        x : array-like of shape (n_inputs,) or input_shape
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

        Examples
        --------
        >>> import numpy as np, ebp
        >>> net = ebp.Network([ebp.layers.Dense(4), ebp.layers.Dense(1)], 2, random_state=0)
        >>> rule, rng = ebp.rules.SGD(0.05), np.random.default_rng(0)
        >>> for x in rng.choice([-1.0, 1.0], (4000, 2)):
        ...     loss = net.learn_one(x, [-x[0] * x[1]], rule)
        >>> loss < 0.01
        True
        """
        if self._is_shaped:
            checked_axes(x, self._input_shape, "learn_one", "x")
        try:
            trainer = rule._trainer if rule._core is self._core else rule._bind(self)
        except AttributeError:
            raise TypeError(f"[learn_one] rule must be an ebp.rules object; got {rule!r}") from None
        if rule.schedule is not None:
            trainer.set_learning_rate(rule._next_rate)
        loss: float = trainer.learn_one(x, t)
        rule.__dict__["_n_presented"] += 1  # past Rule.__setattr__, which takes as long as all of the above
        return loss

    def summary(self) -> str:
        """A table of the layers with their outputs, parameters and connections, and the totals."""
        return summary_table(self._layers, self._input_shape, self._output_shapes)

    def initialize_rbf(self, X: Any, *, random_state: Any = None) -> None:
        """Put centres and widths of the `layers.GaussianRBF` layers where the data are. Section 4.8.

        The centres of a layer become the k-means clusters of its inputs, as the network stands, and each
        width the mean distance to the two nearest other centres. Networks without such layers stay as they
        are.

        Parameters
        ----------
        X : array-like of shape (n, n_inputs) or (n, \\*input_shape)
            As the network will see them: normalised, if it is trained so. At least as many different ones as
            there are units; of more than 10,000 (or units, if these are more) as many are drawn.
        random_state : None, int, numpy.random.Generator or RandomState, default=None
            Source of the clusters' starting points.

        Raises
        ------
        ValueError
            For fewer different samples than units, or inputs of a layer that are not finite.

        Warns
        -----
        ConvergenceWarning
            From k-means, if some centres coincide.
        """
        initialize_rbf(self, self._inputs(X, "initialize_rbf"), _initialization.generator(random_state))

    def copy(self) -> Network:
        """An independent network with the same layers and parameters."""
        return _rebuild(self._layers, self._input_shape, self._loss, self.parameters, self._dtype.name)

    def _in_double(self) -> Network:
        """A copy whose parameters and arithmetic are in double precision."""
        return _rebuild(self._layers, self._input_shape, self._loss, self.parameters, "float64")

    def __repr__(self) -> str:
        shapes = (self._input_shape, *self._output_shapes)
        units = "-".join("x".join(map(str, shape)) for shape in shapes)
        return f"Network({units}, loss={self._loss!r}, dtype={self._dtype.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self._layers, self._input_shape, self._loss, np.array(self.parameters), self._dtype.name)
        return _rebuild, state


def _rebuild(
    layers: tuple[Layer, ...], input_shape: tuple[int, ...], loss: Loss, parameters: np.ndarray, dtype: str
) -> Network:
    network = Network(layers, input_shape, loss=loss, weight_init=np.zeros(len(parameters)), dtype=dtype)
    network.parameters[:] = parameters  # whatever they are
    return network
