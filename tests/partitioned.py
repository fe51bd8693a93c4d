"""Samples in partitions of dask arrays, for the tests of `ebp.distributed`."""

import dask.array as da
import ebp
import numpy as np

N = 70
CHUNKS = (20, 1, 30, 0, 19)


def network(dtype="float64", loss="squared_error"):
    layers = [ebp.layers.Dense(4), ebp.layers.Dense(2, "identity", bias=False)]
    return ebp.Network(layers, 3, loss=loss, dtype=dtype, random_state=7)


def samples(rng):
    """Inputs, targets and weights."""
    X = rng.normal(size=(N, 3))
    T = np.stack([np.sin(X.sum(axis=1)), X[:, 0] * X[:, 1]], axis=1)
    weights = rng.integers(0, 3, size=N).astype(float)
    weights[20:21] = 0  # a partition that does not count
    return X, T, weights


def parts(array):
    """The array in partitions of rows, one of them empty, and of columns too."""
    return da.from_array(array, chunks=(CHUNKS, *[1] * (array.ndim - 1)))


def unread(array):
    """The same, in partitions that cannot be had."""

    def fail(block):
        raise AssertionError("partitions must not be computed")

    return parts(array).map_blocks(fail, dtype=array.dtype, meta=array[:0])


def numpy_parts(*arrays):
    ends = np.cumsum(CHUNKS)[:-1]
    return list(zip(*(np.split(array, ends) for array in arrays), strict=True))


def close(got, expected, tolerance=1e-12):
    scale = max(np.abs(expected).max(), 1e-300)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * scale)
