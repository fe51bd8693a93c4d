"""Layers as users meet them: shapes, errors that say where they are, and copies of whatever they are in."""

import copy
import pickle

import ebp
import numpy as np
import pytest
from cases import CASES as DENSE_CASES
from cases_shaped import CASES, layer
from ebp import layers as L
from ebp.losses import LOSSES, MAP, Huber
from reference_shaped import ShapedNet

# --- shapes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["valid", "same", "wrap"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_images_need_not_be_square(padding, stride):
    layers = (
        layer("Conv2D", 2, (2, 3), stride=stride, padding=padding),
        layer("MaxPool2D", 1),
        layer("Conv2D", 3, (1, 2), connections=[[1, 0], [0, 1], [1, 1]]),
    )
    oracle = ShapedNet((2, 7, 12), layers)
    net = ebp.Network([getattr(L, name)(*a, **o) for name, a, o in layers], (2, 7, 12))
    expected = {"valid": (6, 10), "same": (7, 12), "wrap": (7, 12)}[padding]
    rows, columns = (-(-size // stride) for size in expected)
    assert net.output_shapes == ((2, rows, columns), (2, rows, columns), (3, rows, columns - 1))
    assert net.output_shapes == tuple(oracle.shapes)
    assert [states.shape[1:] for states in net.activations(np.zeros((4, 2, 7, 12)))] == oracle.shapes


def test_kernels_may_be_as_large_as_the_image():
    assert L.Conv2D(5, (7, 3)).output_shape((2, 7, 3)) == (5, 1, 1)
    for padding in ("same", "wrap"):
        assert L.Conv2D(5, (7, 3), padding=padding).output_shape((2, 7, 3)) == (5, 7, 3)


def test_one_layer_serves_several_networks():
    one = L.Conv2D(2, 3)
    first, second = ebp.Network([one], (1, 5, 5)), ebp.Network([one, one], (3, 8, 7))
    assert first.output_shapes == ((2, 3, 3),)
    assert second.output_shapes == ((2, 6, 5), (2, 4, 3))
    assert (first.n_parameters, second.n_parameters) == (20, 56 + 38)


# --- errors ------------------------------------------------------------------------------------------------

CODES = [[1.0, -1, 1], [-1, 1, 1]]
MISFITS = [
    (([L.Conv2D(2, 3), L.Conv2D(2, 5)], (1, 5, 6)),
     "[Conv2D] kernel_size must fit into the image; got (5, 5) for an input of shape (2, 3, 4); "
     "layer 1 of the network input (1, 5, 6) -> 0 Conv2D (2, 3, 4) -> 1 Conv2D"),
    (([L.Conv2D(2, (3, 7), padding="same")], (1, 5, 6)),
     "[Conv2D] kernel_size must fit into the image; got (3, 7) for an input of shape (1, 5, 6); "
     "layer 0 of the network input (1, 5, 6) -> 0 Conv2D"),
    (([L.Conv2D(2, 3), L.MaxPool2D(2), L.Conv2D(3, 2, connections=[[1, 1, 1]] * 3)], (1, 6, 8)),
     "[Conv2D] connections must have shape (maps, input maps), (3, 2) for an input of shape (2, 2, 3); "
     "got (3, 3); layer 2 of the network input (1, 6, 8) -> 0 Conv2D (2, 4, 6) -> 1 MaxPool2D (2, 2, 3) "
     "-> 2 Conv2D"),
    (([L.Conv2D(2, 3, connections=[[1]] * 3)], (1, 6, 8)),
     "[Conv2D] connections must have shape (maps, input maps), (2, 1) for an input of shape (1, 6, 8); "
     "got (3, 1); layer 0 of the network input (1, 6, 8) -> 0 Conv2D"),
    (([L.Conv2D(2, 3)], (28, 28)),
     "[Conv2D] the input must have the shape (channels, height, width); got (28, 28) without channels; one "
     "channel is (1, 28, 28); layer 0 of the network input (28, 28) -> 0 Conv2D"),
    (([L.MaxPool2D()], (28, 28)),
     "[MaxPool2D] the input must have the shape (channels, height, width); got (28, 28) without channels; "
     "one channel is (1, 28, 28); layer 0 of the network input (28, 28) -> 0 MaxPool2D"),
    (([L.Dense(4), L.Subsample2D()], (1, 8, 8)),
     "[Subsample2D] the input must have the shape (channels, height, width); got (4,); "
     "layer 1 of the network input (1, 8, 8) -> 0 Dense (4,) -> 1 Subsample2D"),
    (([L.Conv2D(3, 3), L.AveragePool2D(2)], (1, 28, 27)),
     "[AveragePool2D] size must divide height and width of the image, so that windows tile it; got 2 for an "
     "input of shape (3, 26, 25); layer 1 of the network input (1, 28, 27) -> 0 Conv2D (3, 26, 25) -> "
     "1 AveragePool2D"),
    (([L.Subsample2D(2)], (1, 27, 28)),
     "[Subsample2D] size must divide height and width of the image, so that windows tile it; got 2 for an "
     "input of shape (1, 27, 28); layer 0 of the network input (1, 27, 28) -> 0 Subsample2D"),
    (([L.MaxPool2D(3)], (1, 9, 10)),
     "[MaxPool2D] size must divide height and width of the image, so that windows tile it; got 3 for an "
     "input of shape (1, 9, 10); layer 0 of the network input (1, 9, 10) -> 0 MaxPool2D"),
    (([L.Conv1D(3, 3)], (28,)),
     "[Conv1D] the input must have the shape (channels, length); got (28,); one channel is (1, 28); "
     "layer 0 of the network input (28,) -> 0 Conv1D"),
    (([L.Conv1D(3, 3)], (1, 28, 28)),
     "[Conv1D] the input must have the shape (channels, length); got (1, 28, 28); "
     "layer 0 of the network input (1, 28, 28) -> 0 Conv1D"),
    (([L.Conv1D(3, 3), L.Conv1D(3, 9)], (2, 8)),
     "[Conv1D] kernel_size must fit into the image; got 9 for an input of shape (3, 6); "
     "layer 1 of the network input (2, 8) -> 0 Conv1D (3, 6) -> 1 Conv1D"),
    (([L.Dense(5), L.EuclideanRBF(CODES)], 4),
     "[EuclideanRBF] codes must have as many columns as there are inputs, 5 of shape (5,); got 3; "
     "layer 1 of the network input (4,) -> 0 Dense (5,) -> 1 EuclideanRBF"),
    (([L.Conv2D(2, 3), L.EuclideanRBF(CODES, trainable=True)], (1, 5, 6)),
     "[EuclideanRBF] codes must have as many columns as there are inputs, 24 of shape (2, 3, 4); got 3; "
     "layer 1 of the network input (1, 5, 6) -> 0 Conv2D (2, 3, 4) -> 1 EuclideanRBF"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), MISFITS)
def test_misfits_are_named_with_all_shapes_up_to_them(arguments, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole message is compared)
        ebp.Network(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("shape", "accepted"),
    [
        ((4, 30), True), ((4, 1, 5, 6), True), ((4, 5, 6), True), ((4, 5, 6, 1), True), ((0, 30), True),
        ((4, 29), False), ((30,), False), ((4, 1, 6, 5), False), ((4, 6, 5), False), ((4, 2, 15), False),
        ((1, 4, 1, 5, 6), False), ((4, 30, 1), False), ((), False),
    ],
)  # fmt: skip
def test_samples_are_flat_rows_or_images_as_declared(shape, accepted):
    """An image the other way round has as many values, and would be taken for another one."""
    net, X = ebp.Network([L.Conv2D(2, 3)], (1, 5, 6), random_state=0), np.ones(shape)
    if accepted:
        assert net.forward(X).shape == (shape[0], 24)
        return
    T, rule = np.zeros((4, 24)), ebp.rules.SGD(0.1)
    for function in (lambda: net.forward(X), lambda: net.gradient(X, T), lambda: net.activations(X),
                     lambda: net.train_online(X, T, rule)):  # fmt: skip
        with pytest.raises(ValueError, match=r"X must have shape \(n, 30\) or \(n, 1, 5, 6\); got \("):
            function()


def test_channels_last_are_refused_and_flat_networks_take_any_shape():
    colour = ebp.Network([L.Conv2D(2, 3)], (3, 8, 8), random_state=0)
    with pytest.raises(ValueError, match=r"\(n, 192\) or \(n, 3, 8, 8\); got \(2, 8, 8, 3\)"):
        colour.forward(np.ones((2, 8, 8, 3)))
    flat = ebp.Network([L.Dense(2)], 30, random_state=0)
    assert flat.forward(np.ones((4, 5, 6))).shape == (4, 2)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: L.Conv2D(0, 3), ValueError, r"\[Conv2D\] maps must be at least 1; got 0"),
        (lambda: L.Conv2D(2.0, 3), TypeError, r"\[Conv2D\] maps must be an integer; got 2.0"),
        (lambda: L.Conv2D(True, 3), TypeError, r"\[Conv2D\] maps must be an integer; got True"),
        (lambda: L.Conv2D(2, 0), ValueError, r"\[Conv2D\] kernel_size must be at least 1; got 0"),
        (lambda: L.Conv2D(2, (3, 3, 3)), ValueError, r"kernel_size must be one or two integers; got \(3, 3"),
        (lambda: L.Conv2D(2, (3, 2.5)), TypeError, r"\[Conv2D\] kernel_size must be an integer; got 2.5"),
        (lambda: L.Conv1D(2, (3, 3)), TypeError, r"\[Conv1D\] kernel_size must be an integer; got \(3, 3\)"),
        (lambda: L.Conv1D(2, 3, stride=0), ValueError, r"\[Conv1D\] stride must be at least 1; got 0"),
        (lambda: L.Conv2D(2, 3, padding="full"), ValueError, "one of valid, same, wrap; got 'full'"),
        (lambda: L.Conv2D(2, 3, padding=1), ValueError, "padding must be one of valid, same, wrap; got 1"),
        (lambda: L.Conv2D(2, 3, activation="elu"), ValueError, "identity, scaled_tanh.*got 'elu'"),
        (lambda: L.Conv2D(2, 3, twist=np.inf), ValueError, "twist must be a finite number; got inf"),
        (lambda: L.Conv2D(2, 3, 2), TypeError, "positional"),
        (lambda: L.Conv2D(2, 3, connections=[[1], [0]]), ValueError, "some input map; got none for map 1"),
        (lambda: L.Conv2D(2, 3, connections=[1, 0]), ValueError, r"booleans.*got an array of shape \(2,\)"),
        (lambda: L.Conv2D(2, 3, connections=[[]]), ValueError, r"got an array of shape \(1, 0\)"),
        (lambda: L.Conv2D(2, 3, connections=[[1, 2]] * 2), ValueError, "got other values, of int64"),
        (lambda: L.Conv2D(2, 3, connections=[[1], [1, 0]]), ValueError, "got rows of different lengths"),
        (lambda: L.Subsample2D(0), ValueError, r"\[Subsample2D\] size must be at least 1; got 0"),
        (lambda: L.Subsample2D(2, "elu"), ValueError, r"\[Subsample2D\] activation must be one of"),
        (lambda: L.MaxPool2D(-2), ValueError, r"\[MaxPool2D\] size must be at least 1; got -2"),
        (lambda: L.AveragePool2D(1.5), TypeError, r"\[AveragePool2D\] size must be an integer; got 1.5"),
        (lambda: L.GaussianRBF(0), ValueError, r"\[GaussianRBF\] units must be at least 1; got 0"),
        (lambda: L.EuclideanRBF([1.0, 2.0]), ValueError, r"codes must be a matrix.*got shape \(2,\)"),
        (lambda: L.EuclideanRBF([[]]), ValueError, r"codes must be a matrix.*got shape \(1, 0\)"),
        (lambda: L.EuclideanRBF([[1, 2], [1]]), ValueError, "codes must be a matrix.*got list"),
        (lambda: L.EuclideanRBF([["a"]]), ValueError, "codes must be a matrix.*got list"),
        (lambda: L.EuclideanRBF([[np.nan]]), ValueError, "got NaN or infinity"),
        (lambda: Huber(0), ValueError, r"\[Huber\] delta must be a positive finite number; got 0"),
        (lambda: Huber(np.inf), ValueError, "delta must be a positive finite number; got inf"),
        (lambda: Huber("1"), ValueError, "delta must be a positive finite number; got '1'"),
    ],
)
def test_misuse(make, error, text):
    with pytest.raises(error, match=text):
        make()


# --- copies and names --------------------------------------------------------------------------------------

NETWORKS = [*CASES, *DENSE_CASES]
DUPLICATES = {
    "copy": lambda net, path: net.copy(),
    "copy.copy": lambda net, path: copy.copy(net),
    "deepcopy": lambda net, path: copy.deepcopy(net),
    "pickle": lambda net, path: pickle.loads(pickle.dumps(net)),
    "file": lambda net, path: (net.save(path), ebp.load(path))[1],
}


def test_every_layer_and_loss_is_among_the_networks():
    classes = {value for value in vars(L).values() if isinstance(value, type) and value is not L.Layer}
    nets = [one.network() for one in NETWORKS]
    assert {type(part) for net in nets for part in net.layers} == classes
    assert {one.loss for one in NETWORKS} == set(LOSSES)
    assert {type(net.loss_function) for net in nets} == {str, MAP, Huber}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize("one", NETWORKS, ids=str)
def test_copies_are_equal_and_independent(one, duplicate, dtype, tmp_path):
    net, (X, T) = one.network(dtype), one.data()
    before = net.parameters.copy()
    other = DUPLICATES[duplicate](net, tmp_path / "net.safetensors")
    assert type(other) is ebp.Network
    assert other.layers == net.layers
    assert (other.dtype, other.loss_function, repr(other)) == (net.dtype, net.loss_function, repr(net))
    assert (other.input_shape, other.output_shapes) == (net.input_shape, net.output_shapes)
    assert other.parameter_slices == net.parameter_slices
    for function in ("losses", "gradient", "_curvature_diagonal"):
        np.testing.assert_array_equal(getattr(other, function)(X, T), getattr(net, function)(X, T))
    other.train_online(X, T, ebp.rules.SDLM(1e-3))
    assert not np.array_equal(other.parameters, before)
    np.testing.assert_array_equal(net.parameters, before)
    again = DUPLICATES[duplicate](other, tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.parameters, other.parameters)


@pytest.mark.parametrize("one", NETWORKS, ids=str)
def test_repr_of_layers_and_losses_make_them_again(one):
    names = {**vars(L), "MAP": MAP, "Huber": Huber}
    net = one.network()
    assert f"loss={net.loss_function!r}" in repr(net)
    assert eval(repr(net.loss_function), names) == net.loss_function
    for part in net.layers:
        if isinstance(part, L.EuclideanRBF):  # without its many codes
            units, width = np.shape(part.codes)
            text = f"EuclideanRBF({units} codes of {width}, trainable={part.trainable})"
            assert repr(part) == text
        else:
            assert eval(repr(part), names) == part
        assert pickle.loads(pickle.dumps(part)) == part
        assert hash(copy.deepcopy(part)) == hash(part)


def test_layers_and_losses_are_constant():
    for one in (L.Conv2D(2, 3), L.Subsample2D(), L.EuclideanRBF([[1.0]]), MAP(), Huber()):
        field = next(iter(vars(one)))
        with pytest.raises(AttributeError):
            setattr(one, field, 5)


def test_networks_differ_where_their_layers_do():
    """Equality of layers, which the copies are judged by, sees every setting."""
    base = {
        "stride": 1,
        "padding": "valid",
        "connections": None,
        "activation": "tanh",
        "twist": 0.0,
        "bias": True,
    }
    other = {"stride": 2, "padding": "wrap", "connections": [[1]] * 2, "activation": "relu", "twist": 0.1,
             "bias": False}  # fmt: skip
    for name in base:
        assert L.Conv2D(2, 3, **base) != L.Conv2D(2, 3, **{**base, name: other[name]}), name
    assert L.Conv2D(2, 3) != L.Conv2D(2, (3, 2))
    assert L.Conv1D(2, 3) != L.Conv1D(3, 3)
    assert L.Subsample2D(2, twist=0.1) != L.Subsample2D(2)
    assert L.EuclideanRBF(CODES) != L.EuclideanRBF(CODES, trainable=True)
    assert L.EuclideanRBF(CODES) != L.EuclideanRBF(CODES[::-1])
    assert MAP(2.0) != MAP()
    assert Huber(2.0) != Huber()


def test_learn_one_knows_the_axes():
    net = ebp.Network([L.Conv2D(2, 3)], (3, 8, 6), random_state=0)
    rule, target = ebp.rules.SGD(0.01), np.zeros(net.n_outputs)
    for x in (np.zeros((3, 8, 6)), np.zeros(144), np.zeros((1, 144))[0]):
        net.learn_one(x, target, rule)
    with pytest.raises(ValueError, match=r"x must have the shape \(3, 8, 6\) or be flat; got \(8, 6, 3\)"):
        net.learn_one(np.zeros((8, 6, 3)), target, rule)


def test_blocks_of_large_images_are_seamless():
    """Few rows go through at a time where images are large."""
    X = np.random.default_rng(0).standard_normal((75, 1, 64, 64))
    net = ebp.Network(
        [L.Conv2D(8, 5), L.MaxPool2D(2), L.Dense(2)], (1, 64, 64), dtype="float64", random_state=0
    )
    T = np.ones((75, 2))
    np.testing.assert_allclose(net.forward(X), np.concatenate([net.forward(x[None]) for x in X]), rtol=1e-12)
    gradients = [net.gradient(x[None], t[None]) for x, t in zip(X, T, strict=True)]
    np.testing.assert_allclose(net.gradient(X, T), np.mean(gradients, axis=0), rtol=1e-9, atol=1e-12)


def test_callbacks_come_often_for_shared_weights():
    """Few parameters, many connections: the time between two looks at the world follows the connections."""
    X = np.zeros((200, 1, 64, 64), np.float32)
    net = ebp.Network([L.Conv2D(16, 5), L.MaxPool2D(2)], (1, 64, 64), random_state=0)
    calls = []
    net.train_online(
        X, np.zeros((200, net.n_outputs)), ebp.rules.SGD(1e-3), callback=lambda n, _: calls.append(n)
    )
    assert len(calls) >= 4
