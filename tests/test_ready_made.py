"""The networks of the authors: sizes of every layer as they printed them, and their wiring."""

import ebp
import numpy as np
import pytest
from cases_grid import LENET_C3
from ebp import layers

LENET5 = [
    ((6, 28, 28), 156, 122_304),
    ((6, 14, 14), 12, 5_880),
    ((16, 10, 10), 1_516, 151_600),
    ((16, 5, 5), 32, 2_000),
    ((120, 1, 1), 48_120, 48_120),
    ((84,), 10_164, 10_164),
    ((10,), 0, 840),
]
# Layers of shape, parameters, connections, and the totals in print.
PRINTED = {
    "lenet5": (layers.lenet5(), (1, 32, 32), LENET5, (60_000, 340_908)),
    "lenet5-dense": (layers.lenet5("dense"), (1, 32, 32), [*LENET5[:-1], ((10,), 850, 850)],
                     (60_850, 340_918)),
    "lenet1": (layers.lenet1(), (1, 28, 28), [
        ((4, 24, 24), 104, 59_904),
        ((4, 12, 12), 8, 2_880),
        ((12, 8, 8), 512, 32_768),
        ((12, 4, 4), 24, 960),
        ((10,), 1_930, 1_930),
    ], (2_578, 98_442)),
    "netmask": (layers.netmask(), (1, 16, 16), [
        ((2, 8, 8), 20, 1_280),
        ((4, 4, 4), 76, 1_216),
        ((10,), 650, 650),
    ], (746, 3_146)),
    "figure24": (layers.figure24(), (1, 32, 32), [
        ((2, 28, 28), 52, 40_768),
        ((2, 14, 14), 4, 1_960),
        ((4, 10, 10), 204, 20_400),
        ((4, 5, 5), 8, 500),
        ((10,), 1_010, 1_010),
    ], (1_278, 64_638)),
}  # fmt: skip
EVERY_NETWORK = pytest.mark.parametrize("name", PRINTED)


def network(name, **options):
    stack, shape, *_ = PRINTED[name]
    return ebp.Network(stack, shape, loss="map" if name == "lenet5" else "squared_error", **options)


@EVERY_NETWORK
def test_layers_have_the_printed_sizes(name):
    stack, shape, printed, totals = PRINTED[name]
    assert len(stack) == len(printed)
    for layer, (outputs, n_parameters, n_connections) in zip(stack, printed, strict=True):
        assert layer.output_shape(shape) == outputs
        assert layer.n_parameters(shape) == n_parameters
        assert layer.n_connections(shape) == n_connections
        shape = outputs
    net = network(name)
    assert net.n_parameters == len(net.parameters) == totals[0]
    assert totals == tuple(sum(row[k] for row in printed) for k in (1, 2))
    assert net.output_shapes == tuple(row[0] for row in printed)


@EVERY_NETWORK
def test_summaries_show_the_printed_numbers(name):
    *_, printed, totals = PRINTED[name]
    lines = network(name).summary().splitlines()
    assert len({len(line) for line in lines}) == 1, "the columns are aligned"
    assert lines[0].split() == ["layer", "outputs", "parameters", "connections"]
    for number, (line, row) in enumerate(zip(lines[1:-1], printed, strict=True)):
        outputs = " x ".join(map(str, row[0]))
        assert line.startswith(f"{number} {type(PRINTED[name][0][number]).__name__} ")
        assert line.endswith(f" {row[2]:,}")
        assert line.split()[-2:] == [f"{row[1]:,}", f"{row[2]:,}"]
        assert f" {outputs} " in line
    assert lines[-1].split() == ["total", *(f"{total:,}" for total in totals)]


def test_summaries_tell_settings_apart():
    stack = [
        layers.Conv2D(3, (2, 3), stride=2, padding="same", activation="tanh"),
        layers.Conv2D(2, 3, connections=[[1, 0, 1], [0, 1, 1]]),
        layers.MaxPool2D(1),
        layers.AveragePool2D(2),
        layers.GaussianRBF(4),
    ]
    text = ebp.Network(stack, (1, 12, 12)).summary()
    for part in ("0 Conv2D 2x3 stride 2 same tanh", "1 Conv2D 3x3 table scaled_tanh", "2 MaxPool2D 1x1",
                 "3 AveragePool2D 2x2", "4 GaussianRBF"):  # fmt: skip
        assert part in text
    line = ebp.Network([layers.Conv1D(8, 3), layers.Dense(3)], (16, 15)).summary().splitlines()[1]
    assert line.split() == ["0", "Conv1D", "1x3", "scaled_tanh", "8", "x", "13", "392", "5,096"]


@EVERY_NETWORK
def test_names_of_networks(name):
    stack, shape, printed, _ = PRINTED[name]
    units = "-".join("x".join(map(str, sizes)) for sizes in (shape, *(row[0] for row in printed)))
    assert repr(network(name)) == f"Network({units}, loss={network(name).loss_function!r}, dtype='float32')"
    assert len(stack) == len(network(name).layers)


@EVERY_NETWORK
def test_each_call_gives_fresh_equal_layers(name):
    function, _, argument = name.partition("-")
    made = [getattr(layers, function)(*filter(None, [argument])) for _ in range(2)]
    assert made[0] is not made[1]
    assert made[0] == made[1] == PRINTED[name][0]


def test_lenet5_is_wired_by_its_table():
    """Which maps of S2 a map of C3 sees, shown by the outputs and not by the table."""
    net = network("lenet5", dtype="float64", random_state=0)
    X = np.random.default_rng(0).standard_normal((1, 1, 32, 32))
    before = net.activations(X)[2][0].reshape(16, -1)
    offsets = next(part for name, part, _ in net.parameter_slices if name == "1.bias")
    for source in range(6):
        changed = net.copy()
        changed.parameters[offsets.start + source] += 0.5
        moved = (changed.activations(X)[2][0].reshape(16, -1) != before).any(axis=1)
        assert moved.tolist() == [source in row for row in LENET_C3]


def test_the_first_convolutions_of_lenet1_see_the_maps_that_were_printed():
    """H3: 8 of the 12 maps see two maps of H2, and 4 see one."""
    table = np.array(layers.lenet1()[2].connections)
    assert sorted(table.sum(axis=1).tolist()) == [1] * 4 + [2] * 8
    assert table.any(axis=0).all()


def test_an_unknown_output_is_refused():
    with pytest.raises(ValueError, match=r"\[lenet5\] output must be one of rbf, dense; got 'softmax'"):
        layers.lenet5("softmax")
