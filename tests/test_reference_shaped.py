"""The oracle of networks of any layers: against differences, closed forms and published sizes, and proof that
comparing with it tells right networks from wrong ones."""

import numpy as np
import pytest
from cases import CASES as DENSE_CASES
from cases_shaped import CASES, case, codes, layer
from checks import assert_close, assert_parameters_close, check_gradient, check_jacobian
from reference import relative_error, second_differences
from reference_online import train_sdlm, train_sgd
from reference_shaped import BUILDERS, ShapedNet


def test_the_cases_cover_every_layer_and_loss():
    assert {name for one in CASES for name, *_ in one.layers} == set(BUILDERS)
    assert {one.loss for one in CASES} >= {"map", "hinge", "huber", "absolute_error"}


@pytest.mark.parametrize("one", CASES, ids=str)
def test_gradient_and_jacobian_against_differences(one):
    net, theta, (X, T) = one.oracle(), one.parameters(), one.data(4)
    gradient = net.gradient(theta, X, T)
    check_gradient(lambda t: net.loss(t, X, T), gradient, theta, net)
    check_jacobian(lambda t: net.forward(t, X), net.jacobian(theta, X), theta)


@pytest.mark.parametrize("one", DENSE_CASES, ids=str)
def test_dense_networks_are_those_of_the_other_oracle(one):
    layers = [layer("Dense", units, f, twist=twist, bias=bias) for units, f, twist, bias in one.layers]
    net, mlp = ShapedNet((one.n_inputs,), layers, one.loss), one.oracle()
    theta, (X, T) = one.parameters(), one.data(5)
    assert net.slices == mlp.slices
    for name in ("fan_in", "shares", "is_bias"):
        np.testing.assert_array_equal(getattr(net, name), getattr(mlp, name))
    assert_close(net.gradients(theta, X, T), mlp.gradients(theta, X, T), 1e-13)
    h = mlp.curvatures(theta, X, T)
    assert_close(net.curvatures(theta, X, T), h, 1e-13)
    assert_close(net.mean_over_units(h[0]), mlp.mean_over_units(h[0]), 1e-13)


@pytest.mark.parametrize("name", ["lenet", "max-pool", "average-pool", "time-delay", "hinge", "distances"])
def test_curvature_of_the_last_two_layers_is_exact(name):
    """Their diagonal J' (d2E/do2) J is the recursion's, as long as nothing in them is shared and d2E/do2 is
    diagonal; here of the last layer, with the whole Jacobian."""
    one = case(name)
    net, theta, (X, T) = one.oracle(), one.parameters(), one.data(4)
    J, seed = net.jacobian(theta, X), net.loss_function.curvature(net.forward(theta, X), T)
    exact = np.einsum("nkp,nk->np", J**2, seed)
    where = net.slices[-2][1] if net.slices[-1][0].endswith("bias") else net.slices[-1][1]
    got = net.curvatures(theta, X, T)
    if name == "hinge":
        assert not got.any()
        return
    assert_close(got[:, where], exact[:, where], 1e-12)
    if name in ("lenet", "time-delay"):  # and that it is not where weights are shared
        first = net.slices[0][1]
        assert relative_error(got[:, first], exact[:, first]) > 0.1


@pytest.mark.parametrize("j", [0.5, 8.0])
def test_curvature_below_distances_against_second_differences(j):
    """In the inputs of the distances themselves: x -> loss, with nothing below."""
    net = ShapedNet((5,), [layer("EuclideanRBF", codes(4, 5))], "map", j=j, curvature="exact")
    rng = np.random.default_rng(0)
    X, T, none = rng.standard_normal((3, 5)), np.eye(4)[[2, 0, 1]], np.zeros(0)
    expected = [second_differences(lambda x, t=t: net.losses(none, x[None], t[None])[0], x)
                for x, t in zip(X, T, strict=True)]  # fmt: skip
    got = net.curvature_below(none, X, T)
    assert_close(got, expected, 1e-6)
    u, p = net.stack[0][1].differences(none, X), net.loss_function.posteriors(net.forward(none, X))
    mean, square = np.einsum("nk,nki->ni", p, u), np.einsum("nk,nki->ni", p, u**2)
    assert_close(got, 4 * (square - mean**2) + 2 * (1 - p.sum(axis=1))[:, None], 1e-12)


def test_units_and_connections_of_shared_weights():
    """lenet: 3 maps of 10x10 units with 9 inputs, 3 of 5x5 with 4, ..."""
    net = case("lenet").oracle()
    first, bias, coefficients, offsets, second = (where for _, where, _ in net.slices[:5])
    assert set(net.fan_in[first]) == set(net.fan_in[bias]) == {9}
    assert set(net.shares[first]) == set(net.shares[bias]) == {100}
    assert (set(net.fan_in[coefficients]), set(net.shares[coefficients])) == ({4}, {100})
    assert (set(net.fan_in[offsets]), set(net.shares[offsets])) == ({4}, {25})
    assert net.fan_in[second][::4].tolist() == [4, 8, 8, 8, 8, 12, 12, 12]
    assert np.bincount(net.units)[:10].tolist() == [10, 10, 10, 2, 2, 2, 5, 9, 9, 13]
    h = np.arange(net.n_parameters, dtype=float)
    mean = net.mean_over_units(h)
    assert mean[first][0] == mean[bias][0] == (h[first][:9].sum() + h[bias][0]) / 10
    assert mean[coefficients][1] == mean[offsets][1] == (h[coefficients][1] + h[offsets][1]) / 2


def test_widths_are_averaged_with_nothing():
    net = case("gaussian-first").oracle()
    centres, widths = net.slices[0][1], net.slices[1][1]
    h = np.arange(net.n_parameters, dtype=float)
    mean = net.mean_over_units(h)
    np.testing.assert_array_equal(mean[widths], h[widths])
    np.testing.assert_array_equal(mean[centres][:3], h[centres][:3].mean())


# --- wrong networks, which the comparisons must catch -------------------------------------------------------


def variant(one, **changes):
    """The oracle of a case with other layers, loss or options."""
    values = {name: changes.get(name, getattr(one, name)) for name in ("input_shape", "layers", "loss")}
    return ShapedNet(*values.values(), **changes.get("options", one.options))


def replaced(one, index, new):
    return (*one.layers[:index], new, *one.layers[index + 1 :])


LENET, POOL, MAPS, GAUSS = (case(name) for name in ("lenet", "max-pool", "map-trained", "gaussian-hidden"))
WRONG = {
    "rewired": (LENET, variant(LENET, layers=replaced(LENET, 2, layer(
        "Conv2D", 4, 2, connections=[[0, 1, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]])))),
    "no twist": (LENET, variant(LENET, layers=replaced(LENET, 3, layer("Subsample2D", 2)))),
    "other padding": (case("average-pool"), variant(case("average-pool"), layers=replaced(
        case("average-pool"), 0, layer("Conv2D", 3, 3, padding="wrap", twist=0.1)))),
    "average for maximum": (POOL, variant(POOL, layers=replaced(POOL, 1, layer("AveragePool2D", 2)))),
    "other delta": (case("average-pool"), variant(case("average-pool"), options={"delta": 1.0})),
    "other j": (MAPS, variant(MAPS, options={"j": 2.0})),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_networks_are_told_apart(name):
    one, wrong = WRONG[name]
    net, theta, (X, T) = one.oracle(), one.parameters(), one.data()
    for function in ("losses", "gradient", "curvature_diagonal"):
        right = getattr(net, function)(theta, X, T)
        assert relative_error(getattr(wrong, function)(theta, X, T), right) > 1e-3, function


def test_curvatures_below_distances_are_told_apart():
    for name in ("map-fixed", "map-trained"):
        one = case(name)
        net, theta, (X, T) = one.oracle(), one.parameters(), one.data()
        exact = net.curvature_diagonal(theta, X, T)
        constant = variant(one, options={**one.options, "curvature": "constant"})
        assert relative_error(constant.curvature_diagonal(theta, X, T), exact) > 0.01
        passed_down = one.oracle()
        passed_down.curvature_below = lambda *arguments: None
        assert relative_error(passed_down.curvature_diagonal(theta, X, T), exact) > 0.1


def test_assert_parameters_close_sees_each_block():
    """A fault in the smallest block of a network shows, whatever the others' size."""
    net, theta, (X, T) = LENET.oracle(), LENET.parameters(), LENET.data()
    right = net.gradient(theta, X, T)
    for name, where, _ in net.slices:
        wrong = right.copy()
        wrong[where.start] += 1e-6 * np.abs(right[where]).max()
        with pytest.raises(AssertionError, match=name):
            assert_parameters_close(wrong, right, net, 1e-7)


SGD_VARIANTS = [{"scale": "fan_in"}, {"momentum": 0.5}, {"weight_decay": 1e-2}]
SDLM_VARIANTS = [{"refresh": "running"}, {"granularity": "unit"}, {"momentum": 0.5}, {"weight_decay": 1e-2}]


@pytest.mark.parametrize("one", [LENET, MAPS, GAUSS], ids=str)
def test_options_of_training_are_told_apart(one):
    net, theta, (X, T) = one.oracle(), one.parameters(), one.data()
    for train, variants in ((train_sgd, SGD_VARIANTS), (train_sdlm, SDLM_VARIANTS)):
        plain = train(net, theta, X, T, rate=1e-3)
        for options in variants:
            other = train(net, theta, X, T, rate=1e-3, **options)
            assert relative_error(other.theta, plain.theta) > 1e-8, options
    shares, net.shares = net.shares, np.ones(net.n_parameters, int)
    ignored = train_sgd(net, theta, X, T, rate=1e-3, scale="fan_in").theta
    net.shares = shares
    differs = relative_error(train_sgd(net, theta, X, T, rate=1e-3, scale="fan_in").theta, ignored) > 1e-8
    assert differs == (one is LENET)
