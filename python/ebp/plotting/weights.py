"""The weights of the first layer, as the images that its units look for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ebp._analysis import checked_estimator
from ebp._checks import check_number
from ebp.network import Network

from ._figure import axes_and_figure, require_matplotlib

# Flat inputs of a square number are an image from this side on: digits of 8 x 8, but not four columns.
SMALLEST_SIDE = 8
GAP = 1  # pixels between two images
WIDTH_TO_HEIGHT = 1.4  # of the mosaic
OUTLIER = 1.5  # times the magnitude of 99 in 100 weights: beyond it the colours end
MAX_NAMES = 40  # names of columns that an axis has room for
MAX_LETTERS = 40  # of a name on the axis
KINDS = {"weights": "weight", "centres": "centre"}


class WeightsDisplay:
    """Weights of a network's first layer: an image for every unit or kernel, side by side.

    Of a dense layer over an image, the picture shows what each unit looks for: blue where light pixels lower
    its total input, red where they raise it. Of a convolution it shows the kernels. Where the inputs are no
    images, it is a matrix with a row for every unit and a column for every input.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
        Weights of one unit and input channel each, channels of a unit next to each other; height 1 for inputs
        that are no images.
    n_channels : int, default=1
        Images of one unit.
    kind : str, default="weight"
        What the values are, for the colour bar.
    feature_names : list of str or None, default=None
        Names of the inputs, where they are no images.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The mosaic of the last `plot`; NaN between the images.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib, ebp
    >>> matplotlib.use("Agg")
    >>> X, y = ebp.datasets.load_digits()
    >>> model = ebp.MLPClassifier((12,), max_iter=3, random_state=0).fit(X, y)
    >>> display = ebp.plotting.WeightsDisplay.from_estimator(model)
    >>> display.images.shape
    (12, 8, 8)
    >>> bool((display.images[5].ravel() == model.coefs_[0][:, 5]).all())
    True
    """

    def __init__(
        self,
        *,
        images: np.ndarray,
        n_channels: int = 1,
        kind: str = "weight",
        feature_names: list[str] | None = None,
    ) -> None:
        self.images = images
        self.n_channels = n_channels
        self.kind = kind
        self.feature_names = feature_names

    @classmethod
    def from_network(
        cls,
        net: Network,
        *,
        image_shape: Any = None,
        feature_names: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> WeightsDisplay:
        """Draw the weights that the inputs of a network go into.

        Parameters
        ----------
        net : Network
            Its first layer must have weights or centres: dense, convolutional or radial.
        image_shape : (height, width) or (channels, height, width), default=None
            Of flat inputs to a dense or radial layer. None: as the network's input_shape says; flat inputs
            are square images if their number is a square, from 8 x 8 on, and have no names.
        feature_names : sequence of str of shape (n_inputs,), default=None
            Names of the inputs of a dense or radial layer.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs
            For `plot`.

        Returns
        -------
        WeightsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `net` is no Network.
        ValueError
            If the first layer has no weights, or `image_shape` or `feature_names` do not fit.
        """
        function = f"{cls.__name__}.from_network"
        require_matplotlib(function)
        return cls._of_network(function, net, image_shape, feature_names).plot(ax, **kwargs)

    @classmethod
    def _of_network(
        cls, function: str, net: Any, image_shape: Any = None, feature_names: Any = None
    ) -> WeightsDisplay:
        """What `from_network` draws."""
        if not isinstance(net, Network):
            raise TypeError(f"[{function}] net must be an ebp.Network; got {type(net).__name__}")
        kind, weights = first_weights(net, function)
        return cls._made(function, net, weights, kind, image_shape, _texts(feature_names))

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: Any = None,
        feature_names: Any = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> WeightsDisplay:
        """The same for a fitted estimator.

        Parameters
        ----------
        estimator : fitted MLPClassifier, MLPRegressor, NetworkClassifier or NetworkRegressor
            Its network sees normalised inputs, whose weights are shown; where the normalisation mixes the
            columns ("decorrelate", "zca"), the weights of a dense layer are carried back to the columns of
            the data, each in units of its standard deviation. Centres of a radial layer after "decorrelate"
            stay as they are, in principal components: a matrix without names.
        image_shape, ax, **kwargs
            As in `from_network`.
        feature_names : sequence of str of shape (n_features,), default=None
            Names of the columns of the data. None: `feature_names_in_`, if there are any.

        Returns
        -------
        WeightsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, NotFittedError
            For other estimators, and unfitted ones.
        ValueError
            As in `from_network`.
        """
        function = f"{cls.__name__}.from_estimator"
        require_matplotlib(function)
        return cls._of_estimator(function, estimator, image_shape, feature_names).plot(ax, **kwargs)

    @classmethod
    def _of_estimator(
        cls, function: str, estimator: Any, image_shape: Any = None, feature_names: Any = None
    ) -> WeightsDisplay:
        """What `from_estimator` draws."""
        check_is_fitted(checked_estimator(estimator, function))
        net, normalizer = estimator.network_, estimator.normalizer_
        kind, weights = first_weights(net, function)
        if weights.ndim > 2:  # kernels
            return cls._made(function, net, weights, kind, image_shape, None)
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        names = _texts(feature_names)
        if normalizer is not None and kind == "weight":
            _, factor = normalizer._affine()
            if factor.ndim == 2:
                weights = weights @ factor * np.sqrt(normalizer._moments.variance)
                kind = "weight of a standardised input"
        elif normalizer is not None and normalizer.method_ == "decorrelate":
            # Components are no columns: they have none of these names, and do not lie beside each other.
            _check_names(names, estimator.n_features_in_, function)
            names, image_shape = None, (1, weights.shape[1]) if image_shape is None else image_shape
        return cls._made(function, net, weights, kind, image_shape, names)

    @classmethod
    def _made(
        cls,
        function: str,
        net: Network,
        weights: np.ndarray,
        kind: str,
        image_shape: Any,
        names: list[str] | None,
    ) -> WeightsDisplay:
        if weights.ndim > 2:
            if image_shape is not None:
                raise ValueError(
                    f"[{function}] image_shape must be None for a convolution, whose kernels are shown; "
                    f"got {image_shape!r}"
                )
            return cls(images=np.array(weights), kind=kind)
        _check_names(names, weights.shape[1], function)
        shape = _image_shape(image_shape, net.input_shape, weights.shape[1], names, function)
        channels, height, width = shape
        images = np.array(weights).reshape(-1, height, width)
        return cls(
            images=images, n_channels=channels, kind=kind, feature_names=names if height == 1 else None
        )

    def plot(
        self, ax: Any = None, *, max_images: int = 100, colorbar: bool = True, **kwargs: Any
    ) -> WeightsDisplay:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        max_images : int, default=100
            Only the first so many are drawn.
        colorbar : bool, default=True
            Whether to show which weight a colour means.
        **kwargs
            For `Axes.imshow`, such as ``cmap``, ``norm``, or ``vmin`` and ``vmax``. Without the last three
            the colours are symmetric about 0 and end at the largest magnitude, or before it if that is beyond
            1.5 times that of 99 in 100 weights, so that one weight does not make all others pale; the colour
            bar then ends in arrows.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `max_images` is below 1.
        """
        function = f"{type(self).__name__}.plot"
        check_number(function, "max_images", max_images, 1, integer=True)
        self.ax_, self.figure_ = axes_and_figure(ax, function)
        shown = self.images[:max_images]
        matrix = shown.shape[1] == 1
        columns = 1 if matrix else _n_columns(shown.shape, self.n_channels)
        values = shown[:, 0] if matrix else mosaic(shown, columns)
        limits = _limits(shown) if kwargs.get("norm") is None else {}  # a norm has its own
        style = {"cmap": "RdBu_r", "aspect": "auto" if matrix else "equal", "interpolation": "nearest"}
        self.image_ = self.ax_.imshow(values, **{**style, **limits, **kwargs})
        if matrix:
            self._label_matrix(values.shape)
        else:
            self._label_mosaic(len(shown), columns)
        if len(shown) < len(self.images):
            self.ax_.set_title(f"the first {len(shown)} of {len(self.images)}", fontsize="medium")
        if colorbar:
            low, high = self.image_.get_clim()
            beyond = {(True, False): "min", (False, True): "max", (True, True): "both"}
            extend = beyond.get((bool(shown.min() < low), bool(shown.max() > high)), "neither")
            self.figure_.colorbar(self.image_, ax=self.ax_, label=self.kind, extend=extend)
        return self

    def _label_matrix(self, shape: tuple[int, ...]) -> None:
        self.ax_.set(xlabel="input", ylabel="unit")
        for axis in (self.ax_.xaxis, self.ax_.yaxis):
            axis.get_major_locator().set_params(integer=True)
        names = self._names_on_axis()
        if names:
            # Names are texts of the user, in which a dollar sign begins no formula.
            self.ax_.set_xticks(range(shape[1]), names, rotation=90, parse_math=False)
            self.ax_.set_xlabel("")

    def _names_on_axis(self) -> list[str]:
        """Names as they stand below the matrix, none where there is no room for all."""
        names = self.feature_names or []
        return [shortened(name) for name in names] if len(names) <= MAX_NAMES else []

    def _label_mosaic(self, n_images: int, columns: int) -> None:
        """The number of its first image at every row, as far as there is room."""
        height = self.images.shape[1] + GAP
        rows = math.ceil(n_images / columns)
        step = math.ceil(rows / 20)
        places = range(0, rows, step)
        self.ax_.set_xticks([])
        self.ax_.set_yticks(
            [row * height + (height - GAP - 1) / 2 for row in places], [str(row * columns) for row in places]
        )
        self.ax_.tick_params(length=0)
        for side in self.ax_.spines.values():
            side.set_visible(False)
        self.ax_.set_ylabel("number of the first in the row")


def first_weights(net: Network, function: str) -> tuple[str, np.ndarray]:
    """What the weights of the first layer are called, and they themselves, with a row a unit or kernel."""
    for name, where, shape in net.parameter_slices:
        layer, part = name.split(".")
        if layer == "0" and part in KINDS:
            return KINDS[part], net.parameters[where].reshape(shape)
    raise ValueError(
        f"[{function}] the first layer must be dense, convolutional or radial, to have weights that can be "
        f"shown; got {type(net.layers[0]).__name__}"
    )


def shortened(name: str) -> str:
    """A name in at most `MAX_LETTERS`: its middle goes first, since similar names differ at either end."""
    half = MAX_LETTERS // 2
    return name if len(name) <= MAX_LETTERS else f"{name[:half]}…{name[1 - half :]}"


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (n, height, width) side by side in so many columns, NaN between them and behind the last."""
    n, height, width = images.shape
    rows = math.ceil(n / columns)
    tiles = np.full((rows * columns, height + GAP, width + GAP), np.nan)
    tiles[:n, :height, :width] = images
    tiles = tiles.reshape(rows, columns, height + GAP, width + GAP).transpose(0, 2, 1, 3)
    return tiles.reshape(rows * (height + GAP), columns * (width + GAP))[:-GAP, :-GAP]


def _texts(names: Any) -> list[str] | None:
    return None if names is None else [str(name) for name in names]


def _check_names(names: list[str] | None, n_inputs: int, function: str) -> None:
    if names is not None and len(names) != n_inputs:
        raise ValueError(
            f"[{function}] feature_names must be as many as the inputs, {n_inputs}; got {len(names)}"
        )


def _limits(values: np.ndarray) -> dict[str, float]:
    """Ends of the colours, symmetric about 0."""
    sizes = np.abs(values)
    largest = min(float(sizes.max()), OUTLIER * float(np.quantile(sizes, 0.99))) or 1.0
    return {"vmin": -largest, "vmax": largest}


def _n_columns(shape: tuple[int, ...], n_channels: int) -> int:
    """Columns of a mosaic of n images (n, height, width); all channels of a unit stand in one row."""
    n, height, width = shape
    columns = max(1, round(math.sqrt(WIDTH_TO_HEIGHT * n * (height + GAP) / (width + GAP))))
    return min(n, max(1, round(columns / n_channels)) * n_channels)


def _image_shape(
    given: Any, input_shape: tuple[int, ...], n_inputs: int, names: list[str] | None, function: str
) -> tuple[int, int, int]:
    """(channels, height, width) of the inputs; height 1 for those that are no images."""
    if given is not None:
        try:
            sides = tuple(int(side) for side in given)
        except (TypeError, ValueError):
            sides = ()
        if len(sides) not in (2, 3) or min(sides) < 1 or math.prod(sides) != n_inputs:
            raise ValueError(
                f"[{function}] image_shape must be (height, width) or (channels, height, width) with "
                f"{n_inputs} values in all; got {given!r}"
            )
        channels, height, width = (1, *sides) if len(sides) == 2 else sides
        return channels, height, width
    if len(input_shape) == 3 and math.prod(input_shape) == n_inputs:
        channels, height, width = input_shape
        return channels, height, width
    side = math.isqrt(n_inputs)
    if names is None and side * side == n_inputs and side >= SMALLEST_SIDE:
        return 1, side, side
    return 1, 1, n_inputs
