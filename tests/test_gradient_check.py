"""`ebp.check_gradients`: it accepts correct derivatives of every kind, and fails for each that is broken."""

import cases
import cases_shaped
import ebp
import numpy as np
import pytest
from ebp.layers import Conv2D, Dense

ALL = [*cases.CASES, *cases_shaped.CASES]
FIRST = ("gradient", "jacobian", "hessian_vector_product", "hessian_symmetry", "gauss_newton_product")
SIGMOID = cases.case("sigmoid-7-5-3")


@pytest.mark.parametrize("case", ALL, ids=str)
def test_correct_derivatives_pass(case):
    net = case.network()
    before = net.parameters.copy()
    report = ebp.check_gradients(net, *case.data())
    assert report, str(report)
    assert set(FIRST) <= set(report)
    assert report.comparisons["gradient"].largest > 0
    np.testing.assert_array_equal(net.parameters, before)


def test_a_network_in_single_precision_is_compared_in_double():
    report = ebp.check_gradients(SIGMOID.network("float32"), *SIGMOID.data())
    assert max(report.values()) < 1e-8


# ---- it must be able to fail -------------------------------------------------------------------------------


class Doubled(ebp.Network):
    """A gradient with a wrong factor."""

    def gradient(self, X, T):
        return 2 * super().gradient(X, T)


class WrongBias(ebp.Network):
    """A gradient whose smallest part is wrong: one bias."""

    def gradient(self, X, T):
        gradient = super().gradient(X, T)
        gradient[-1] *= 1.001
        return gradient


class LostSample(ebp.Network):
    """A Jacobian that forgets the sign of one sample."""

    def jacobian(self, X):
        jacobian = super().jacobian(X)
        jacobian[-1] *= -1
        return jacobian


class NotANumber(ebp.Network):
    def gradient(self, X, T):
        return np.full(self.n_parameters, np.nan)


def broken(kind, case=SIGMOID):
    net = case.network()
    return kind(
        net.layers, net.input_shape, loss=net.loss_function, weight_init=net.parameters, dtype="float64"
    )


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Doubled, {"gradient", "hessian_vector_product"}),
        (WrongBias, {"gradient", "hessian_vector_product"}),
        (LostSample, {"jacobian"}),
        (NotANumber, {"gradient", "hessian_vector_product"}),
    ],
    ids=["factor", "one-bias", "sign", "nan"],
)
def test_broken_derivatives_of_a_subclass(kind, wrong):
    report = ebp.check_gradients(broken(kind), *SIGMOID.data())
    assert not report
    assert not report.passed
    assert {name for name, error in report.items() if error > report.tolerance} == wrong
    assert "above 1e-06" in str(report)


def perturbed(monkeypatch, name, change):
    """Replaces a function of ebp.curvature by one whose result is changed."""
    right = getattr(ebp.curvature, name)

    def wrong(net, X, T, *arguments):
        return change(right(net, X, T, *arguments), *arguments)

    monkeypatch.setattr(ebp.curvature, name, wrong)


@pytest.mark.parametrize("case", [SIGMOID, cases.case("softmax-5-17-7"), cases_shaped.case("lenet")], ids=str)
def test_broken_second_derivatives(monkeypatch, case):
    def lose_the_first(product, v, method="exact"):
        product = product.copy()
        product[0] = 0
        return product

    perturbed(monkeypatch, "hessian_vector_product", lose_the_first)
    report = ebp.check_gradients(case.network(), *case.data())
    wrong = {name for name, error in report.items() if error > report.tolerance}
    assert wrong == {"hessian_vector_product", "hessian_symmetry", "gauss_newton_product"}


def test_gauss_newton_is_told_from_the_exact_product(monkeypatch):
    right = ebp.curvature.hessian_vector_product
    monkeypatch.setattr(
        ebp.curvature, "hessian_vector_product", lambda net, X, T, v, method="exact": right(net, X, T, v)
    )
    report = ebp.check_gradients(SIGMOID.network(), *SIGMOID.data())
    assert report["gauss_newton_product"] > 0.01
    assert report["hessian_vector_product"] < 1e-8


@pytest.mark.parametrize("case", [SIGMOID, cases.case("softmax-5-17-7"), cases_shaped.case("lenet")], ids=str)
def test_a_broken_diagonal(monkeypatch, case):
    perturbed(monkeypatch, "hessian_diagonal", lambda diagonal, *_: 1.01 * diagonal)
    report = ebp.check_gradients(case.network(), *case.data())
    assert report["curvature_diagonal"] == pytest.approx(0.01, rel=1e-3)
    assert {name for name, error in report.items() if error > report.tolerance} == {"curvature_diagonal"}


def test_raise_on_failure_has_the_table_as_its_text():
    with pytest.raises(
        AssertionError, match=r"^\[check_gradients\] every error must be at most 1e-06; got\n"
    ) as caught:
        ebp.check_gradients(broken(Doubled), *SIGMOID.data(), raise_on_failure=True)
    assert "hessian_symmetry" in str(caught.value)
    assert ebp.check_gradients(SIGMOID.network(), *SIGMOID.data(), raise_on_failure=True)


# ---- what is compared --------------------------------------------------------------------------------------


def test_the_diagonal_only_where_the_recursion_is_exact():
    X, T = np.random.default_rng(0).standard_normal((2, 4, 16))
    T = T[:, :3]
    shared = ebp.Network([Conv2D(1, 2), Conv2D(3, 3)], (1, 4, 4), random_state=0)
    assert "curvature_diagonal" not in ebp.check_gradients(shared, X, T)
    deep = ebp.Network([Dense(5), Dense(4), Dense(3)], 16, random_state=0)
    assert ebp.check_gradients(deep, X, T)["curvature_diagonal"] < 1e-8


def test_large_networks_are_compared_in_a_part_of_every_block(monkeypatch):
    from ebp.gradient_check import _Check

    net = ebp.Network([Dense(30), Dense(2)], 40, random_state=0)
    X, T = np.ones((2, 40)), np.ones((2, 2))
    chosen = _Check(net, X, T, np.random.default_rng(0), 100).chosen
    assert len(chosen) == len(set(chosen.tolist())) == 100
    for name, part, _ in net.parameter_slices:
        taken = ((chosen >= part.start) & (chosen < part.stop)).sum()
        assert taken >= min(20, part.stop - part.start), name
    every = _Check(net, X, T, np.random.default_rng(0), 10_000).chosen
    np.testing.assert_array_equal(every, np.arange(net.n_parameters))
    assert ebp.check_gradients(net, X, T, max_parameters=1)


def test_zero_derivatives_are_said_to_show_nothing():
    net = ebp.Network(
        [Dense(2, "identity")], 3, weight_init=np.zeros(8), loss="absolute_error", dtype="float64"
    )
    report = ebp.check_gradients(net, np.ones((2, 3)), np.ones((2, 2)))
    assert report
    assert report.comparisons["gauss_newton_product"].largest == 0
    assert "all zero, nothing shown" in str(report)


def test_kinks_near_by_do_not_alarm(rng):
    net = ebp.Network([Dense(50, "relu"), Dense(1, "identity")], 3, loss="hinge", random_state=0)
    X, T = rng.standard_normal((40, 3)), rng.choice([-1.0, 1.0], (40, 1))
    assert ebp.check_gradients(net, X, T)


def test_the_report_is_a_mapping():
    report = ebp.check_gradients(SIGMOID.network(), *SIGMOID.data())
    assert len(report) == len(list(report)) == len(dict(report)) == 6
    assert str(report).splitlines()[0].split() == ["derivative", "largest", "error"]
    assert len(str(report).splitlines()) == 7
    again = ebp.check_gradients(SIGMOID.network(), *SIGMOID.data())
    assert dict(again) == dict(report)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda net, X, T: ("net", X, T, {}), TypeError, "net must be an ebp.Network"),
        (lambda net, X, T: (net, X[:, :3], T, {}), ValueError, "X must have shape (n, 7); got"),
        (lambda net, X, T: (net, X[:4], T, {}), ValueError, "same number of rows, at least 1; got 4 and 33"),
        (lambda net, X, T: (net, X[:0], T[:0], {}), ValueError, "at least 1; got 0 and 0"),
        (lambda net, X, T: (net, np.full_like(X, np.nan), T, {}), ValueError, "X must be finite"),
        (lambda net, X, T: (net, X, np.full_like(T, np.inf), {}), ValueError, "T must be finite"),
        (
            lambda net, X, T: (net, X, T, {"max_parameters": 0}),
            ValueError,
            "max_parameters must be an integer >= 1",
        ),
    ],
)
def test_misuse(change, error, message):
    net, X, T, options = change(SIGMOID.network(), *SIGMOID.data())
    with pytest.raises(error, match=r"^\[check_gradients\] ") as caught:
        ebp.check_gradients(net, X, T, **options)
    assert message in str(caught.value)
