"""The regressors: networks trained online, as in Efficient BackProp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._architecture import LayerList, Perceptron
from ._regressor import OnlineRegressor
from .layers import Layer


class MLPRegressor(Perceptron, OnlineRegressor):
    """Multilayer perceptron for one or several values, trained one sample at a time.

    Nothing needs to be configured: inputs and targets are normalised inside, weights start with standard
    deviation fan-in^(-1/2), samples are shuffled in every epoch, and each weight has its own learning rate
    from its curvature (stochastic diagonal Levenberg-Marquardt, SDLM).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; an empty tuple gives a single-layer network.
    activation : {"scaled_tanh", "tanh", "logistic", "relu", "identity"}, default="scaled_tanh"
        Of the hidden units; 1.7159 tanh(2x/3) keeps unit variance from layer to layer (section 4.4).
    out_activation : "auto" or an activation, default="auto"
        "auto" is identity: the values have no bounds.
    loss : {"auto", "squared_error", "absolute_error", "huber"} or ebp.losses.Huber, default="auto"
        "auto" is squared_error, half the sum of squares over the outputs, of the standardised targets.
        absolute_error and huber (errors beyond 1 count linearly) suffer less from outliers; where they are
        straight their curvature is 0.
    targets : {"auto", "asymptotes"} or (low, high), default="auto"
        Targets are mapped inside, output by output, and mapped back by `predict`. "auto": mean 0 and standard
        deviation 1; for relu outputs smallest value 0 instead of mean 0; for scaled_tanh, tanh and logistic
        outputs their range goes to the points of largest |f''| (section 4.5; a twist moves them as in
        `MLPClassifier`), so that predictions may leave the range of the training values a little, as far as
        the limits of the sigmoid go: by 36 % of it on either side for scaled_tanh. A pair: their smallest
        value becomes low, their largest high; one beyond those limits cannot be reached. "asymptotes": the
        pair of those limits, for sigmoids without twist; predictions then stay within the range.
    normalize : {"auto", "center", "standard", "global", "decorrelate", "zca", "minmax"}, None or \
InputNormalizer, default="auto"
        Normalisation of the inputs (section 4.3), learned from the training data. An `InputNormalizer` is
        cloned and fitted; a fitted one in `sklearn.frozen.FrozenEstimator` is used as it is.
    weight_init : {"lecun", "lecun_uniform", "xavier", "he", "lenet", "sn"} or ndarray, default="lecun"
        See `Network`.
    twist : float, default=0.0
        Slope of a linear term added to the sigmoids, against flat spots (section 4.4).
    center_hidden : bool, default=False
        Also subtract running means from hidden activations (section 4.3: "this heuristic should be applied at
        all layers"); the network stays an ordinary one, since the biases take up the means. Off, since over
        the data of docs/defaults.md it changes little.
    solver : {"auto", "sdlm", "sgd", "murata", "adagrad", "rmsprop", "adam", "rprop", "gd", "cg", "bfgs", \
"lbfgs", "newton", "gauss_newton", "lm"}, default="sdlm"
        Online or in small batches, by the rules of `ebp.rules` in their default settings: SDLM (section 9.1),
        which needs the fewest presentations, "sgd" with one rate, "murata", whose rate follows the mean
        gradient (section 4.7), and four newer ones; "rprop" is for large `batch_size` only, as the signs of
        single gradients tell little. Batch, in `fit` only: gradient descent (10), with one update an epoch,
        and the methods of `ebp.optimize.fit` (section 6), for which an iteration counts as an epoch and
        center_hidden, learning_rate, learning_rate_init, momentum, batch_size and sampling play no part; "lm"
        and "gauss_newton" need the squared error. "auto" is "lm" for the squared error of at most 500
        parameters with at least five targets for each, unless there are very many samples, and else "sdlm".
    learning_rate : {"auto", "constant", "invscaling", "adaptive"} or ebp.schedules object, default="auto"
        Course over the epochs. "auto": falls linearly to a twentieth in `fit`, constant in `partial_fit` and
        for "gd". "invscaling": divided by sqrt(epoch + 1). "adaptive": divided by 5 whenever two epochs in a
        row fail to lower the loss by `tol`: the validation loss with early_stopping, else the training loss.
        A schedule multiplies learning_rate_init by its factor at every presentation, counted by `t_` (section
        4.1); an epoch is that of the last `fit`, or else the first call of `partial_fit`.
    learning_rate_init : "auto" or float, default="auto"
        First rate. "auto": for SDLM from the widths of the layers, 0.22 divided by the sum of fan-in + 1 over
        all layers but the first, or by a third of that of the first if this is more, at most 5e-3 and less
        for more than 100,000 updates; for "sgd" and "murata" 0.5 / lambda_max, for "gd" 1 / lambda_max,
        measured by eq (64); for "adam" and "rmsprop" 0.3, for "adagrad" 3, for "rprop" 1, divided by the
        larger of fan-in + 1 of the first layer and its sum over the others, at most 5e-3, 0.1 and 0.03, and
        less for more than 100,000 updates. If training by an automatic rate diverges, raises the loss, or
        ends above the loss of constant outputs after more than 500 updates, it is restarted with a quarter of
        the rate.
    momentum : float, default=0.0
        Strength in [0, 1) of the heavy-ball term (section 4.7). "adam", which has its own, and "rprop" do
        without.
    batch_size : int or ebp.schedules.GrowingBatch, default=1
        Samples per update; 1 is online training. Batches may grow in the course of the training.
    sampling : {"auto", "shuffle", "emphasize", "sequential"} or ebp.sampling.Emphasize, default="auto"
        Order of the samples (section 4.2). "auto" shuffles in every epoch, "sequential" keeps the order.
        "emphasize" presents samples of large running error more often, as `ebp.sampling.Emphasize`
        does by default, or by its settings; the losses reported are made comparable. In `partial_fit` it goes
        by the errors before the call, and for "gd" it plays no part.
    alpha : float, default=0.0
        Weight decay, not applied to biases (nor, in `NetworkRegressor`, to centres, widths and codes).
    max_iter : int, default=20
        Epochs at most.
    tol : float, default=1e-4
        Smallest change of loss or validation score that counts as an improvement.
    n_iter_no_change : int, default=5
        `fit` stops after so many epochs in a row without improvement; batch solvers may end before.
    early_stopping : bool, default=False
        Hold out a part of the samples, watch the score there, and keep the best network.
    validation_fraction : float, default=0.1
        Part held out by early_stopping.
    dtype : {"float32", "float64"}, default="float32"
        Of the network. C-contiguous `X` of this type is not copied, unless its normalisation takes double
        precision: means above some 10,000 standard deviations, or values near the limits of the type.
    engine : {"auto", "streaming", "blocked"}, default="auto"
        How the updates are carried out, see `Network.train_online`; "blocked" needs a dense first layer and
        the solver "sgd" or "sdlm", which then has a rate for every unit.
    n_threads : int, default=1
        Threads that share the work of every single update, see `Network.train_online`.
    warm_start : bool, default=False
        Continue from the weights of the last `fit`. Then, as in `partial_fit`, hidden_layer_sizes,
        activation, out_activation, loss, targets, twist and dtype must stay; normalize and weight_init,
        which a new network starts from, play no part.
    callbacks : callable, list of callables or None, default=None
        Called as `callback(estimator, epoch, logs)` after each epoch; logs has "loss", "seconds",
        "samples_per_second", unless a batch solver has no rate "learning_rate" and then, with alpha,
        "objective", the loss with the penalty, and with early_stopping "validation_loss" and
        "validation_score". Training stops if one returns a true value.
    verbose : {0, 1, 2}, default=0
        1: progress bar. 2: a line per epoch.
    random_state : int, RandomState, Generator or None, default=None
        Seed of weights, order and validation split.

    Attributes
    ----------
    network_ : Network
        Reads normalised inputs, gives mapped targets.
    normalizer_ : InputNormalizer or None
    target_normalizer_ : InputNormalizer
        Of the targets; with "minmax" a further step goes from [-1, 1] to the interval of `targets`.
    n_iter_ : int
        Epochs of the last `fit`, plus calls of `partial_fit` and `learn_one` since.
    t_ : int
        Samples presented.
    loss_, best_loss_ : float
        Mean loss of the last and of the best epoch, in mapped targets, each sample measured before its
        update; of batch solvers after it, with the penalty of `alpha`.
    loss_curve_ : list of float
        One loss per epoch of `fit`.
    validation_loss_curve_, validation_scores_ : list of float
        The same for the validation samples; empty without early_stopping.
    coefs_, intercepts_ : list of ndarray
        Weights (inputs, units) and biases (units,) of each layer.
    learning_rates_ : ndarray of shape (n_parameters,)
        Effective rate of each parameter at the last update, laid out like `network_.parameters`; None after a
        batch solver other than "gd".
    lambda_max_ : float or None
        Largest eigenvalue of the Hessian; None unless an automatic rate needed it.
    eta_ : float or None
        The global rate, given or chosen, at the start of the schedule; None after a batch solver other than
        "gd".
    solver_ : str
        The solver that trained last: what "auto" chose.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
    n_outputs_ : int
    out_activation_ : str

    Notes
    -----
    A copy, a pickle and a model file hold everything but the state of the update rule: the velocity of
    momentum and the running curvature of SDLM. The next `partial_fit` of the copy starts them anew, and so
    may learn a little differently from the original.

    References
    ----------
    LeCun, Bottou, Orr, Müller (1998), Efficient BackProp.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(500, 2))
    >>> y = np.sin(3 * X[:, 0]) + X[:, 1]
    >>> reg = MLPRegressor(random_state=0).fit(X, y)
    >>> reg.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        activation: str = "scaled_tanh",
        out_activation: str = "auto",
        loss: Any = "auto",
        targets: Any = "auto",
        normalize: Any = "auto",
        weight_init: Any = "lecun",
        twist: float = 0.0,
        center_hidden: bool = False,
        solver: str = "sdlm",
        learning_rate: Any = "auto",
        learning_rate_init: str | float = "auto",
        momentum: float = 0.0,
        batch_size: Any = 1,
        sampling: Any = "auto",
        alpha: float = 0.0,
        max_iter: int = 20,
        tol: float = 1e-4,
        n_iter_no_change: int = 5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        dtype: str = "float32",
        engine: str = "auto",
        n_threads: int = 1,
        warm_start: bool = False,
        callbacks: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            out_activation=out_activation,
            loss=loss,
            targets=targets,
            normalize=normalize,
            weight_init=weight_init,
            twist=twist,
            center_hidden=center_hidden,
            solver=solver,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            momentum=momentum,
            batch_size=batch_size,
            sampling=sampling,
            alpha=alpha,
            max_iter=max_iter,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            dtype=dtype,
            engine=engine,
            n_threads=n_threads,
            warm_start=warm_start,
            callbacks=callbacks,
            verbose=verbose,
            random_state=random_state,
        )
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation


class NetworkRegressor(LayerList, OnlineRegressor):
    """Regressor with any layers, for one or several values, trained one sample at a time.

    For images, sequences and networks with shared weights or radial units, where `MLPRegressor` has dense
    layers only. All else is the same: inputs and targets are normalised and rates found inside.

    Parameters
    ----------
    layers : sequence of ebp.layers objects, default=()
        From the inputs up. The last one is the output layer if it has as many outputs as `y`; otherwise a
        dense output layer is put on top.
    input_shape : tuple of int, default=None
        Shape of one sample, (channels, height, width) for images. None takes it from `X`, which then must
        have that shape too unless the layers take rows.
    out_activation : "auto" or an activation, default="auto"
        "auto": that of the output layer, where `layers` has one; else identity.
    loss, targets, normalize, weight_init, twist, center_hidden, solver, learning_rate, learning_rate_init, \
momentum, batch_size, sampling, alpha, max_iter, tol, n_iter_no_change, early_stopping, validation_fraction, \
dtype, engine, n_threads, warm_start, callbacks, verbose, random_state
        As in `MLPRegressor`; `twist` is that of an output layer put on top. normalize="auto" gives images
        of 64 values or more one mean and one scale, as `InputNormalizer` says.

    Attributes
    ----------
    network_, normalizer_, target_normalizer_, n_iter_, t_, loss_, best_loss_, loss_curve_, \
validation_loss_curve_, validation_scores_, coefs_, intercepts_, learning_rates_, lambda_max_, eta_, \
solver_, n_features_in_, feature_names_in_, n_outputs_, out_activation_
        As in `MLPRegressor`; `n_features_in_` is the number of values of a sample, `coefs_` has the weights
        of dense and the kernels of convolutional layers.

    Notes
    -----
    `X` is (n_samples, n_features) or (n_samples, \\*input_shape). Centres and widths of
    `layers.GaussianRBF` start from clusters of the samples of the first call (10,000 of more), if there are
    as many different ones as units.

    Examples
    --------
    >>> import numpy as np, ebp
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(500, 1))
    >>> y = np.exp(-((X[:, 0] - 0.3) ** 2) / 0.02)
    >>> reg = NetworkRegressor([ebp.layers.GaussianRBF(12)], max_iter=50, random_state=0).fit(X, y)
    >>> reg.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        layers: Sequence[Layer] = (),
        *,
        input_shape: int | tuple[int, ...] | None = None,
        out_activation: str = "auto",
        loss: Any = "auto",
        targets: Any = "auto",
        normalize: Any = "auto",
        weight_init: Any = "lecun",
        twist: float = 0.0,
        center_hidden: bool = False,
        solver: str = "sdlm",
        learning_rate: Any = "auto",
        learning_rate_init: str | float = "auto",
        momentum: float = 0.0,
        batch_size: Any = 1,
        sampling: Any = "auto",
        alpha: float = 0.0,
        max_iter: int = 20,
        tol: float = 1e-4,
        n_iter_no_change: int = 5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        dtype: str = "float32",
        engine: str = "auto",
        n_threads: int = 1,
        warm_start: bool = False,
        callbacks: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            out_activation=out_activation,
            loss=loss,
            targets=targets,
            normalize=normalize,
            weight_init=weight_init,
            twist=twist,
            center_hidden=center_hidden,
            solver=solver,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            momentum=momentum,
            batch_size=batch_size,
            sampling=sampling,
            alpha=alpha,
            max_iter=max_iter,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            dtype=dtype,
            engine=engine,
            n_threads=n_threads,
            warm_start=warm_start,
            callbacks=callbacks,
            verbose=verbose,
            random_state=random_state,
        )
        self.layers = layers
        self.input_shape = input_shape
