"""More training images from those at hand: random translations and planar affine distortions.

LeNet-5 learnt from 60,000 digits and 540,000 distorted ones (LeCun, Bottou, Bengio and Haffner 1998,
"Gradient-based learning applied to document recognition"): translated both ways, scaled, squeezed (compressed
horizontally and elongated vertically, or the reverse) and sheared horizontally.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import Parallel, delayed

from ._affine import backward, warp, work_dtype
from .sampling.orders import as_generator

LARGEST_FRACTION = 3.0  # of scaling, squeezing, shearing; beyond, somebody gave percent or degrees
_BLOCK = 256  # images that one thread distorts before it takes the next


class AffineDistorter(BaseEstimator):
    """Random affine distortions of images, as new training samples.

    A distorted image keeps its label, so every copy teaches the network which changes do not matter. Distort
    training images only, and before they are normalised: after column-wise scaling there is no background.
    There is no `transform`, and this is no step of a `Pipeline`, because a pipeline would distort the images
    to be classified too. Call one of

    - `epochs` for fresh copies in every pass over the data, which holds one copy at a time in memory;
    - `augment` for the originals with a fixed number of copies, as in the paper, and their labels;
    - `distort` for the copies alone.

    The image is scaled, squeezed, sheared and rotated about its centre, in this order, then translated. The
    numbers are random within the ranges below, for each copy anew and independent of each other; the channels
    of an image share them. The default ranges are for digits of 28x28 pixels: strong enough to matter,
    and digits stay legible even with all of them at their extremes.

    Parameters
    ----------
    translation : float, default=2.0
        Largest shift in pixels, up or down and left or right, each uniform in [-translation, translation].
        2 of 28 pixels is half of the margin around a digit of MNIST. At most the longer side of the image.
    scaling : float or (low, high), default=0.15
        Change of size. A number s gives factors from 1 / (1 + s) to 1 + s; a pair gives the factors
        themselves, from 0.25 to 4. Uniform in the logarithm, so that halving is as likely as doubling.
    squeezing : float, default=0.1
        Change of proportions: height times q and width divided by q, or the reverse; the area stays. q is
        between 1 / (1 + squeezing) and 1 + squeezing, uniform in the logarithm.
    shearing : float, default=0.2
        Largest slant: the top moves right or left by the height above the centre times a number uniform in
        [-shearing, shearing]. This is the tangent of the angle: 0.2 is 11 degrees.
    rotation : float, default=0.0
        Largest angle in degrees, either way. 0 because LeNet-5's digits were not rotated: a slant does
        nearly the same to a narrow digit.
    order : int, default=1
        Order of the splines between pixels, 0 to 5. 1 (bilinear) blurs a little; 3 is sharper and
        slower; 0 takes the nearest pixel, which keeps black and white apart but roughens the edges.
    fill : float or "border", default="border"
        Value outside the image. "border" is the median of the outermost pixels of each channel of each
        image, the lower of two: its background, whether dark or light.
    input_shape : (height, width) or (channels, height, width), default=None
        Shape of one image, for images given as flat rows; channels come first. None takes images as they are.
    n_jobs : int, default=None
        Number of threads, as in scikit-learn: None is 1, -1 is all cores. Results do not depend on it.
        Threads pay, because SciPy works outside the interpreter's lock.
    random_state : Generator, int or None, default=None
        A Generator is used as it is; each call goes on where the last one stopped. An int is a seed: equal
        calls give equal results, as everywhere in scikit-learn, so in a loop over epochs use `epochs` or a
        Generator. None takes fresh entropy.

    Notes
    -----
    Results have the type of the images. Whole numbers are rounded, and all values stay within the range of
    the image and its fill, also where splines of order 2 and more would leave it. Images are held in float32
    if that is exact for all numbers of their type, else in float64.

    Examples
    --------
    >>> from ebp.datasets import load_digits
    >>> from ebp.preprocessing import AffineDistorter
    >>> X, y = load_digits()
    >>> distorter = AffineDistorter(translation=0.5, input_shape=(8, 8), random_state=0)
    >>> X_more, y_more = distorter.augment(X, y, n_copies=9)
    >>> X_more.shape, y_more.shape, X_more.dtype
    ((17970, 64), (17970,), dtype('float32'))
    >>> for X_epoch in distorter.epochs(X, 3):  # train on each
    ...     assert X_epoch.shape == X.shape
    """

    def __init__(
        self,
        *,
        translation=2.0,
        scaling=0.15,
        squeezing=0.1,
        shearing=0.2,
        rotation=0.0,
        order=1,
        fill="border",
        input_shape=None,
        n_jobs=None,
        random_state=None,
    ):
        self.translation = translation
        self.scaling = scaling
        self.squeezing = squeezing
        self.shearing = shearing
        self.rotation = rotation
        self.order = order
        self.fill = fill
        self.input_shape = input_shape
        self.n_jobs = n_jobs
        self.random_state = random_state

    def distort(self, X, n_copies=1):
        """Distorted copies of all images.

        Parameters
        ----------
        X : array-like of shape (n, height, width), (n, channels, height, width) or (n, n_pixels)
            Finite real numbers; flat rows need `input_shape`. Unchanged.
        n_copies : int, default=1
            How many copies of each image.

        Returns
        -------
        X_distorted : ndarray of shape (n_copies * n, ...), dtype of `X`
            One copy of each image in the order of `X`, then the next copy of each.

        Raises
        ------
        ValueError
            For parameters out of range, images of another shape, and values that are not finite.
        TypeError
            For parameters and images of another type.
        """
        images, shape, generator = self._prepare(X, "distort")
        n_copies = _count(n_copies, "n_copies", "distort")
        distorted = np.empty((n_copies, *images.shape), images.dtype)
        for part in distorted:
            self._distort_into(part, images, generator)
        return distorted.reshape(n_copies * shape[0], *shape[1:])

    def augment(self, X, y, n_copies=9):
        """The images, followed by distorted copies of them, with their labels.

        Parameters
        ----------
        X : array-like of shape (n, height, width), (n, channels, height, width) or (n, n_pixels)
            As for `distort`.
        y : array-like of shape (n, ...)
            Labels or targets, of any type.
        n_copies : int, default=9
            How many copies of each image. 9 is that of LeNet-5; all are in memory at once, ten times `X`.

        Returns
        -------
        X_augmented : ndarray of shape ((1 + n_copies) * n, ...), dtype of `X`
            The images, then what `distort` returns.
        y_augmented : ndarray of shape ((1 + n_copies) * n, ...)
            `y`, repeated.

        Raises
        ------
        ValueError
            As for `distort`, and if `X` and `y` differ in length.
        TypeError
            As for `distort`.
        """
        images, shape, generator = self._prepare(X, "augment")
        n_copies = _count(n_copies, "n_copies", "augment")
        labels = np.asarray(y)
        if labels.ndim == 0 or len(labels) != len(images):
            raise ValueError(
                f"[AffineDistorter.augment] y must have one entry for each of {len(images)} images; "
                f"got shape {labels.shape}"
            )
        augmented = np.empty((1 + n_copies, *images.shape), images.dtype)
        augmented[0] = images
        for part in augmented[1:]:
            self._distort_into(part, images, generator)
        repeated = np.concatenate([labels] * (1 + n_copies))
        return augmented.reshape((1 + n_copies) * shape[0], *shape[1:]), repeated

    def epochs(self, X, n_epochs=None):
        """Distorted copies of all images, one after the other: fresh ones for every pass over the data.

        The order of the images, hence of their labels, is that of `X` each time.

        Parameters
        ----------
        X : array-like of shape (n, height, width), (n, channels, height, width) or (n, n_pixels)
            As for `distort`.
        n_epochs : int or None, default=None
            How many; None never ends.

        Yields
        ------
        X_distorted : ndarray of the shape and type of `X`
            Together these are the copies of `distort(X, n_epochs)`.

        Raises
        ------
        ValueError, TypeError
            As for `distort`; at once, not at the first step.
        """
        images, shape, generator = self._prepare(X, "epochs")
        if n_epochs is not None:
            n_epochs = _count(n_epochs, "n_epochs", "epochs")
        # A copy, so that the iterator keeps the parameters that were checked here.
        return copy.copy(self)._copies(images, generator, n_epochs, shape)

    def _copies(
        self, images: np.ndarray, generator: np.random.Generator, n: int | None, shape: tuple[int, ...]
    ) -> Iterator[np.ndarray]:
        done = 0
        while n is None or done < n:
            part = np.empty_like(images, order="C")
            self._distort_into(part, images, generator)
            yield part.reshape(shape)
            done += 1

    def _distort_into(self, out: np.ndarray, images: np.ndarray, generator: np.random.Generator) -> None:
        """Write a distorted copy of `images` (n, channels, height, width) to `out`, of the same shape."""
        matrices, shifts = self._draw(len(images), generator)
        inverses, offsets = backward(matrices, shifts, images.shape[2:])
        blocks = [slice(start, start + _BLOCK) for start in range(0, len(images), _BLOCK)]
        Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(warp)(out[b], images[b], inverses[b], offsets[b], self.order, self.fill) for b in blocks
        )

    def _draw(self, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Random maps in coordinates (row, column): matrices (n, 2, 2) about the centre, shifts (n, 2).

        All six numbers are drawn whatever the ranges, so changing one range does not change the others.
        """
        unit = generator.uniform(-1, 1, size=(n, 6))
        shifts = self.translation * unit[:, :2]
        low, high = np.log(_factors(self.scaling))
        size = np.exp((low + high) / 2 + (high - low) / 2 * unit[:, 2])
        squeeze = np.exp(np.log1p(self.squeezing) * unit[:, 3])
        slant = self.shearing * unit[:, 4]
        angle = math.radians(self.rotation) * unit[:, 5]

        # Rotation, counterclockwise @ shear, top to the right @ diag(size * squeeze, size / squeeze).
        cos, sin = np.cos(angle), np.sin(angle)
        matrices = np.empty((n, 2, 2))
        matrices[:, 0, 0] = (cos + sin * slant) * size * squeeze
        matrices[:, 0, 1] = -sin * size / squeeze
        matrices[:, 1, 0] = (sin - cos * slant) * size * squeeze
        matrices[:, 1, 1] = cos * size / squeeze
        return matrices, shifts

    def _prepare(self, X: Any, method: str) -> tuple[np.ndarray, tuple[int, ...], np.random.Generator]:
        """Images as (n, channels, height, width), the shape of `X`, the source of randomness; all checked."""
        where = f"AffineDistorter.{method}"
        self._check_parameters(where)
        images, shape = _as_images(X, self.input_shape, where)
        longest = max(images.shape[2:])
        if self.translation > longest:
            raise ValueError(
                f"[{where}] translation must be at most the longer side, {longest} pixels; "
                f"got {self.translation!r}"
            )
        if not isinstance(self.fill, str):
            _check_fill(self.fill, images.dtype, where)
        return images, shape, as_generator(self.random_state, where)

    def _check_parameters(self, where: str) -> None:
        _check_range(self.translation, "translation", math.inf, where)
        _check_range(self.squeezing, "squeezing", LARGEST_FRACTION, where)
        _check_range(self.shearing, "shearing", LARGEST_FRACTION, where)
        _check_range(self.rotation, "rotation", 180.0, where)
        if not _is_scaling(self.scaling):
            least, most = _factors(LARGEST_FRACTION)
            raise ValueError(
                f"[{where}] scaling must be a number from 0 to {LARGEST_FRACTION:g} or a pair with "
                f"{least:g} <= low <= high <= {most:g}; got {self.scaling!r}"
            )
        if not _is_int(self.order) or not 0 <= self.order <= 5:
            raise ValueError(f"[{where}] order must be an int from 0 to 5; got {self.order!r}")
        if not (self.fill == "border" if isinstance(self.fill, str) else _is_number(self.fill)):
            raise ValueError(f"[{where}] fill must be a finite number or 'border'; got {self.fill!r}")
        if self.n_jobs is not None and (not _is_int(self.n_jobs) or self.n_jobs == 0):
            raise ValueError(f"[{where}] n_jobs must be an int other than 0, or None; got {self.n_jobs!r}")


def _as_images(X: Any, input_shape: Any, where: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """`X` as (n, channels, height, width), without a copy where possible, and the shape it had."""
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"[{where}] X must be a rectangular array; got {type(X).__name__}") from error
    if array.dtype.kind not in "fiub" or work_dtype(array.dtype).itemsize > 8:
        raise TypeError(f"[{where}] X must be real numbers of at most 64 bits; got dtype {array.dtype}")
    if input_shape is None:
        if array.ndim not in (3, 4):
            advice = (
                "; give input_shape for flat rows, X[np.newaxis] for one image" if array.ndim == 2 else ""
            )
            raise ValueError(
                f"[{where}] X must have shape (n, height, width) or (n, channels, height, width){advice}; "
                f"got {array.shape}"
            )
        shape = array.shape[1:]
    else:
        shape = _checked_image_shape(input_shape, where)
        if array.shape[1:] not in (shape, (math.prod(shape),)):
            sizes = ", ".join(map(str, shape))
            raise ValueError(
                f"[{where}] X must have shape (n, {math.prod(shape)}) or (n, {sizes}), as input_shape says; "
                f"got {array.shape}"
            )
    if 0 in shape:
        raise ValueError(f"[{where}] X must have images of at least one pixel; got shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"[{where}] X must be finite; got NaN or infinity")
    if array.dtype.kind in "iu" and max(-int(array.min(initial=0)), int(array.max(initial=0))) > 2**53:
        raise ValueError(
            f"[{where}] X must hold whole numbers up to 2**53, exact in float64; got larger ones"
        )
    channels = shape[0] if len(shape) == 3 else 1
    return array.reshape(len(array), channels, *shape[-2:]), array.shape


def _checked_image_shape(input_shape: Any, where: str) -> tuple[int, ...]:
    sizes = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else ()
    if len(sizes) not in (2, 3) or not all(_is_int(size) and size > 0 for size in sizes):
        raise ValueError(
            f"[{where}] input_shape must be (height, width) or (channels, height, width), at least 1 each; "
            f"got {input_shape!r}"
        )
    return tuple(int(size) for size in sizes)


def _check_range(value: Any, name: str, largest: float, where: str) -> None:
    if not _is_number(value) or not 0 <= value <= largest:
        rule = "a finite number of at least 0" if largest == math.inf else f"a number from 0 to {largest:g}"
        raise ValueError(f"[{where}] {name} must be {rule}; got {value!r}")


def _check_fill(fill: Any, dtype: np.dtype, where: str) -> None:
    if dtype.kind == "b":
        low, high = 0.0, 1.0
    else:
        limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        low, high = float(limits.min), float(limits.max)
    if not low <= fill <= high:
        raise ValueError(f"[{where}] fill must fit into the type of X, {dtype}; got {fill!r}")


def _factors(scaling: Any) -> tuple[float, float]:
    """Smallest and largest factor that `scaling`, a number or a pair, stands for."""
    if isinstance(scaling, (tuple, list)):
        return float(scaling[0]), float(scaling[1])
    return 1 / (1 + scaling), 1 + scaling


def _is_scaling(value: Any) -> bool:
    least, most = _factors(LARGEST_FRACTION)
    if isinstance(value, (tuple, list)):
        return len(value) == 2 and all(map(_is_number, value)) and least <= value[0] <= value[1] <= most
    return _is_number(value) and 0 <= value <= LARGEST_FRACTION


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _count(value: Any, name: str, method: str) -> int:
    if not _is_int(value) or value < 0:
        raise ValueError(f"[AffineDistorter.{method}] {name} must be an int of at least 0; got {value!r}")
    return int(value)
