"""Data sets of the paper and the readers of their file formats.

MNIST and the authors' 480 digits are not part of the package: `data_dir`, or the environment variable
EBP_DATA_DIR, names a folder that holds `mnist/` and `digits480/`.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.datasets

from .sampling.orders import as_generator

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_SN_MAGIC = 0x1E3D4C52
_Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 handwritten digits of scikit-learn, 8x8 pixels; always available.

    Returns
    -------
    X : ndarray of shape (1797, 64), float32
        Pixels from 0 to 16.
    y : ndarray of shape (1797,), int64
        Digits 0..9.

    Examples
    --------
    >>> from ebp.datasets import load_digits
    >>> X, y = load_digits()
    >>> X.shape, float(X.max())
    ((1797, 64), 16.0)
    """
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    return np.ascontiguousarray(X, dtype=np.float32), y.astype(np.int64)


def load_mnist(data_dir: str | os.PathLike | None = None) -> _Split:
    """The MNIST digits from the four IDX files, packed (.gz) or not.

    Parameters
    ----------
    data_dir : path, default=None
        Folder that holds `mnist/`; None takes it from the environment variable EBP_DATA_DIR.

    Returns
    -------
    X_train : ndarray of shape (60000, 784), float32
        Pixels from 0 to 1 (bytes divided by 255), row by row, C-contiguous.
    y_train : ndarray of shape (60000,), int64
        Digits 0..9.
    X_test : ndarray of shape (10000, 784), float32
    y_test : ndarray of shape (10000,), int64

    Raises
    ------
    FileNotFoundError
        If the folder or a file is missing; says how to name the folder.
    ValueError
        If a file is damaged or images and labels do not fit together.

    Examples
    --------
    >>> from ebp.datasets import load_mnist
    >>> X_train, y_train, X_test, y_test = load_mnist("data")  # doctest: +SKIP
    """
    folder = _folder("load_mnist", data_dir, "mnist")
    return *_mnist_part(folder, "train"), *_mnist_part(folder, "t10k")


def load_idx(path: str | os.PathLike) -> np.ndarray:
    """Read an IDX file, the format of MNIST, packed with gzip or not.

    The header is two zero bytes, one byte for the type of the values, one for the number of dimensions, and
    the size of each dimension as a big-endian 32-bit integer; the values follow, big-endian, the last index
    fastest.

    Parameters
    ----------
    path : path
        The file; gzip is recognised by content, not by name.

    Returns
    -------
    values : ndarray
        Shape as the header says; uint8, int8, int16, int32, float32 or float64 in native byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the header is wrong or the file is shorter or longer than the header says.

    Examples
    --------
    >>> import os, tempfile
    >>> from ebp.datasets import load_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     load_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    data = _read("load_idx", path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES:
        raise ValueError(
            f"[load_idx] {path} must begin with two zero bytes and a type from 0x08 to 0x0e; "
            f"got {data[:4].hex(' ') or 'an empty file'}"
        )
    dtype, rank = np.dtype(_IDX_TYPES[data[2]]), data[3]
    start = 4 + 4 * rank
    if len(data) < start:
        raise ValueError(
            f"[load_idx] {path} must have a header of {start} bytes; got {len(data)}: it is truncated"
        )
    shape = struct.unpack(f">{rank}I", data[4:start])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise ValueError(
            f"[load_idx] {path} must have {expected} bytes for shape {shape}; got {len(data)}: "
            f"it is {'truncated' if len(data) < expected else 'too long'}"
        )
    values = np.frombuffer(data, dtype=dtype, offset=start) if len(data) > start else np.empty(0, dtype)
    try:
        return values.astype(dtype.newbyteorder("=")).reshape(shape)
    except ValueError as error:
        raise ValueError(f"[load_idx] {path} must fit a NumPy array; got {rank} dimensions") from error


def load_digits480(data_dir: str | os.PathLike | None = None) -> _Split:
    """The authors' 480 handwritten digits, binary, 16x16 pixels, with their split into 320 and 160.

    Classes come in cyclic order 0, 1, ..., 9, 0, ...: 32 of each to train, 16 of each to test. Most likely
    the 320 digits of Figs 19 and 20.

    Parameters
    ----------
    data_dir : path, default=None
        Folder that holds `digits480/`; None takes it from the environment variable EBP_DATA_DIR.

    Returns
    -------
    X_train : ndarray of shape (320, 256), float32
        Pixels -1 or +1, row by row.
    y_train : ndarray of shape (320,), int64
        Digits 0..9.
    X_test : ndarray of shape (160, 256), float32
    y_test : ndarray of shape (160,), int64

    Raises
    ------
    FileNotFoundError
        If the folder or a file is missing; says how to name the folder.
    ValueError
        If a file is damaged.

    Examples
    --------
    >>> from ebp.datasets import load_digits480
    >>> X_train, y_train, X_test, y_test = load_digits480("data")  # doctest: +SKIP
    """
    folder = _folder("load_digits480", data_dir, "digits480")
    X = _read_sn(folder / "dig.pat", (480, 256))
    y = _read_sn(folder / "dig.des", (480, 10)).argmax(axis=1).astype(np.int64)
    return X[:320], y[:320], X[320:], y[320:]


def two_gaussians(
    n_per_class: int = 50,
    *,
    std: float = 0.19,
    means: Any = ((-0.4, -0.8), (0.4, 0.8)),
    random_state: np.random.Generator | int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Two Gaussian classes with targets -1 and +1: the data of Figs 9-12, 22 and 23.

    The paper does not print the standard deviation. With 0.19 the covariance has eigenvalues 0.836 and 0.036,
    close to its 0.84 and 0.036.

    Parameters
    ----------
    n_per_class : int, default=50
        Samples of each class; the paper has 100 in all.
    std : float, default=0.19
        Standard deviation of each coordinate within a class.
    means : array-like of shape (2, n_features), default=((-0.4, -0.8), (0.4, 0.8))
        Centre of class -1 and centre of class +1, those of Fig 9.
    random_state : Generator, int or None, default=None
        A Generator is used as it is, an int is a seed, None takes fresh entropy.

    Returns
    -------
    X : ndarray of shape (2 * n_per_class, n_features), float64
    y : ndarray of shape (2 * n_per_class,), float64
        -1, +1, -1, +1, ...: the classes alternate, so that rows can be presented as they come (S4.2).

    Raises
    ------
    ValueError
        If `n_per_class` is not a positive int, `std` is negative, or `means` is not a finite (2,
        n_features) array.

    Examples
    --------
    >>> from ebp.datasets import two_gaussians
    >>> X, y = two_gaussians(random_state=0)
    >>> X.shape, y[:4].tolist()
    ((100, 2), [-1.0, 1.0, -1.0, 1.0])
    """
    _check_count("two_gaussians", n_per_class)
    if not 0 <= std < np.inf:
        raise ValueError(f"[two_gaussians] std must be finite and not negative; got {std!r}")
    centres = np.asarray(means, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[0] != 2 or not centres.size or not np.isfinite(centres).all():
        raise ValueError(
            f"[two_gaussians] means must be a finite array of shape (2, n_features); got {means!r}"
        )
    generator = as_generator(random_state, "two_gaussians")
    X = np.tile(centres, (n_per_class, 1))
    X += std * generator.standard_normal(X.shape)
    return X, np.tile([-1.0, 1.0], n_per_class)


def two_spirals(
    n_per_class: int = 97,
    *,
    turns: float = 3.0,
    noise: float = 0.0,
    random_state: np.random.Generator | int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Two interlocked spirals with targets -1 and +1, by default the points of Lang and Witbrock (1988).

    Point k of the spiral +1 has the angle a = 2π turns k / (n_per_class - 1) and the radius r, which falls
    linearly from 6.5 to 0.5; it is (r sin a, r cos a). The spiral -1 is its mirror image through the origin.
    Neighbouring arms are 3 / turns apart. A local problem: hard for sigmoids, easy for
    `layers.GaussianRBF` (S4.8).

    Parameters
    ----------
    n_per_class : int, default=97
        Points of each spiral, from the outside in.
    turns : float, default=3.0
        Revolutions of each spiral.
    noise : float, default=0.0
        Standard deviation of normal noise on each coordinate.
    random_state : Generator, int or None, default=None
        Source of the noise: a Generator is used as it is, an int is a seed, None takes fresh entropy.

    Returns
    -------
    X : ndarray of shape (2 * n_per_class, 2), float64
        In the original scale: normalise before training (S4.3).
    y : ndarray of shape (2 * n_per_class,), float64
        -1, +1, -1, +1, ...: opposite points in turn.

    Raises
    ------
    ValueError
        If `n_per_class` is not a positive int, `turns` is not positive, or `noise` is negative.

    Examples
    --------
    >>> from ebp.datasets import two_spirals
    >>> X, y = two_spirals()
    >>> X.shape, X[1].tolist(), y[:4].tolist()
    ((194, 2), [0.0, 6.5], [-1.0, 1.0, -1.0, 1.0])
    """
    _check_count("two_spirals", n_per_class)
    if not 0 < turns < np.inf:
        raise ValueError(f"[two_spirals] turns must be finite and positive; got {turns!r}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"[two_spirals] noise must be finite and not negative; got {noise!r}")
    generator = as_generator(random_state, "two_spirals")
    along = np.linspace(0, 1, n_per_class)
    angle, radius = 2 * np.pi * turns * along, 6.5 - 6 * along
    spiral = radius[:, np.newaxis] * np.column_stack([np.sin(angle), np.cos(angle)])
    X = np.stack([-spiral, spiral], axis=1).reshape(-1, 2)
    X += noise * generator.standard_normal(X.shape)
    return X, np.tile([-1.0, 1.0], n_per_class)


def _check_count(where: str, n_per_class: Any) -> None:
    if not isinstance(n_per_class, (int, np.integer)) or isinstance(n_per_class, bool) or n_per_class < 1:
        raise ValueError(f"[{where}] n_per_class must be a positive int; got {n_per_class!r}")


def _folder(where: str, data_dir: str | os.PathLike | None, name: str) -> Path:
    root = os.environ.get("EBP_DATA_DIR") if data_dir is None else data_dir
    advice = f"pass data_dir or set EBP_DATA_DIR to the folder that holds {name}/"
    if not root:
        raise FileNotFoundError(f"[{where}] {advice}; got neither")
    folder = Path(root) / name
    if not folder.is_dir():
        raise FileNotFoundError(f"[{where}] {advice}; got {os.fspath(root)!r}, where {folder} is missing")
    return folder


def _mnist_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = load_idx(_packed_or_not(folder / f"{part}-images-idx3-ubyte"))
    labels = load_idx(_packed_or_not(folder / f"{part}-labels-idx1-ubyte"))
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"[load_mnist] images must be (n, rows, columns) bytes; got {images.dtype} {images.shape}"
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(f"[load_mnist] every image needs one label; got {images.shape} and {labels.shape}")
    pixels = images.reshape(len(images), images.shape[1] * images.shape[2])
    return np.divide(pixels, np.float32(255), dtype=np.float32), labels.astype(np.int64)


def _packed_or_not(path: Path) -> Path:
    for candidate in (path.with_name(path.name + ".gz"), path):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"[load_mnist] {path}.gz, or the same without .gz, must exist; got neither")


def _read(where: str, path: str | os.PathLike) -> bytes:
    """The bytes of a file, unpacked if it is a gzip file."""
    data = Path(path).read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"[{where}] {path} must be a whole gzip file; got {error}: truncated or damaged"
        ) from error


def _read_sn(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read a matrix of the authors' simulator SN.

    Five big-endian words, then one signed byte per value, the value times 16. Junk may follow: read by count.
    """
    data = _read("load_digits480", path)
    header = (_SN_MAGIC, 2, *shape, 1)
    if len(data) < 20 or struct.unpack(">5I", data[:20]) != header:
        raise ValueError(
            f"[load_digits480] {path} must begin with {struct.pack('>5I', *header).hex(' ', 4)}; "
            f"got {data[:20].hex(' ', 4) or 'an empty file'}"
        )
    count = math.prod(shape)
    if len(data) < 20 + count:
        raise ValueError(
            f"[load_digits480] {path} must have {20 + count} bytes; got {len(data)}: it is truncated"
        )
    values = np.frombuffer(data, dtype=np.int8, count=count, offset=20)
    return values.reshape(shape).astype(np.float32) / np.float32(16)
