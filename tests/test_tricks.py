"""The ablation of the tricks: its table, its trainings, its search for rates, its result."""

import json
import math
import sys
import warnings
from dataclasses import dataclass

import ebp
import numpy as np
import pytest
from ebp._tricks_table import CLASSIFICATION, RECIPE, RECIPES, TRICKS, Trick, parameters, recipe, suitable
from ebp._tricks_training import EXTENSIONS, Plan, Search, Training, fit_quietly, split
from ebp.tricks import Interval, ablation, epochs_to
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
            warnings.warn("[MLPClassifier] training was interrupted; it is usable", stacklevel=1)

    with pytest.raises(KeyboardInterrupt):
        fit_quietly(Interrupted(), *IRIS)


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


# ---- the whole -----------------------------------------------------------------------------------------

NAMES = ["batch learning", "sorted by target", "weights x 10"]


@pytest.fixture(scope="module")
def found():
    digits = [part[:600] for part in ebp.datasets.load_digits()]
    return ablation(*digits, tricks=NAMES, seeds=3, rates=(0.5, 1, 2), max_iter=4, hidden_layer_sizes=20)


def test_rows_of_an_ablation(found):
    assert [row.name for row in found] == [RECIPE, *NAMES]
    assert (found.task, found.recipe["normalize"]) == ("classification", "decorrelate")
    assert (found.n_training, found.n_validation, found.n_test) == (360, 90, 150)
    first, batch = found.rows[0], found["batch learning"]
    assert (batch.verdict, first.verdict) == ("worse", "same")
    assert batch.difference.mean > 0.05
    assert batch.presentations > 3 * first.presentations
    assert batch.difference.mean == pytest.approx(np.mean(batch.test_errors - first.test_errors))
    assert first.validation_errors[first.factor] == min(first.validation_errors.values())
    assert first.validation_curve[-1] == first.validation_errors[first.factor]
    assert found.level == pytest.approx(max(1.25 * first.validation_curve[-1], 1 / 90))
    assert first.rate / first.factor == pytest.approx(found["sorted by target"].rate / found[NAMES[1]].factor)
    with pytest.raises(KeyError, match="the rows are 'full recipe'"):
        found["momentum"]


def test_the_table(found):
    lines = str(found).splitlines()
    assert len({len(line) for line in lines[:6]}) == 1
    row = [cell.strip() for cell in lines[3].strip("|").split("|")]
    batch = found["batch learning"]
    assert row[:2] == ["batch learning", "4.1"]
    assert row[2] == f"{100 * batch.error.mean:.2f} ± {100 * batch.error.half_width:.2f}"
    assert row[4] == "worse"
    assert "4 epochs, 1,440 presentations in every row" in lines[7]


def test_the_numbers_as_json(found):
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    row = values["rows"][1]
    assert (row["name"], row["changes"]["solver"], row["verdict"]) == ("batch learning", "gd", "worse")
    assert row["difference"]["low"] == pytest.approx(found.rows[1].difference.low)
    assert len(row["test_errors"]) == 3
    assert values["n_seeds"] == 3


def test_the_picture(found):
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    figure = found.plot(axes)
    assert figure is axes[0].figure
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [row.name for row in found]
    means = [bars.lines[0].get_xdata()[0] for bars in axes[0].containers]
    assert means == pytest.approx([100 * row.error.mean for row in found])


def test_no_picture_without_matplotlib(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="efficient-backprop\\[plot\\]"):
        found.plot()


def test_processes_and_seeds_do_not_change_the_numbers():
    options = {"tricks": ["relu"], "rates": (1.0,), "max_iter": 2, "hidden_layer_sizes": 4}
    one = ablation(*IRIS, seeds=2, random_state=5, n_jobs=2, **options).to_dict()
    assert one == ablation(*IRIS, seeds=2, random_state=np.random.default_rng(5), **options).to_dict()
    assert one != ablation(*IRIS, seeds=[1, 2], **options).to_dict()


def test_a_row_that_fails_is_marked():
    options = {"seeds": [0, 1], "rates": (1e30,), "max_iter": 2, "hidden_layer_sizes": 4}
    found = ablation(*IRIS, tricks=[], **options)
    assert found.rows[0].n_failed == 2
    assert "*" in str(found).splitlines()[2]
    assert "*: some seed diverged" in str(found)


def test_values_and_a_test_part_of_their_own():
    X, y = waves(300)
    options = {"seeds": 1, "rates": (1.0,), "max_iter": 5, "hidden_layer_sizes": 4}
    found = ablation(X, y, test=waves(50, 1), tricks=["raw inputs"], **options)
    assert (found.task, found.n_training, found.n_test) == ("regression", 240, 50)
    assert found.rows[0].error.mean < found["raw inputs"].error.mean <= 1
    assert found.rows[1].verdict == ""


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"tricks": ["flying"]}, ValueError, "tricks must be one of 'batch learning', .*; got 'flying'"),
        ({"tricks": "relu"}, TypeError, "tricks must be a sequence of names; got the text 'relu'"),
        ({"seeds": 0}, ValueError, "seeds must be an integer >= 1 or a sequence of seeds; got 0"),
        ({"seeds": [0, -1]}, ValueError, "seeds must be an integer in .*; got -1"),
        ({"rates": ()}, TypeError, "rates must be a sequence of at least one number; got"),
        ({"rates": (1, 0)}, ValueError, "rates must be a number > 0; got 0"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1; got 0"),
        ({"hidden_layer_sizes": -3}, ValueError, "hidden_layer_sizes must be a positive integer"),
        ({"test_fraction": 1.0}, ValueError, "test_fraction must be a number in \\(0, 1\\); got 1.0"),
        ({"validation_fraction": 0}, ValueError, "validation_fraction must be a number in \\(0, 1\\); got 0"),
        ({"task": "ranking"}, ValueError, "task must be one of 'auto', .*; got 'ranking'"),
        ({"test": IRIS[0]}, TypeError, "test must be a pair \\(X, y\\); got ndarray"),
        ({"test": (IRIS[0][:, :3], IRIS[1])}, ValueError, "test must have the columns of X and y"),
    ],
)
def test_misuse(options, error, text):
    with pytest.raises(error, match=f"\\[ablation\\] {text}"):
        ablation(*IRIS, **options)


def test_one_class_is_nothing_to_learn():
    with pytest.raises(ValueError, match=r"\[ablation\] y must be 1-D and have at least 2 classes; got"):
        ablation(IRIS[0], np.zeros(150, int), task="classification")
