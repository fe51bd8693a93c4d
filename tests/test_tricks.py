"""The ablation of the tricks: its table, its trainings, its search for rates, its result."""

import math
import warnings
from dataclasses import dataclass

import ebp
import numpy as np
import pytest
from ebp._training import InterruptedTraining
from ebp._tricks_table import CLASSIFICATION, RECIPE, RECIPES, TRICKS, Trick, parameters, recipe, suitable
from ebp._tricks_training import EXTENSIONS, Plan, Search, Training, fit_quietly, split
from ebp.tricks import Interval, epochs_to
from scipy import stats
from sklearn.metrics import r2_score
from tables import IRIS

FULL = Trick(RECIPE, "10")
BY_NAME = {trick.name: trick for trick in TRICKS}


def plan(task="classification", max_iter=2, normalize="standard", hidden=(5,)):
    return Plan(task, {**RECIPES[task], "normalize": normalize}, hidden, max_iter)


def parts(seed=0, classify=True, data=IRIS):
    return split(*data, None, (0.25, 0.2), seed, classify)


def waves(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1, 10, 0.1] + [0, 50, 1]
    return X, np.sin(X[:, 0]) + 0.1 * X[:, 1]


# ---- the table -----------------------------------------------------------------------------------------


def test_the_recipe_is_that_of_the_paper():
    assert recipe("classification", 1000, 100) == {
        "activation": "scaled_tanh",
        "out_activation": "scaled_tanh",
        "loss": "squared_error",
        "targets": (-1.0, 1.0),
        "normalize": "decorrelate",
        "solver": "sdlm",
        "batch_size": 1,
        "sampling": "interleave",
        "momentum": 0.0,
        "twist": 0.0,
        "center_hidden": False,
    }
    changed = {"out_activation": "identity", "targets": "auto", "sampling": "shuffle"}
    assert recipe("regression", 1000, 100) == {**CLASSIFICATION, **changed}


@pytest.mark.parametrize(
    ("n_samples", "n_features", "method"),
    [(200, 100, "decorrelate"), (199, 100, "standard"), (10_000, 2001, "standard")],
)
def test_the_recipe_decorrelates_where_it_can(n_samples, n_features, method):
    assert recipe("classification", n_samples, n_features)["normalize"] == method


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("normalize", ["decorrelate", "standard"])
def test_every_row_changes_something_and_no_two_are_alike(task, normalize):
    base = {**RECIPES[task], "normalize": normalize}
    rows = suitable(task, base)
    forms = [(trick.weight_factor, trick.ordered, parameters(trick, task, base)) for trick in rows]
    assert len(rows) > 15
    assert (1.0, False, base) not in forms
    assert all(forms.count(form) == 1 for form in forms)
    assert all(trick.section and (trick.claim or not trick.expected) for trick in rows)
    assert len({trick.name for trick in TRICKS}) == len(TRICKS)


def test_targets_at_the_asymptotes_are_those_of_the_sigmoid():
    data = parts().normalized("standard")
    model = plan().estimator(BY_NAME["targets at the asymptotes"], data, 1e-3, 1)
    fit_quietly(model, *data.training)
    assert model.targets == "asymptotes"
    assert model._targets == (-1.7159, 1.7159)


def test_classes_have_rows_that_values_lack():
    names = [{trick.name for trick in suitable(task, RECIPES[task])} for task in RECIPES]
    assert names[0] - names[1] == {"shuffled", "targets at the asymptotes"}
    assert not names[1] - names[0]
    assert "decorrelated" not in names[0]
    assert "decorrelated" in {t.name for t in suitable("regression", {**CLASSIFICATION, "normalize": None})}


# ---- one training --------------------------------------------------------------------------------------


def test_the_parts_are_disjoint_and_by_class():
    X, y = np.arange(150.0)[:, np.newaxis], IRIS[1]
    drawn = parts(3, data=(X, y))
    rows = [part[0].ravel() for part in (drawn.training, drawn.validation, drawn.test)]
    assert [len(part) for part in rows] == [90, 22, 38]
    assert sorted(np.concatenate(rows)) == list(range(150))
    assert np.bincount(drawn.training[1]).tolist() == [30, 30, 30]
    assert all((y[part.astype(int)] == drawn.__dict__[name][1]).all() for name, part in zip(
        ("training", "validation", "test"), rows, strict=True
    ))  # fmt: skip
    assert not np.array_equal(rows[2], parts(4, data=(X, y)).test[0].ravel())


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [(RECIPE, 0, 1), ("not decorrelated", 0, 1), ("not scaled", 0, None), ("not centred", None, 1)],
)
def test_inputs_are_normalised_by_the_training_part(name, mean, std):
    trick = BY_NAME.get(name, FULL)
    raw = parts(classify=False, data=waves())
    found = raw.normalized(plan(normalize="decorrelate").normalize(trick))
    Z = found.training[0]
    assert Z.dtype == np.float32
    if mean is not None:
        assert Z.mean(axis=0) == pytest.approx([mean] * 3, abs=1e-4)
    if std is not None:
        assert Z.std(axis=0) == pytest.approx([std] * 3, rel=1e-3)
    else:
        assert Z.std(axis=0) == pytest.approx(raw.training[0].std(axis=0), rel=1e-3)
    if mean is None:
        assert Z.mean(axis=0) == pytest.approx(
            raw.training[0].mean(axis=0) / raw.training[0].std(axis=0), rel=1e-3
        )
    # the other parts are mapped by the same affine function
    extended = np.column_stack([raw.training[0], np.ones(len(Z))])
    affine = np.linalg.lstsq(extended, Z.astype(float), rcond=None)[0]
    other = np.column_stack([raw.test[0], np.ones(len(raw.test[0]))])
    assert found.test[0] == pytest.approx(other @ affine, abs=1e-3)
    assert (raw.normalized(None).test[0] == raw.test[0].astype(np.float32)).all()


def test_samples_sorted_by_target():
    X, y = parts().ordered().training
    assert (np.diff(y) >= 0).all()
    assert sorted(map(tuple, X)) == sorted(map(tuple, parts().training[0]))


def test_initial_weights_differ_by_their_factor_alone():
    data = parts().normalized("standard")
    weights = [
        plan(hidden=(400,)).estimator(trick, data, 1.0, 1).weight_init
        for trick in (FULL, BY_NAME["weights x 10"], BY_NAME["weights x 0.01"], BY_NAME["relu"])
    ]
    assert weights[1] == pytest.approx(10 * weights[0])
    assert weights[2] == pytest.approx(0.01 * weights[0])
    assert (weights[3] == weights[0]).all()
    hidden, output = weights[0][:1600], weights[0][2000:3200]
    assert (hidden.std(), output.std()) == pytest.approx((4**-0.5, 400**-0.5), rel=0.06)


def test_a_seed_gives_rows_of_the_same_data_the_same_orders(monkeypatch):
    drawn, interleave = [], ebp.sampling.interleave

    def spy(labels, rng):
        drawn.append(interleave(labels, rng).tolist())
        return np.array(drawn[-1])

    monkeypatch.setattr(ebp.sampling, "interleave", spy)
    data = parts().normalized("standard")
    for trick in (FULL, BY_NAME["relu"], BY_NAME["weights x 3"]):
        plan().train(trick, data, 1e-3)
    assert len(drawn) == 6
    assert drawn[:2] == drawn[2:4] == drawn[4:]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("trick", suitable("classification", CLASSIFICATION), ids=lambda trick: trick.name)
def test_every_row_sees_equally_many_presentations(trick):
    this = plan(max_iter=3)
    data = parts().normalized(this.normalize(trick))
    model = this.estimator(trick, data, this.automatic_rate(trick, data) / 4, 3)
    fit_quietly(model, *data.training)
    assert model.t_ == 3 * len(data.training[0])


def test_an_automatic_rate_does_not_go_back_because_one_epoch_is_not_enough():
    """With weights ten times too large or a hundred times too small the estimator tries smaller ones."""
    data = parts(data=ebp.datasets.load_digits()).normalized("standard")
    this = plan(hidden=(30,))
    model = this.estimator(BY_NAME["weights x 10"], data, "auto", 1)
    fit_quietly(model, *data.training)
    usual = this.automatic_rate(FULL, data)
    assert model.eta_ < usual / 10
    for name in ("weights x 0.01", "weights x 10", "sorted by target"):
        assert this.automatic_rate(BY_NAME[name], data) == usual


def test_errors_are_shares_of_wrong_answers():
    data = parts().normalized("standard")
    found = plan(max_iter=3).train(FULL, data, 2e-3)
    model = plan(max_iter=3).estimator(FULL, data, 2e-3, 3).fit(*data.training)
    for error, (X, y) in ((found.curve[-1], data.validation), (found.test_error, data.test)):
        assert error == np.mean(model.predict(X) != y)
    assert found.curve[0] == pytest.approx(1 - max(np.bincount(data.validation[1])) / 22, abs=0.05)
    assert len(found.curve) == 4
    assert not found.failed


def test_errors_of_values_are_what_r2_lacks():
    data = parts(classify=False, data=waves()).normalized("standard")
    this = plan("regression", 5)
    found = this.train(FULL, data, 2e-3)
    model = this.estimator(FULL, data, 2e-3, 5).fit(*data.training)
    assert found.test_error == pytest.approx(1 - r2_score(data.test[1], model.predict(data.test[0])))
    assert found.curve[0] == 1


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_training_that_diverges_is_a_result(task):
    data = parts(classify=task == "classification").normalized(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = plan(task, 4).train(FULL, data, 1e30)
    assert found.failed
    assert found.curve.shape == (5,)
    assert 0 <= found.curve[-1] <= 1


def test_an_interrupt_ends_the_ablation():
    class Interrupted:
        def fit(self, X, y):
            warnings.warn("[MLPClassifier] stopped half-way", InterruptedTraining, stacklevel=1)

    with pytest.raises(KeyboardInterrupt):
        fit_quietly(Interrupted(), *IRIS)


def test_a_warning_is_no_interrupt_for_its_words():
    class Talkative:
        def fit(self, X, y):
            warnings.warn("a callback was interrupted", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="a callback was interrupted"):
        fit_quietly(Talkative(), *IRIS)


# ---- the search for the best rate ----------------------------------------------------------------------


@dataclass
class Valley:
    """A plan whose errors are least at a rate of `best`, and do not depend on the data."""

    best: float

    def normalize(self, trick):
        return None

    def automatic_rate(self, trick, data):
        return 10.0

    def train(self, trick, data, rate):
        error = abs(math.log2(rate / self.best)) / 100
        return Training(np.array([1.0, error]), error, False)


def searched(best, factors=(0.5, 1, 2)):
    (found,) = Search(Valley(best), parts, [0, 1], factors, None, False).run([FULL])
    return found


@pytest.mark.parametrize(
    ("best", "factor", "n_tried"), [(10, 1, 3), (80, 8, 6), (0.7, 1 / 16, 7), (20, 2, 4), (15, 2, 4)]
)
def test_the_grid_grows_until_the_best_rate_is_inside(best, factor, n_tried):
    found = searched(best)
    assert (found.best, len(found.factors), found.at_edge) == (factor, n_tried, False)
    assert all(len(trainings) == 2 for trainings in found.by_factor.values())


def test_a_grid_without_an_end_is_left_at_its_edge():
    found = searched(1e30)
    assert found.at_edge
    assert len(found.factors) == 3 + EXTENSIONS
    assert found.best == 2 * 2**EXTENSIONS
    assert not searched(1e30, [1.0]).at_edge  # one rate is no grid


def test_of_equal_errors_the_earlier_one_is_best():
    found = searched(10)
    late, early = Training(np.array([1, 0.9, 0]), 0.0, False), Training(np.array([1, 0.1, 0]), 0.0, False)
    found.by_factor = {1.0: [late], 2.0: [early], 4.0: [late]}
    assert found.best == 2


# ---- statistics ----------------------------------------------------------------------------------------


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(size=7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = Interval.of(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx(values.mean())
    assert math.isnan(Interval.of([1.0]).half_width)


@pytest.mark.parametrize(
    ("level", "epochs"), [(1.0, 0), (0.9, 0.5), (0.8, 1), (0.5, 2.75), (0.4, 3), (0.39, math.inf)]
)
def test_epochs_to_a_level(level, epochs):
    assert epochs_to(np.array([1, 0.8, 0.8, 0.4]), level) == pytest.approx(epochs)
