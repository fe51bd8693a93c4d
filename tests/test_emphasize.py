"""Emphasising: probabilities, systematic draws, outliers, correction (S4.2)."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from ebp.sampling import Emphasize


def observed(settings, errors, repeats=None):
    """A sampler whose running errors are these."""
    sampler = settings.sampler(len(errors), repeats)
    sampler.observe(np.arange(len(errors)), errors)
    return sampler


def spread(order, sample):
    return np.diff(np.flatnonzero(order == sample))


# ---- probabilities ------------------------------------------------------------------------------------


def test_probabilities_follow_the_formula(rng):
    errors = rng.exponential(size=1000)
    expected = np.clip(errors / errors.mean(), 0.2, 3.0)
    found = Emphasize(0.2, 3.0).probabilities(errors)
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-12)
    np.testing.assert_allclose(found.max() / found.min(), 15.0)
    np.testing.assert_allclose(Emphasize(0.2, 3.0).probabilities(1e300 * errors), found)


@pytest.mark.parametrize("errors", [np.zeros(7), np.full(7, 0.3), [5.0]])
def test_equal_errors_have_equal_probabilities(errors):
    np.testing.assert_array_equal(Emphasize().probabilities(errors), np.full(len(errors), 1 / len(errors)))


def test_the_cap_bounds_the_share_of_outliers():
    settings = Emphasize(0.5, 4.0)
    probabilities = settings.probabilities(np.r_[np.full(10, 1e9), np.full(990, 1e-9)])
    assert probabilities[:10].sum() <= 10 * 4 / (10 * 4 + 990 * 0.5) + 1e-12


# ---- orders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("corrected", [False, True])
def test_a_systematic_draw_is_as_expected_to_within_one(seed, corrected):
    rng = np.random.default_rng(seed)
    sampler = observed(Emphasize(0.1, 10.0, corrected=corrected), rng.exponential(size=500) ** 3)
    assert sampler.expected.max() > 5
    assert sampler.expected.sum() == pytest.approx(500)
    np.testing.assert_allclose(sampler.probabilities * 500, sampler.expected)
    for _ in range(20):
        order = sampler.order(rng)
        assert order.dtype == np.intp
        assert len(order) == 500
        assert np.abs(np.bincount(order, minlength=500) - sampler.expected).max() < 1


def test_draws_have_the_probabilities_as_their_mean():
    rng = np.random.default_rng(0)
    sampler = observed(Emphasize(), rng.exponential(size=50))
    counts = np.mean([np.bincount(sampler.order(rng), minlength=50) for _ in range(3000)], axis=0)
    # the part after the point is drawn: at most 0.5 / sqrt(3000) = 0.009 of standard deviation
    np.testing.assert_allclose(counts, sampler.expected, atol=4.5 * 0.0092)
    assert np.ptp(sampler.expected) > 1


def test_repeats_do_not_bunch(rng):
    errors = np.full(400, 0.1)
    errors[7] = 5.0
    order = observed(Emphasize(0.5, 10.0), errors).order(rng)
    gaps = spread(order, 7)
    assert len(gaps) >= 9
    assert gaps.min() > 0.8 * len(order) / (len(gaps) + 1)
    assert gaps.max() < 1.2 * len(order) / (len(gaps) + 1)
    every = observed(Emphasize(0.1, 20.0), rng.exponential(size=300) ** 2).order(rng)
    assert np.count_nonzero(every[1:] == every[:-1]) == 0


def test_the_first_order_presents_every_sample_once():
    order = Emphasize().sampler(1000).order(0)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(order, np.arange(1000))
    repeated = Emphasize().sampler(3, [1, 4, 2]).order(0)
    np.testing.assert_array_equal(np.bincount(repeated), [1, 4, 2])


def test_orders_depend_on_the_seed_alone(rng):
    sampler = observed(Emphasize(), rng.exponential(size=60))
    np.testing.assert_array_equal(sampler.order(3), sampler.order(np.random.default_rng(3)))
    assert not np.array_equal(sampler.order(3), sampler.order(4))


def test_repeats_multiply_the_emphasis(rng):
    errors, repeats = rng.exponential(size=30), rng.integers(1, 5, size=30)
    sampler = observed(Emphasize(), errors, repeats)
    ratios = np.clip(errors / np.average(errors, weights=repeats), 0.25, 4.0) * repeats
    np.testing.assert_allclose(sampler.probabilities, ratios / ratios.sum())
    assert len(sampler.order(0)) == repeats.sum()


# ---- running errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("leak", [0.3, 1, 1.0])
def test_running_errors_are_exponential_averages(leak, rng):
    sampler = Emphasize(leak=leak).sampler(20)
    expected = np.full(20, np.nan)
    for _ in range(4):
        order, losses = rng.integers(0, 15, size=40), rng.exponential(size=40)
        sampler.observe(order, losses)
        for sample, loss in zip(order, losses, strict=True):
            known = not np.isnan(expected[sample])
            expected[sample] = (1 - leak) * expected[sample] + leak * loss if known else loss
    np.testing.assert_allclose(sampler.errors, expected, rtol=1e-12)
    assert np.isnan(sampler.errors[15:]).all()
    # what is not known counts as the mean: a relative error of 1
    relative = np.clip(np.nan_to_num(expected / np.nanmean(expected), nan=1.0), 0.25, 4.0)
    np.testing.assert_allclose(sampler.probabilities, relative / relative.sum())


def test_corrected_losses_are_taken_as_they_were(rng):
    errors, losses = rng.exponential(size=50), rng.exponential(size=50)
    plain, corrected = observed(Emphasize(), errors), observed(Emphasize(corrected=True), errors)
    order = plain.order(0)
    plain.observe(order, losses[order])
    corrected.observe(order, losses[order] * corrected.sample_weight[order])
    np.testing.assert_allclose(corrected.errors, plain.errors)


# ---- outliers -----------------------------------------------------------------------------------------


def epochs(settings, losses_of, n_epochs, seed=0):
    """Sampler after epochs in which sample i has the losses `losses_of(epoch)[i]`, and its last order."""
    rng = np.random.default_rng(seed)
    sampler = settings.sampler(len(losses_of(0)))
    for epoch in range(n_epochs):
        order = sampler.order(rng)
        sampler.observe(order, losses_of(epoch)[order])
    return sampler, sampler.order(rng)


def learnt_but_for(stubborn, n=1000):
    """Losses that fall by a fifth every epoch, in a random order of size, but for a few that stay large."""

    def losses_of(epoch):
        losses = np.random.default_rng(epoch).exponential(size=n) * 0.8**epoch
        losses[:stubborn] = 5.0
        return losses

    return losses_of


def test_samples_that_stay_in_the_highest_rank_are_set_back():
    settings = Emphasize(outliers=0.02, patience=5)
    losses_of = learnt_but_for(stubborn=15)
    before, order = epochs(settings, losses_of, 4)
    assert not before.set_back.any()
    assert np.mean(order < 15) > 3 * 0.015
    after, order = epochs(settings, losses_of, 20)
    assert after.set_back[:15].all()
    np.testing.assert_allclose(after.probabilities[:15], 1 / 1000)
    assert 14 <= np.count_nonzero(order < 15) <= 16
    # the mean that the others are compared with leaves them out
    others = after.errors[~after.set_back]
    emphasis = np.clip(others / others.mean(), 0.25, 4.0)
    expected = emphasis / emphasis.sum() * np.mean(~after.set_back)
    np.testing.assert_allclose(after.probabilities[~after.set_back], expected)
    unguarded, order = epochs(Emphasize(outliers=0.0), losses_of, 20)
    assert not unguarded.set_back.any()
    assert np.mean(order < 15) > 10 * 0.015


def test_samples_that_leave_the_highest_rank_are_emphasised_again():
    sampler = Emphasize(outliers=0.01, patience=3, leak=1.0).sampler(100)
    set_back, expected = [], []
    for epoch in range(15):
        losses = np.ones(100)
        losses[0] = 0.5 if 8 <= epoch < 12 else 9.0
        sampler.observe(np.arange(100), losses)
        set_back.append(bool(sampler.set_back[0]))
        expected.append(sampler.expected[0])
    assert set_back == [False] * 2 + [True] * 6 + [False] * 6 + [True]
    assert min(expected[:2] + expected[12:14]) > 3
    np.testing.assert_allclose(expected[2:8] + expected[14:], 1)


def test_at_most_the_fraction_is_set_back(rng):
    losses = rng.permutation(300) + 1.0
    sampler, _ = epochs(Emphasize(outliers=0.05, patience=2), lambda epoch: losses, 10)
    np.testing.assert_array_equal(sampler.set_back, losses > 285)
    repeats = np.full(300, 2)
    doubled = Emphasize(outliers=0.05, patience=1).sampler(300, repeats)
    doubled.observe(np.arange(300), losses)
    np.testing.assert_array_equal(doubled.set_back, losses > 285)


# ---- correction ---------------------------------------------------------------------------------------


def test_the_correction_makes_the_mean_that_of_all_samples(rng):
    errors, values = rng.exponential(size=80), rng.normal(size=80)
    sampler = observed(Emphasize(corrected=True), errors, rng.integers(1, 4, size=80))
    np.testing.assert_allclose(sampler.expected * sampler.sample_weight, sampler._repeats, rtol=1e-12)
    orders = [sampler.order(rng) for _ in range(4000)]
    means = np.array([np.mean(sampler.sample_weight[order] * values[order]) for order in orders])
    plain = np.array([np.mean(values[order]) for order in orders])
    expected = np.average(values, weights=sampler._repeats)
    assert abs(means.mean() - expected) < 4 * means.std() / np.sqrt(4000)
    assert abs(plain.mean() - expected) > 20 * plain.std() / np.sqrt(4000)
    assert sampler.correction.max() <= (1 + 0.25) / 0.25
    assert observed(Emphasize(), errors).sample_weight is None


# ---- values and misuse --------------------------------------------------------------------------------


def test_settings_are_values():
    settings = Emphasize(0.5, 2.0, leak=0.1, corrected=True)
    assert eval(repr(settings)) == settings == pickle.loads(pickle.dumps(settings)) != Emphasize()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Emphasize(0), r"\[Emphasize\] floor must be a number in \(0, 1\]; got 0"),
        (lambda: Emphasize(cap=np.inf), "cap must be a number >= 1; got inf"),
        (lambda: Emphasize(cap=0.5), "cap must be a number >= 1; got 0.5"),
        (lambda: Emphasize(leak=0), r"leak must be a number in \(0, 1\]; got 0"),
        (lambda: Emphasize(outliers=0.5), r"outliers must be a number in \[0, 0.5\); got 0.5"),
        (lambda: Emphasize(patience=0), "patience must be an integer >= 1; got 0"),
        (lambda: Emphasize(corrected=1), "corrected must be True or False; got 1"),
        (lambda: Emphasize().probabilities([]), "at least one loss; got none"),
        (lambda: Emphasize().probabilities([1, -1]), "finite and not negative; got -1.0"),
        (lambda: Emphasize().probabilities([1, np.nan]), "finite and not negative; got nan"),
        (lambda: Emphasize().probabilities([[1]]), r"must be 1-D; got shape \(1, 1\)"),
        (lambda: Emphasize().sampler(0), r"\[Emphasize.sampler\] n must be an integer >= 1; got 0"),
        (lambda: Emphasize().sampler(2, [1, 0]), r"repeats must be 2 integers >= 1, .*; got \[1, 0\]"),
        (lambda: Emphasize().sampler(2, [1]), r"repeats must be 2 integers >= 1, .*; got \[1\]"),
        (lambda: Emphasize().sampler(3).observe([0, 1], [1.0]), "losses must be 2, .*; got 1"),
        (lambda: Emphasize().sampler(3).observe([0, 3], [1.0, 1.0]), "order must hold .* 0 to 2; got 3"),
        (lambda: Emphasize().sampler(3).order(-1), "a seed must not be negative; got -1"),
    ],
)
def test_misuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()
