"""Network: initial weights, kinds of arrays, and misuse."""

import ebp
import numpy as np
import pytest
from cases import case

# Standard deviation and largest magnitude by fan-in m and fan-out k; None: no bound.
SCHEMES = {
    "lecun": lambda m, k: (m**-0.5, None),
    "lecun_uniform": lambda m, k: (m**-0.5, (3 / m) ** 0.5),
    "he": lambda m, k: ((2 / m) ** 0.5, None),
    "xavier": lambda m, k: ((2 / (m + k)) ** 0.5, None),
    "lenet": lambda m, k: (2.4 / m / 3**0.5, 2.4 / m),
}


def wide(scheme="lecun", random_state=0, dtype="float64"):
    layers = [ebp.layers.Dense(300), ebp.layers.Dense(100)]
    return ebp.Network(layers, 900, weight_init=scheme, random_state=random_state, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_initial_weights_have_the_scheme_s_spread(scheme, dtype):
    """Trap T15: the schemes differ by constants that a wrong reading of fan-in or of the interval changes."""
    net = wide(scheme, dtype=dtype)
    for name, where, shape in net.parameter_slices:
        block = net.parameters[where].astype(float)
        if name.endswith("bias"):
            assert not block.any()
            continue
        std, bound = SCHEMES[scheme](shape[1], shape[0])
        assert block.std() == pytest.approx(std, rel=0.02)
        assert abs(block.mean()) < 4 * std / block.size**0.5
        if bound is not None:
            assert 0.99 * bound < np.abs(block).max() <= bound * (1 + 1e-6)
        elif scheme == "lecun":
            assert np.abs(block).max() > 3.5 * std  # normal, not uniform


def test_lecun_gives_unit_total_inputs_on_white_inputs(rng):
    """(14)-(16): sigma_y = 1."""
    net = wide()
    X = rng.standard_normal((500, 900))
    weights = net.parameters[net.parameter_slices[0][1]].reshape(300, 900)
    assert (X @ weights.T).std() == pytest.approx(1.0, rel=0.03)


def test_an_array_gives_the_initial_parameters():
    values = np.arange(8.0)
    net = ebp.Network([ebp.layers.Dense(2)], 3, weight_init=values, dtype="float64")
    np.testing.assert_array_equal(net.parameters, values)
    net.parameters[:] = 0
    assert values.any(), "the array is copied"


def test_random_state():
    first = wide(random_state=3).parameters
    np.testing.assert_array_equal(first, wide(random_state=3).parameters)
    assert not np.array_equal(first, wide(random_state=4).parameters)
    assert not np.array_equal(wide(random_state=None).parameters, wide(random_state=None).parameters)
    np.testing.assert_array_equal(
        wide(random_state=np.random.RandomState(3)).parameters,
        wide(random_state=np.random.RandomState(3)).parameters,
    )
    generator = np.random.default_rng(3)
    one, two = wide(random_state=generator).parameters, wide(random_state=generator).parameters
    assert not np.array_equal(one, two), "a Generator is used as it is and moves on"
    np.testing.assert_array_equal(one, wide(random_state=np.random.default_rng(3)).parameters)


# --- kinds of arrays ---------------------------------------------------------------------------------------


def as_kinds(X, tmp_path):
    """The same numbers as every kind of array a user may hold."""
    np.save(tmp_path / "x.npy", X)
    read_only = X.copy()
    read_only.flags.writeable = False
    strided = np.repeat(X, 2, axis=1)[:, ::2]
    return {
        "fortran": np.asfortranarray(X), "strided": strided, "read_only": read_only,
        "memmap": np.load(tmp_path / "x.npy", mmap_mode="r"), "list": X.tolist(),
        "swapped": X.astype(X.dtype.newbyteorder()),
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kind_of_array_gives_the_same_bits(dtype, tmp_path):
    one = case("sigmoid-7-5-3")
    net, (X, T) = one.network(dtype), one.data()
    X, T = X.astype(dtype), T.astype(dtype)
    expected = net.gradient(X, T)
    for name, kind in as_kinds(X, tmp_path).items():
        np.testing.assert_array_equal(net.gradient(kind, T), expected, err_msg=name)
    for name, kind in as_kinds(T, tmp_path).items():
        np.testing.assert_array_equal(net.gradient(X, kind), expected, err_msg=name)


def test_integers_and_booleans_are_numbers():
    net = case("sigmoid-7-5-3").network()
    X = np.arange(14).reshape(2, 7)
    for kind in (X, X.astype(np.uint8), X.astype(np.int8)):
        np.testing.assert_array_equal(net.forward(kind), net.forward(X.astype(float)))
    np.testing.assert_array_equal(net.forward(X > 5), net.forward((X > 5).astype(float)))


def test_one_output_takes_flat_targets():
    one = case("linear-33-1")
    net, (X, T) = one.network(), one.data()
    assert net.loss(X, T[:, 0]) == net.loss(X, T)
    np.testing.assert_array_equal(net.gradient(X, T[:, 0]), net.gradient(X, T))


def test_samples_of_any_shape_are_rows(rng):
    net = ebp.Network([ebp.layers.Dense(2)], (2, 3), random_state=0)
    assert (net.input_shape, net.n_inputs) == ((2, 3), 6)
    X = rng.standard_normal((4, 2, 3))
    np.testing.assert_array_equal(net.forward(X), net.forward(X.reshape(4, 6)))


def test_nan_and_infinity_pass_through_forward():
    one = case("sigmoid-7-5-3")
    net, X = one.network(), one.data(3)[0]
    X[1, 0] = np.nan
    got = net.forward(X)
    assert np.isnan(got[1]).all()
    assert np.isfinite(got[[0, 2]]).all()
    X[1, 0] = np.inf
    np.testing.assert_array_equal(np.isfinite(net.forward(X)), np.ones((3, 3), bool))


def test_no_rows_give_no_outputs():
    assert case("sigmoid-7-5-3").network().forward(np.empty((0, 7))).shape == (0, 3)


# --- misuse ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "text"),
    [
        (([], 3), {}, ValueError, "layer"),
        (([ebp.layers.Dense(2)], 0), {}, ValueError, "input_shape"),
        (([ebp.layers.Dense(2)], -3), {}, ValueError, "input_shape"),
        (([ebp.layers.Dense(2)], (3, 0)), {}, ValueError, "input_shape"),
        ((["dense"], 3), {}, TypeError, "layer"),
        (([ebp.layers.Dense(2)], 3), {"loss": "hinge2"}, ValueError, "squared_error.*got '?hinge2"),
        (([ebp.layers.Dense(2)], 3), {"weight_init": "zeros"}, ValueError, "lecun.*got '?zeros"),
        (([ebp.layers.Dense(2)], 3), {"weight_init": np.zeros(7)}, ValueError, "weight_init"),
        (([ebp.layers.Dense(2)], 3), {"dtype": "int32"}, ValueError, "float32"),
        (([ebp.layers.Dense(2)], 3), {"dtype": "float16"}, ValueError, "float32"),
    ],
)
def test_misuse_of_the_constructor(arguments, keywords, error, text):
    with pytest.raises(error, match=text):
        ebp.Network(*arguments, **keywords)


@pytest.mark.parametrize(
    ("arguments", "keywords", "text"),
    [
        ((0,), {}, "units"),
        ((-1,), {}, "units"),
        ((2.5,), {}, "units"),
        ((2, "softplus"), {}, "scaled_tanh.*got '?softplus"),
        ((2,), {"twist": np.nan}, "twist"),
    ],
)
def test_misuse_of_a_layer(arguments, keywords, text):
    with pytest.raises((ValueError, TypeError), match=text):
        ebp.layers.Dense(*arguments, **keywords)


@pytest.mark.parametrize("X", [np.ones((2, 6)), np.ones(7), np.ones((2, 7, 2)), np.float64(1.0)])
def test_wrong_shapes_of_inputs(X):
    net = case("sigmoid-7-5-3").network()
    with pytest.raises(ValueError, match="got"):
        net.forward(X)
    with pytest.raises(ValueError, match="got"):
        net.gradient(X, np.ones((2, 3)))


@pytest.mark.parametrize("T", [np.ones((2, 4)), np.ones((3, 3)), np.ones(2), np.ones((2, 3, 2))])
def test_wrong_shapes_of_targets(T):
    net, X = case("sigmoid-7-5-3").network(), np.ones((2, 7))
    for function in (net.loss, net.losses, net.gradient):
        with pytest.raises(ValueError, match="got"):
            function(X, T)


@pytest.mark.parametrize(
    "X", [np.full((2, 7), "a"), np.full((2, 7), None), np.ones((2, 7), complex), [["1"] * 7] * 2]
)
def test_what_is_not_numeric_is_refused(X):
    net = case("sigmoid-7-5-3").network()
    with pytest.raises(TypeError, match="got"):
        net.forward(X)


def test_no_rows_have_no_mean():
    net = case("sigmoid-7-5-3").network()
    with pytest.raises(ValueError, match="got"):
        net.loss(np.empty((0, 7)), np.empty((0, 3)))
