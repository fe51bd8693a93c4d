"""The demonstration ``ebp demo``: real digits, one update per sample, and what the recipe set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from . import _core, datasets
from .classifier import MLPClassifier
from .layers import Dense

DATA_SETS = ("digits", "mnist")
EPOCHS = {"digits": 20, "mnist": 6}
TEST_FRACTION = 0.3  # of the digits; MNIST comes divided

# How many training samples the mean curvature is measured on: the authors' number.
CURVATURE_SAMPLES = 500


def run(
    data: str = "digits",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    hidden: Sequence[int] = (300,),
    seed: int = 0,
    progress: bool = True,
) -> MLPClassifier:
    """Train an otherwise unconfigured classifier and print how well, how fast, and by which settings.

    Parameters
    ----------
    data : {"digits", "mnist"}, default="digits"
        The 1,797 digits of 8 x 8 pixels that come with scikit-learn, 30 % held out, or MNIST.
    data_dir : str or path-like, optional
        Folder that holds ``mnist/``; default: the environment variable ``EBP_DATA_DIR``.
    epochs : int, optional
        Presentations of the whole training set; default 20 for the digits, 6 for MNIST.
    hidden : sequence of int, default=(300,)
        Units of the hidden layers; 300 is the smaller network of LeCun et al. (1998) on MNIST.
    seed : int, default=0
        Of the split, the initial weights and the order of presentation.
    progress : bool, default=True
        Whether to draw a progress bar, on the error stream.

    Returns
    -------
    MLPClassifier
        The trained classifier.

    Raises
    ------
    ValueError
        If `data` is not one of the two.
    FileNotFoundError
        If the files of MNIST are not where `data_dir` says.
    """
    if data not in DATA_SETS:
        raise ValueError(f"[demo] data must be one of {', '.join(DATA_SETS)}; got {data!r}")
    X, y, X_test, y_test = _digits(seed) if data == "digits" else _mnist(data_dir)
    epochs = EPOCHS[data] if epochs is None else epochs
    print(f"data              {data}: {len(y):,} training and {len(y_test):,} held-out samples")
    watch = _Watch(X_test, y_test, epochs, progress)
    model = MLPClassifier(tuple(hidden), max_iter=epochs, callbacks=[watch], random_state=seed)
    with watch.bar:
        model.fit(X, y)
    _print_result(model, watch)
    _print_recipe(model, watch, X, y)
    return model


def _digits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    X, y = datasets.load_digits()
    X, X_test, y, y_test = train_test_split(X, y, test_size=TEST_FRACTION, stratify=y, random_state=seed)
    return X, y, X_test, y_test


def _mnist(data_dir: str | os.PathLike[str] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    X, y, X_test, y_test = datasets.load_mnist(data_dir)
    return X, y, X_test, y_test


class _Watch:
    """A callback that follows the held-out error and the time spent in training alone."""

    def __init__(self, X: np.ndarray, y: np.ndarray, epochs: int, progress: bool) -> None:
        self.X, self.y = X, y
        self.bar = tqdm(total=epochs, unit="epoch", disable=not progress)
        self.n_wrong = len(y)
        self.seconds = 0.0
        self.rates: list[float] = []

    def __call__(self, model: MLPClassifier, epoch: int, logs: dict[str, float]) -> None:
        if epoch == 0:  # Also when an automatic rate proved too large and the training starts again.
            self.bar.reset()
            self.seconds = 0.0
            self.rates.clear()
        self.n_wrong = int(np.sum(model.predict(self.X) != self.y))
        self.seconds += logs["seconds"]
        self.rates.append(logs["learning_rate"])
        self.bar.set_postfix_str(f"loss {logs['loss']:.4f}, held-out error {self.error:.2%}", refresh=False)
        self.bar.update()

    @property
    def error(self) -> float:
        return self.n_wrong / len(self.y)


def _print_result(model: MLPClassifier, watch: _Watch) -> None:
    net = model.network_
    sizes = "-".join(str(units) for units in (net.n_inputs, *(shape[0] for shape in net.output_shapes)))
    speed = f"{model.t_ / max(watch.seconds, 1e-9):,.0f} samples per second"
    print(f"network           {sizes}, {net.n_parameters:,} parameters, {net.dtype}")
    print(f"held-out error    {watch.error:.2%} ({watch.n_wrong} of {len(watch.y):,} samples)")
    print(f"training          {len(watch.rates)} epochs in {watch.seconds:.2f} s, evaluation not counted")
    print(f"speed             {speed}, each with its own update (level {_core.level})")


def _print_recipe(model: MLPClassifier, watch: _Watch, X: np.ndarray, y: np.ndarray) -> None:
    net, rates = model.network_, model.learning_rates_
    first, last = (layer for layer in (net.layers[0], net.layers[-1]) if isinstance(layer, Dense))
    low, high = model._targets
    rows = [
        ("order", "4.2", "every epoch in a new random order"),
        ("inputs", "4.3", _normalization(model.normalizer_)),
        ("sigmoid", "4.4", f"{first.activation}, 1.7159 tanh(2/3 x), with a twist of {first.twist:g}"),
        ("targets", "4.5", f"{low:g} and {high:+g} for output units of {last.activation}"),
        ("initial weights", "4.6", f"normal with sigma = fan-in^-1/2: {_per_layer(_sigmas(net))}"),
        ("global rate", "9.1", f"SDLM, {watch.rates[0]:.2g} falling to {watch.rates[-1]:.2g}"),
        ("rate per weight", "4.7", f"{rates.min():.2g} to {rates.max():.2g}, median {np.median(rates):.2g}"),
        ("mean curvature", "7.4", _per_layer(_curvatures(model, X, y))),
    ]
    print("\nwhat the recipe set (sections of LeCun, Bottou, Orr and Müller 1998)")
    for step, section, value in rows:
        print(f"  {step:<16}  {section}  {value}")


def _normalization(normalizer: Any) -> str:
    mean, scale = np.atleast_1d(normalizer.mean_), np.atleast_1d(normalizer.scale_)
    if normalizer.method_ == "global":
        return f"global: all columns minus {mean[0]:.4g}, divided by {scale[0]:.4g}"
    means = f"means {mean.min():.3g} to {mean.max():.3g}"
    return f"{normalizer.method_}: {means}, scales {scale.min():.3g} to {scale.max():.3g}"


def _sigmas(net: Any) -> list[float]:
    fan_ins = [shape[1] for name, _, shape in net.parameter_slices if name.endswith("weights")]
    return [fan_in**-0.5 for fan_in in fan_ins]


def _curvatures(model: MLPClassifier, X: np.ndarray, y: np.ndarray) -> list[float]:
    """Mean over the weights of each layer of the diagonal curvature after training."""
    net = model.network_
    X, y = X[:CURVATURE_SAMPLES], y[:CURVATURE_SAMPLES]
    assert model.normalizer_ is not None  # normalize="auto" always makes one
    h = net._curvature_diagonal(model.normalizer_.transform(X), model._code(y, model._labels(y)))
    return [float(h[part].mean()) for name, part, _ in net.parameter_slices if name.endswith("weights")]


def _per_layer(values: Sequence[float]) -> str:
    return ", ".join(f"layer {k} {value:.3g}" for k, value in enumerate(values, start=1))
