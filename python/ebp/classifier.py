"""The classifiers: networks trained online, as in Efficient BackProp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._architecture import LayerList, Perceptron
from ._classifier import LOSSES, OnlineClassifier
from .layers import Layer


class MLPClassifier(Perceptron, OnlineClassifier):
    """Multilayer perceptron classifier, trained one sample at a time by the recipe of the paper.

    Nothing needs to be configured: inputs are normalised inside, targets sit where the output sigmoid bends
    most, weights start with standard deviation fan-in^(-1/2), samples are shuffled in every epoch, and each
    weight has its own learning rate from its curvature (stochastic diagonal Levenberg-Marquardt, SDLM).

    Samples may have several labels each, or none: `y` is then an indicator matrix (n_samples, n_labels) of 0
    and 1, dense or sparse, and every label has an output of its own over hidden units that all share.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; an empty tuple gives a single-layer network.
    activation : {"scaled_tanh", "tanh", "logistic", "relu", "identity"}, default="scaled_tanh"
        Of the hidden units; 1.7159 tanh(2x/3) keeps unit variance from layer to layer (section 4.4).
    out_activation : "auto" or an activation, default="auto"
        "auto": scaled_tanh for squared_error, else identity; the cross entropies allow nothing else.
    loss : {"auto", "squared_error", "cross_entropy", "binary_cross_entropy", "hinge"}, default="auto"
        "auto" is squared_error, the loss of the paper. cross_entropy is softmax regression (for two classes
        in its equivalent logistic form); binary_cross_entropy treats each class as one yes/no question, and
        so does hinge, by max(0, 1 - t o) for targets t of -1 and 1, whose curvature is 0: SDLM then has the
        same rate for all weights. Indicator matrices allow all but cross_entropy, whose classes exclude each
        other.
    targets : {"auto", "asymptotes"} or (low, high), default="auto"
        Targets of squared_error for the wrong and the right class. "auto": the points of largest |f''| of the
        output activation, -1 and 1 for scaled_tanh (section 4.5; a twist moves them to -1 - twist and
        1 + twist). "asymptotes": the limits of scaled_tanh, tanh or logistic outputs without twist, which the
        paper warns of: outputs never reach them, so weights grow without end. A pair is taken as it is. The
        cross entropies use 0 and 1, hinge -1 and 1.
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
        and "gauss_newton" need the squared error. "auto" is "sdlm".
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
    sampling : {"auto", "shuffle", "interleave", "emphasize", "sequential"} or ebp.sampling.Emphasize, \
default="auto"
        Order of the samples (section 4.2). "auto" shuffles in every epoch, "interleave" moreover avoids
        neighbours of one class, or of the same set of labels, "sequential" keeps the given order.
        "emphasize" presents samples of large running error more often, as `ebp.sampling.Emphasize`
        does by default, or by its settings; the losses reported are made comparable. In `partial_fit` it goes
        by the errors before the call, and for "gd" it plays no part.
    alpha : float, default=0.0
        Weight decay, not applied to biases (nor, in `NetworkClassifier`, to centres, widths and codes).
    max_iter : int, default=20
        Epochs at most.
    tol : float, default=1e-4
        Smallest change of loss or validation score that counts as an improvement.
    n_iter_no_change : int, default=5
        `fit` stops after so many epochs in a row without improvement; batch solvers may end before.
    early_stopping : bool, default=False
        Hold out a part of the samples, watch the score there, and keep the best network.
    validation_fraction : float, default=0.1
        Part held out by early_stopping, drawn from every class (or set of labels) if all are frequent enough.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes; "balanced" makes them count the same ("balanced" only in `fit`). None for
        indicator matrices.
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
    classes_ : ndarray of shape (n_classes,)
        Sorted; after an indicator matrix the numbers of its columns.
    multilabel_ : bool
        Whether `y` was an indicator matrix.
    network_ : Network
        Reads normalised inputs. Two classes have one output, more have one output each, and so have labels.
    normalizer_ : InputNormalizer or None
    n_iter_ : int
        Epochs of the last `fit`, plus calls of `partial_fit` and `learn_one` since.
    t_ : int
        Samples presented.
    loss_, best_loss_ : float
        Mean loss of the last and of the best epoch, each sample measured before its update; of batch solvers
        after it, with the penalty of `alpha`.
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
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier(hidden_layer_sizes=(10,), random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.95
    True
    >>> clf.predict(X[:3])
    array([0, 0, 0])

    One sample at a time, as a stream brings them:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> clf = MLPClassifier(hidden_layer_sizes=(4,), random_state=0)
    >>> for _ in range(2000):
    ...     x = rng.normal(size=(1, 2))
    ...     clf = clf.partial_fit(x, x[:, 0] > 0, classes=[False, True])
    >>> clf.predict([[2.0, 0.0], [-2.0, 0.0]])
    array([ True, False])

    Several labels a sample:

    >>> Y = np.column_stack([y == 0, X[:, 0] > 5.5]).astype(int)
    >>> clf = MLPClassifier((10,), random_state=0).fit(X, Y)
    >>> clf.predict(X[[0, 14, 50]])
    array([[1, 0],
           [1, 1],
           [0, 1]])

    A rate that falls as 1 / t after the first epochs, batches that grow, samples emphasised:

    >>> from ebp.sampling import Emphasize
    >>> from ebp.schedules import GrowingBatch, InverseTime
    >>> clf = MLPClassifier((10,), learning_rate=InverseTime(5, unit="epoch"), random_state=0)
    >>> clf = clf.set_params(batch_size=GrowingBatch(largest=10), sampling=Emphasize(cap=2.0)).fit(X, y)
    >>> clf.score(X, y) > 0.9
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
        class_weight: Any = None,
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
            class_weight=class_weight,
        )
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation


class NetworkClassifier(LayerList, OnlineClassifier):
    """Classifier with any layers, trained one sample at a time by the recipe of the paper.

    For images, sequences and networks with shared weights or radial units, where `MLPClassifier` has dense
    layers only. All else is the same: inputs are normalised, targets coded and rates found inside.

    Parameters
    ----------
    layers : sequence of ebp.layers objects, default=()
        From the inputs up. The last one is the output layer if it has one output a class (for two classes one
        or two), or if it is an `EuclideanRBF`; otherwise a dense output layer is put on top.
    input_shape : tuple of int, default=None
        Shape of one sample, (channels, height, width) for images. None takes it from `X`, which then must
        have that shape too unless the layers take rows.
    out_activation : "auto" or an activation, default="auto"
        "auto": that of the output layer, where `layers` has one; else as in `MLPClassifier`.
    loss : "auto", a name or an ebp.losses object, default="auto"
        As in `MLPClassifier`. After an `EuclideanRBF` it is "map", or an `ebp.losses.MAP` with another j;
        the class is then that of the nearest code, so that indicator matrices do not go with it.
    targets, normalize, weight_init, twist, center_hidden, solver, learning_rate, learning_rate_init, \
momentum, batch_size, sampling, alpha, max_iter, tol, n_iter_no_change, early_stopping, validation_fraction, \
class_weight, dtype, engine, n_threads, warm_start, callbacks, verbose, random_state
        As in `MLPClassifier`; `twist` is that of an output layer put on top. normalize="auto" gives images
        of 64 values or more one mean and one scale, as `InputNormalizer` says.

    Attributes
    ----------
    classes_, multilabel_, network_, normalizer_, n_iter_, t_, loss_, best_loss_, loss_curve_, \
validation_loss_curve_, validation_scores_, coefs_, intercepts_, learning_rates_, lambda_max_, eta_, \
solver_, n_features_in_, feature_names_in_, n_outputs_, out_activation_
        As in `MLPClassifier`; `n_features_in_` is the number of values of a sample, `coefs_` has the weights
        of dense and the kernels of convolutional layers.

    Notes
    -----
    `X` is (n_samples, n_features) or (n_samples, \\*input_shape). Centres and widths of
    `layers.GaussianRBF` start from clusters of the samples of the first call (10,000 of more), if there are
    as many different ones as units.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document recognition.

    Examples
    --------
    >>> import ebp
    >>> X, y = ebp.datasets.load_digits()
    >>> images = X.reshape(-1, 1, 8, 8)
    >>> layers = [ebp.layers.Conv2D(8, 3), ebp.layers.MaxPool2D(2), ebp.layers.Dense(10)]
    >>> clf = NetworkClassifier(layers, max_iter=5, random_state=0).fit(images[:1000], y[:1000])
    >>> clf.score(images[1000:], y[1000:]) > 0.9
    True
    """

    _losses = (*LOSSES, "map")

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
        class_weight: Any = None,
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
            class_weight=class_weight,
        )
        self.layers = layers
        self.input_shape = input_shape
