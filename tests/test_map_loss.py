"""The loss "map": value and derivatives, and the curvature that it gives below distances to codes."""

import ebp
import numpy as np
import pytest
from cases_grid import loss_data
from cases_shaped import ShapedCase, codes, layer
from checks import assert_close, assert_parameters_close, check_loss
from reference import second_differences
from reference_grid import Loss

JS = [-2.0, 0.5, 1.0, 10.0]
KINDS = [(np.float64, "64", 1e-12), (np.float32, "32", 1e-5)]


@pytest.mark.parametrize("j", JS)
@pytest.mark.parametrize(("dtype", "bits", "tolerance"), KINDS)
def test_every_derivative_equals_the_oracle(j, dtype, bits, tolerance, rng):
    outputs, targets, V = (array.astype(dtype) for array in loss_data("map", rng))
    got, oracle = getattr(ebp._core, f"Loss{bits}")("map", j=j), Loss("map", j=j)
    exact = [array.astype(float) for array in (outputs, targets, V)]
    assert_close(got.value(outputs, targets), oracle.value(*exact[:2]), tolerance, "value")
    assert_close(got.gradient(outputs, targets), oracle.gradient(*exact[:2]), tolerance, "gradient")
    assert_close(got.curvature(outputs, targets), oracle.curvature(*exact[:2]), 10 * tolerance, "curvature")
    product = oracle.curvature_product(*exact)
    assert_close(got.curvature_product(outputs, targets, V), product, 10 * tolerance, "product")


@pytest.mark.parametrize("j", JS)
def test_every_derivative_agrees_with_differences(j, rng):
    check_loss(ebp._core.Loss64("map", j=j), *loss_data("map", rng))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_neither_overflows_nor_vanishes(dtype):
    """exp(-y) and exp(-j) are far outside of the range of the type: trap T18."""
    bits = "64" if dtype is np.float64 else "32"
    outputs, targets = np.array([[2e3, 3e3]], dtype), np.array([[0, 1]], dtype)
    loss = getattr(ebp._core, f"Loss{bits}")("map", j=1e4)
    assert loss.value(outputs, targets) == pytest.approx([1e3])
    assert loss.gradient(outputs, targets) == pytest.approx(np.array([[-1.0, 1.0]]))
    far = getattr(ebp._core, f"Loss{bits}")("map", j=3.0)
    assert far.value(outputs, targets) == pytest.approx([3e3 - 3])
    assert far.gradient(outputs, targets) == pytest.approx(np.array([[0.0, 1.0]]))
    for one in (loss, far):
        assert np.isfinite(one.curvature(outputs, targets)).all()


@pytest.mark.parametrize("place", [0, 1])
def test_nan_passes_through(place):
    outputs, targets = np.full((2, 2), 0.5), np.array([[1.0, 0], [1, 0]])
    outputs[0, place] = np.nan
    loss = ebp._core.Loss64("map")
    assert np.isnan(loss.value(outputs, targets)).tolist() == [True, False]
    assert np.isnan(loss.gradient(outputs, targets)).any(axis=1).tolist() == [True, False]
    assert np.isnan(loss.curvature(outputs, targets)).any(axis=1).tolist() == [True, False]


def test_by_hand():
    """E = y_D + log(e^-j + sum e^-y)."""
    net = ebp.Network([ebp.layers.EuclideanRBF([[1.0, -1], [1, 1]])], 2, loss=ebp.losses.MAP(j=3.0))
    losses = net.losses([[1.0, 0.5]], [[0, 1]])
    assert losses == pytest.approx([0.25 + np.log(np.exp(-3) + np.exp(-2.25) + np.exp(-0.25))])


# --- curvature below distances ------------------------------------------------------------------------------


def small(trainable=False, activation="identity", curvature="exact", **options):
    """Two layers: with the identity the inputs of the distances are linear in every weight of the first."""
    layers = (layer("Dense", 3, activation), layer("EuclideanRBF", codes(4, 3), trainable=trainable))
    return ShapedCase("small", (2,), layers, "map", 5, 3, {"curvature": curvature, **options})


def second_differences_of_loss(net, X, T):
    """The diagonal of the second derivatives of the mean loss in all parameters, from its values alone."""
    theta = net.parameters.copy()

    def loss(parameters):
        net.parameters[:] = parameters
        return net.loss(X, T)

    result = second_differences(loss, theta)
    net.parameters[:] = theta
    return result


@pytest.mark.parametrize("j", JS)
def test_exact_curvature_is_that_of_loss_and_distances_together(j):
    """Weights and biases below shift the distances' inputs x, so that their h are d2E/dx2 times the squares
    of what they see: second differences of the loss, with nothing left out."""
    one = small(j=j)
    net, (X, T) = one.network(), one.data()
    expected = second_differences_of_loss(net, X, T)
    assert_parameters_close(net._curvature_diagonal(X, T), expected, one.oracle(), 1e-6)
    biases = net.parameter_slices[1][1]
    for x, t in zip(X, T, strict=True):  # sample by sample: h of the biases is hx itself
        hx = net._curvature_diagonal(x[None], t[None])[biases]
        assert_close(hx, second_differences_of_loss(net, x[None], t[None])[biases], 1e-6)


def test_it_is_not_what_the_distances_pass_down():
    """Trap T18: (58) of the diagonal p (1 - p) alone is another number, and constant is a third one."""
    one, constant = small(j=3.0), small(j=3.0, curvature="constant")
    net, (X, T) = one.network(), one.data()
    exact = net._curvature_diagonal(X, T)
    other = one.oracle()
    other.curvature_below = lambda *arguments: None
    passed_down = other.curvature_diagonal(one.parameters(), X, T)
    for wrong in (passed_down, constant.network()._curvature_diagonal(X, T)):
        assert np.abs(exact / wrong - 1).min() > 1e-3


@pytest.mark.parametrize("trainable", [False, True])
def test_constant_curvature_is_two(trainable):
    one = small(trainable, j=3.0, curvature="constant")
    net, (X, T) = one.network(), one.data()
    h = net._curvature_diagonal(X, T)
    weights, biases = (where for _, where, _ in net.parameter_slices[:2])
    assert_close(h[weights], np.tile(2 * (X**2).mean(axis=0), 3), 1e-13)
    np.testing.assert_allclose(h[biases], 2.0, rtol=1e-13)


def test_far_from_all_codes_exact_is_constant():
    """Where the rubbish class takes all, E = y_D + const."""
    X, T = small().data()
    exact, constant = small(j=-50.0).network(), small(j=-50.0, curvature="constant").network()
    assert_close(exact._curvature_diagonal(X, T), constant._curvature_diagonal(X, T), 1e-12)


@pytest.mark.parametrize("curvature", ["exact", "constant"])
def test_trained_codes_have_the_gauss_newton_form(curvature):
    """d2E/dw2 = 2 (t - p) + 4 p (1 - p) u^2, of which the first term, of either sign, is dropped."""
    one = small(trainable=True, j=3.0, curvature=curvature)
    net, oracle, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    where = net.parameter_slices[-1][1]
    error = oracle.loss_function.gradient(oracle.forward(theta, X), T).mean(axis=0)
    full = second_differences_of_loss(net, X, T)[where]
    dropped = np.repeat(2 * error, 3)
    assert np.abs(dropped).max() > 0.1 * np.abs(full).max()
    assert_close(net._curvature_diagonal(X, T)[where], full - dropped, 1e-6)


def test_sigmoids_below_keep_the_gauss_newton_form():
    """With a tanh between, the f'' term is left out (trap T5), and second differences tell."""
    one = small(activation="tanh", j=3.0)
    net, oracle, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    h = net._curvature_diagonal(X, T)
    assert_parameters_close(h, oracle.curvature_diagonal(theta, X, T), oracle, 1e-12)
    assert np.abs(h / second_differences_of_loss(net, X, T) - 1).min() > 1e-3


@pytest.mark.parametrize("curvature", ["exact", "constant"])
def test_other_outputs_get_their_own_curvature(curvature):
    """Without distances below there is nothing to replace, and the option changes nothing."""
    layers = (layer("Dense", 3), layer("Dense", 4, "identity"))
    one = ShapedCase("plain", (2,), layers, "map", 5, 3, {"j": 3.0, "curvature": curvature})
    net, oracle, theta, (X, T) = one.network(), one.oracle(), one.parameters(), one.data()
    h = net._curvature_diagonal(X, T)
    assert_parameters_close(h, oracle.curvature_diagonal(theta, X, T), oracle, 1e-12)
    last = slice(net.parameter_slices[2][1].start, None)
    assert_close(h[last], second_differences_of_loss(net, X, T)[last], 1e-6)


@pytest.mark.parametrize("curvature", ["exact", "constant"])
def test_weights_of_samples_reach_the_curvature_below(curvature):
    """SDLM measures the mean of the weighted samples' h."""
    one = small(j=3.0, curvature=curvature)
    (X, T), weight = one.data(), np.array([0.0, 1.0, 2.0, 0.5, 3.0])
    per_sample = one.oracle().curvatures(one.parameters(), X, T)
    net, rule = one.network(), ebp.rules.SDLM(1e-9)
    net.train_online(X, T, rule, sample_weight=weight)
    assert_close(rule.curvature, (weight[:, None] * per_sample).mean(axis=0), 1e-12)


def test_exact_curvature_is_never_negative(rng):
    """A difference of two squares in float32."""
    layers = [ebp.layers.Dense(3, "identity"), ebp.layers.EuclideanRBF(codes(4, 3))]
    net = ebp.Network(
        layers, 3, loss=ebp.losses.MAP(50.0, "exact"), weight_init=[*np.eye(3).ravel(), 0, 0, 0]
    )
    for x in 1e3 * rng.standard_normal((50, 3)) + np.array(codes(4, 3))[0]:
        assert (net._curvature_diagonal(x[None], [[1, 0, 0, 0]]) >= 0).all()


# --- misuse -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"j": np.nan}, r"\[MAP\] j must be a finite number; got nan"),
        ({"j": np.inf}, r"\[MAP\] j must be a finite number; got inf"),
        ({"j": "1"}, r"\[MAP\] j must be a finite number; got '1'"),
        ({"curvature": "full"}, r"\[MAP\] curvature must be one of constant, exact; got 'full'"),
    ],
)
def test_misuse(options, text):
    with pytest.raises(ValueError, match=text):
        ebp.losses.MAP(**options)
