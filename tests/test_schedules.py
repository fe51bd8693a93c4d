"""Schedules: closed forms, units, and what they do to a quadratic loss of one weight (section 4.1)."""

from __future__ import annotations

import pickle

import ebp
import numpy as np
import pytest
from ebp import schedules
from ebp.schedules import Constant, Exponential, GrowingBatch, InverseTime, Piecewise, Plateau

T = np.array([0, 1, 9, 10, 99, 1000, 10**9])

CLOSED_FORMS = [
    (Constant(), np.ones(len(T))),
    (InverseTime(), 1 / (T + 1)),
    (InverseTime(250.5), 250.5 / (T + 250.5)),
    (Exponential(10, floor=0.0), 0.85 ** (T / 10)),
    (Exponential(3.5, decay=0.5, floor=0.1), np.maximum(0.1, 0.5 ** (T / 3.5))),
    (Piecewise([10, 100], [1, 0.5, 2]), [1, 1, 1, 0.5, 0.5, 2, 2]),
    (Piecewise([0.5], np.array([1.0, 0.25])), [1, *[0.25] * 6]),
    (Piecewise([], [3]), np.full(len(T), 3.0)),
]
IN_EPOCHS = [
    (InverseTime(2, unit="epoch"), InverseTime(2 * 150)),
    (Exponential(1, decay=0.7, unit="epoch"), Exponential(150, decay=0.7)),
    (Piecewise([2, 5], [1, 0.4, 0.2], unit="epoch"), Piecewise([300, 750], [1, 0.4, 0.2])),
]
ALL = [*(schedule for schedule, _ in CLOSED_FORMS), *(pair[0] for pair in IN_EPOCHS)]
ALL += [Plateau(), Plateau(factor=0.5, floor=0.1), GrowingBatch(), GrowingBatch(Exponential(9), largest=8)]


@pytest.mark.parametrize(("schedule", "expected"), CLOSED_FORMS, ids=repr)
def test_closed_forms(schedule, expected):
    factors = schedule.factors(T)
    assert factors.dtype == np.float64
    np.testing.assert_allclose(factors, expected, rtol=1e-14)
    assert schedule.factors(9) == factors[2]
    np.testing.assert_array_equal(schedule.factors(T.reshape(1, -1)), factors.reshape(1, -1))
    assert schedule.in_presentations(7) is schedule


@pytest.mark.parametrize(("schedule", "expected"), IN_EPOCHS, ids=repr)
def test_epochs_become_presentations(schedule, expected):
    assert schedule.in_presentations(150) == expected
    assert GrowingBatch(schedule).in_presentations(150) == GrowingBatch(expected)
    for use in (schedule.factors, GrowingBatch(schedule).sizes_at):
        with pytest.raises(ValueError, match=r"in epochs must be turned .* by in_presentations.*; got "):
            use(0)


def test_lenet5_had_five_rates():
    lenet5 = Piecewise([2, 5, 8, 12], [1, 0.4, 0.2, 0.1, 0.02], unit="epoch").in_presentations(60_000)
    rates = 5e-4 * lenet5.factors(60_000 * np.arange(20))
    np.testing.assert_allclose(rates, [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8)


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_schedules_are_values(schedule):
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert eval(repr(schedule), vars(schedules)) == schedule
    assert hash(schedule) == hash(pickle.loads(pickle.dumps(schedule)))
    assert [other for other in ALL if other == schedule] == [schedule]
    with pytest.raises(AttributeError):
        schedule.unit = "epoch"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseTime(0), r"\[InverseTime\] t0 must be a number > 0; got 0"),
        (lambda: InverseTime(np.nan), "t0 must be a number > 0; got nan"),
        (lambda: InverseTime(np.inf), "t0 must be a number > 0; got inf"),
        (lambda: InverseTime("1"), "t0 must be a number > 0; got '1'"),
        (lambda: InverseTime(1, unit="step"), "unit must be one of 'presentation', 'epoch'; got 'step'"),
        (lambda: Exponential(-1), r"\[Exponential\] period must be a number > 0; got -1"),
        (lambda: Exponential(1, decay=1.1), r"decay must be a number in \(0, 1\]; got 1.1"),
        (lambda: Exponential(1, floor=-0.1), r"floor must be a number in \[0, 1\]; got -0.1"),
        (lambda: Piecewise([2, 2], [1, 1, 1]), r"boundaries must increase; got \[2, 2\]"),
        (lambda: Piecewise([0], [1, 1]), r"boundaries must be a sequence of positive numbers; got \[0\]"),
        (lambda: Piecewise(3, [1, 1]), "boundaries must be a sequence of positive numbers; got 3"),
        (lambda: Piecewise([1], [1, 0]), r"values must be a sequence of positive numbers; got \[1, 0\]"),
        (lambda: Piecewise([1], [1]), "values must be 2, one more than boundaries; got 1"),
        (lambda: Plateau(factor=1), r"\[Plateau\] factor must be a number in \(0, 1\); got 1"),
        (lambda: Plateau(patience=0), "patience must be an integer >= 1; got 0"),
        (lambda: Plateau(tol=-1), "tol must be a number >= 0; got -1"),
        (lambda: Plateau(floor=2), r"floor must be a number in \[0, 1\]; got 2"),
        (lambda: GrowingBatch(5), r"\[GrowingBatch\] growth must be a schedule .*; got 5"),
        (lambda: GrowingBatch(Plateau()), "growth must be a schedule .*InverseTime.*; got Plateau"),
        (lambda: GrowingBatch(first=0), "first must be an integer >= 1; got 0"),
        (lambda: GrowingBatch(first=8, largest=7), "largest must be an integer >= 8; got 7"),
        (lambda: Constant().factors([3, -1]), "t must not be negative; got -1"),
        (lambda: GrowingBatch(Constant()).sizes(-1, 3), "t must be an integer >= 0; got -1"),
        (lambda: GrowingBatch(Constant()).sizes(0, 2.5), "n must be an integer >= 0; got 2.5"),
        (lambda: InverseTime(1, unit="epoch").in_presentations(0), "n_epoch must be an integer >= 1; got 0"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_plateau_counts_failures_since_the_last_drop():
    losses = [5.0, 4.0, 4.0, 3.99995, 3.0, 3.1, 3.2, 3.3, 3.4, 2.0]
    plateau = Plateau(factor=0.5, patience=2, tol=1e-4)
    factors = [plateau.factor_after(losses[:n]) for n in range(len(losses) + 1)]
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert Plateau(factor=0.5, floor=0.3).factor_after([1.0] * 20) == 0.3


# ---- growing batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "ratio"), [(1, 2), (5, 2), (2, 3)])
def test_inverse_time_grows_exponentially_from_update_to_update(first, ratio):
    sizes = GrowingBatch(InverseTime(first / (ratio - 1)), first=first).sizes(0, 20_000)
    np.testing.assert_array_equal(sizes[:-1], first * ratio ** np.arange(len(sizes) - 1))


def test_steps_and_largest():
    growing = GrowingBatch(Piecewise([6, 12], [1, 0.5, 0.25]), first=2, largest=7)
    np.testing.assert_array_equal(growing.sizes(0, 30), [2, 2, 2, 4, 4, 7, 7, 2])
    np.testing.assert_array_equal(growing.sizes_at([0, 6, 12, 10**6]), [2, 4, 7, 7])
    np.testing.assert_array_equal(GrowingBatch(Piecewise([4], [1, 2]), first=3).sizes(0, 9), [3, 3, 2, 1])


@pytest.mark.parametrize("t", [0, 17, 5000])
@pytest.mark.parametrize("n", [0, 1, 60, 1001])
@pytest.mark.parametrize("growth", [Constant(), InverseTime(3), Exponential(1, floor=0.0)], ids=repr)
def test_sizes_fill_the_call(growth, n, t):
    sizes = GrowingBatch(growth, first=2).sizes(t, n)
    assert sizes.sum() == n
    assert (sizes > 0).all()
    starts = t + np.cumsum(sizes) - sizes
    wanted = 2 / np.maximum(growth.factors(starts), 1e-300)
    np.testing.assert_allclose(sizes[:-1], wanted[:-1], atol=0.5)


# ---- a quadratic loss of one weight: E = ½ (d − x w)², λ = x², gradient noise s² = x² σ² ---------------

X, SIGMA, REPLICAS = 1.5, 0.8, 6000
LAMBDA, NOISE = X**2, (X * SIGMA) ** 2


def mean_square_error(rate, n, *, start=0.0, schedule=None, batch_size=1, seed=0):
    """Mean of (w - w_min)² after n presentations from w - w_min = start; every output unit is one replica.

    From start 0 its standard deviation is sqrt(2 / REPLICAS) = 1.8 % of its value.
    """
    layers = [ebp.layers.Dense(REPLICAS, "identity", bias=False)]
    net = ebp.Network(layers, 1, weight_init=np.full(REPLICAS, start), dtype="float64")
    targets = SIGMA * np.random.default_rng(seed).standard_normal((n, REPLICAS))
    rule = ebp.rules.SGD(rate, schedule=schedule)
    result = net.train_online(np.full((n, 1), X), targets, rule, batch_size=batch_size)
    assert result.status == "ok"
    return float(np.mean(net.parameters**2))


def test_a_bias_at_rate_one_over_t_is_the_running_mean(rng):
    targets = rng.normal(3.0, 2.0, size=(500, 1))
    net = ebp.Network([ebp.layers.Dense(1, "identity")], 1, weight_init=np.zeros(2), dtype="float64")
    result = net.train_online(np.zeros((500, 1)), targets, ebp.rules.SGD(1.0, schedule=InverseTime()))
    means = np.cumsum(targets) / np.arange(1, 501)
    before = np.append(0.0, means[:-1])
    np.testing.assert_allclose(result.losses, (targets[:, 0] - before) ** 2 / 2, rtol=1e-11)
    np.testing.assert_allclose(net.parameters, [0, means[-1]], rtol=1e-12)


@pytest.mark.parametrize("step", [0.05, 0.5, 1.2])
def test_a_constant_rate_leaves_noise(step):
    rate = step / LAMBDA
    expected = rate * NOISE / (LAMBDA * (2 - step))
    assert mean_square_error(rate, 150, schedule=Constant()) == pytest.approx(expected, rel=0.075)


@pytest.mark.parametrize("cl", [1.0, 1.5, 2.0])
def test_annealing_reaches_the_predicted_error(cl):
    n, t0 = 400, 2.0
    found = mean_square_error(cl / LAMBDA / t0, n, schedule=InverseTime(t0))
    predicted = cl**2 * NOISE / (LAMBDA**2 * (2 * cl - 1) * n)
    assert found == pytest.approx(predicted, rel=0.09)


def test_annealing_too_fast_never_arrives():
    """With c = 1 / (4 λ) the way left falls as t^(-1/4)."""
    t0, n = 2, 400
    rates = 0.25 / (np.arange(n) + t0)  # times λ
    left = np.prod(1 - rates) ** 2
    found = mean_square_error(rates[0] / LAMBDA, n, start=1.0, schedule=InverseTime(t0))
    assert found == pytest.approx(left, rel=0.04)
    assert found > 50 * NOISE / (LAMBDA**2 * n)


@pytest.mark.parametrize("step", [0.2, 0.5])
def test_the_best_growing_batch_does_as_well_as_the_best_annealing(step):
    first = 4
    growing = GrowingBatch(InverseTime(first * (1 - step) / step), first=first)
    sizes = growing.sizes(0, 2000)
    n = int(sizes[:-1].sum())  # whole batches
    best = NOISE / (LAMBDA**2 * n)
    assert mean_square_error(step / LAMBDA, n, batch_size=growing) == pytest.approx(best, rel=0.09)
    same_rate = mean_square_error(step / LAMBDA, 400, batch_size=first)
    assert same_rate == pytest.approx(step * NOISE / first / (LAMBDA**2 * (2 - step)), rel=0.075)
    assert same_rate > 10 * best


def test_a_batch_that_grows_too_fast_never_arrives():
    step, first, n = 0.2, 4, 2000
    best_t0 = first * (1 - step) / step
    best, too_fast = (
        mean_square_error(step / LAMBDA, n, start=1.0, batch_size=GrowingBatch(InverseTime(t0), first=first))
        for t0 in (best_t0, best_t0 / 8)
    )
    assert too_fast > 10 * best


def test_a_rate_by_k_is_a_batch_times_k():
    """Small steps: the two differ by rounding of order η λ only."""
    step, k, n = 0.02, 5, 1500
    divided = mean_square_error(step / LAMBDA / k, n)
    multiplied = mean_square_error(step / LAMBDA, n, batch_size=k)
    assert divided == pytest.approx(multiplied, rel=0.08)


def test_t_counts_over_calls():
    targets = np.random.default_rng(0).standard_normal((60, 1))
    schedule, growing = InverseTime(3), GrowingBatch(InverseTime(5))
    networks = []
    for parts in ([60], [1, 2, 5, 11, 41]):
        net = ebp.Network([ebp.layers.Dense(1, "identity")], 1, weight_init=np.zeros(2), dtype="float64")
        rule, done = ebp.rules.SGD(0.5, schedule=schedule), 0
        for part in parts:
            rows = slice(done, done + part)
            net.train_online(np.ones((part, 1)), targets[rows], rule, batch_size=1)
            done += part
        networks.append(net)
    np.testing.assert_array_equal(networks[0].parameters, networks[1].parameters)
    np.testing.assert_array_equal(growing.sizes(0, 31), np.r_[growing.sizes(0, 15), growing.sizes(15, 16)])
