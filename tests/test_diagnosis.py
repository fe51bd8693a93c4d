"""`ebp.diagnose`: what it measures, what it advises, how it prints and how it fails."""

import json
import warnings

import ebp
import numpy as np
import pytest
from ebp import _measurements
from ebp.layers import Conv2D, Dense
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning


def gaussians(scale=1.0, mean=0.0, n=300):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 2)) * [1, scale] + [0, mean]
    return X, (X[:, 0] + 0.2 * rng.standard_normal(n) > 0).astype(int)


def step(report, name):
    (one,) = [one for one in report["advice"] if one["step"] == name]
    return one


def linear(**options):
    return ebp.MLPRegressor((), normalize=None, targets=(-1, 1), dtype="float64", random_state=0, **options)


# ---- inputs ------------------------------------------------------------------------------------------------


def test_conditioning_of_the_raw_and_of_the_normalised_inputs():
    X, y = gaussians(scale=10, mean=30)
    report = ebp.diagnose(X, y, estimator=ebp.MLPClassifier(normalize="standard", random_state=0))
    covariance = np.cov(X.T, bias=True)
    rows = np.column_stack([X, np.ones(len(X))])
    raw, normalised = report["inputs"]["raw"], report["inputs"]["normalised"]
    assert raw["condition_covariance"] == pytest.approx(np.linalg.cond(covariance))
    assert raw["condition_with_bias"] == pytest.approx(np.linalg.cond(rows.T @ rows / len(X)))
    assert raw["lambda_max_with_bias"] == pytest.approx(np.linalg.eigvalsh(rows.T @ rows / len(X))[-1])
    assert raw["largest_mean_over_std"] == pytest.approx(np.abs(X.mean(0) / X.std(0)).max())
    correlation = np.corrcoef(X.T)[0, 1]
    assert normalised["condition_covariance"] == pytest.approx(
        (1 + abs(correlation)) / (1 - abs(correlation))
    )
    assert report["inputs"]["normalizer"] == "standard"


def test_constant_and_dependent_columns_are_counted_not_fatal():
    X, y = gaussians()
    X = np.column_stack([X, np.full(len(X), 7.0), 1e6 * (X[:, 0] - 2 * X[:, 1])])
    report = ebp.diagnose(X, y, estimator=ebp.MLPClassifier((3,), random_state=0))
    assert report["inputs"]["n_constant"] == 1
    assert report["inputs"]["n_dependent"] == 1
    assert report["inputs"]["normalised"]["n_zero_covariance"] == 1
    assert not step(report, "columns")["ok"]
    assert "1 linear combinations" in step(report, "columns")["text"]
    assert "1 constant columns are left out" in str(report)


@pytest.mark.parametrize(
    ("normalize", "ok", "text"), [("standard", True, "set to 0"), (None, False, "biases")]
)
def test_constant_columns_matter_to_raw_inputs_only(normalize, ok, text):
    X, y = gaussians()
    X = np.column_stack([X, np.full(len(X), 7.0)])
    report = ebp.diagnose(X, y, estimator=ebp.MLPClassifier((3,), normalize=normalize, random_state=0))
    assert step(report, "columns")["ok"] == ok
    assert text in step(report, "columns")["text"]


def test_decorrelation_brings_the_condition_number_to_1():
    X, y = gaussians()
    X[:, 1] = X[:, 0] + 0.01 * X[:, 1]
    before = ebp.diagnose(X, y)
    assert not step(before, "decorrelate")["ok"]
    after = ebp.diagnose(X, y, estimator=ebp.MLPClassifier(normalize="decorrelate", random_state=0))
    assert step(after, "decorrelate")["ok"]
    assert after["inputs"]["normalised"]["condition_covariance"] == pytest.approx(1, abs=1e-6)


def test_a_part_of_the_rows_says_so(monkeypatch):
    X, y = gaussians()
    X = np.column_stack([X, np.arange(300) == 7])  # constant in all rows but one
    monkeypatch.setattr(_measurements, "COST", 100 * 3**2)
    report = ebp.diagnose(X, y, estimator=ebp.MLPClassifier((3,), normalize="standard", random_state=0))
    assert (report["inputs"]["n_rows"], report["data"]["n_samples"]) == (100, 300)
    assert report["inputs"]["n_constant"] == 0
    assert "measured on 100 samples" in str(report)


# ---- Hessian -----------------------------------------------------------------------------------------------


def test_rates_and_time_constants_of_a_linear_unit_follow_from_its_inputs():
    X, _ = gaussians(scale=0.1, mean=0.5)
    y = X @ [1.0, 2.0]
    report = ebp.diagnose(X, y, estimator=linear())
    rows = np.column_stack([X, np.ones(len(X))])
    values = np.linalg.eigvalsh(rows.T @ rows / len(X))
    hessian = report["hessian"]
    assert hessian["lambda_max"] == pytest.approx(values[-1])
    assert hessian["lambda_min"] == pytest.approx(values[0])
    assert hessian["eta_opt"] == pytest.approx(1 / values[-1])
    assert hessian["eta_max"] == pytest.approx(2 / values[-1])
    assert hessian["time_constants"]["slowest"] == pytest.approx(values[-1] / values[0])
    assert hessian["time_constants"]["median"] == pytest.approx(values[-1] / values[1])
    assert (hessian["n_negative"], hessian["n_zero"]) == (0, 0)


def test_the_predicted_limit_is_where_batch_learning_diverges():
    """Just below 2/λ_max the loss of a linear unit falls, just above it grows."""
    X, _ = gaussians(scale=0.1, mean=0.5)
    y = X @ [1.0, 2.0] + 1
    model = linear(max_iter=1).fit(X, y)
    eta_max = ebp.diagnose(X, y, estimator=model)["hessian"]["eta_max"]
    T = model._code(y, None)
    for factor, converges in ((0.98, True), (1.02, False)):
        net = model.network_.copy()
        net.parameters[:] = [3, 3, 3]
        for _ in range(300):
            net.parameters[:] -= factor * eta_max * net.gradient(X, T)
        assert (net.loss(X, T) < 1) == converges


def test_large_networks_have_their_largest_eigenvalues_only(monkeypatch):
    X, y = gaussians()
    model = ebp.MLPClassifier((10,), max_iter=1, random_state=0).fit(X, y)
    every = ebp.diagnose(X, y, estimator=model)
    monkeypatch.setattr(_measurements, "EXACT_PARAMETERS", 10)
    some = ebp.diagnose(X, y, estimator=model)
    assert some["hessian"]["lambda_max"] == pytest.approx(every["hessian"]["lambda_max"], rel=1e-6)
    assert some["hessian"]["n_eigenvalues"] == 20
    assert some["hessian"]["lambda_min"] is None
    assert some["hessian"]["time_constants"]["slowest"] is None
    assert "by Lanczos" in str(some)
    assert "no smaller ones known" in str(some)
    assert every["hessian"]["n_negative"] > 0
    assert json.loads(json.dumps(some.to_dict(), allow_nan=False)) == some.to_dict()


def test_the_samples_of_the_hessian_are_drawn_by_the_seed():
    X, y = gaussians(n=700)
    one, two, other = (
        ebp.diagnose(
            X, y, max_samples=50, estimator=ebp.MLPClassifier((3,), random_state=0), random_state=seed
        )
        for seed in (1, 1, 2)
    )
    assert one == two
    assert one["hessian"]["n_samples"] == 50
    assert one["hessian"]["lambda_max"] != other["hessian"]["lambda_max"]


# ---- layers ------------------------------------------------------------------------------------------------


def test_mean_curvature_and_its_spread():
    X, y = gaussians()
    model = ebp.MLPClassifier((4,), random_state=0, max_iter=1).fit(X, y)
    report = ebp.diagnose(X, y, estimator=model)
    Z = model.normalizer_.transform(X)
    T = np.where(y == 1, 1.0, -1.0)
    h = ebp.curvature.hessian_diagonal(model.network_._in_double(), Z, T)
    means = [h[:12].mean(), h[12:].mean()]
    assert [layer["mean_curvature"] for layer in report["layers"]] == pytest.approx(means, rel=1e-5)
    assert report["curvature_spread"] == pytest.approx(max(means) / min(means), rel=1e-5)


# ---- which estimator ---------------------------------------------------------------------------------------


def test_the_type_of_the_targets_chooses_the_estimator():
    X, y = gaussians()
    report = ebp.diagnose(X, y)
    assert (report["task"], report["data"]["n_classes"], report["fitted"]) == ("classification", 2, False)
    report = ebp.diagnose(X, np.array(["b", "a"])[y])
    assert report["task"] == "classification"
    report = ebp.diagnose(X, X[:, 0])
    assert (report["task"], report["data"]["n_classes"]) == ("regression", None)
    assert ebp.diagnose(X, X)["task"] == "regression"
    assert ebp.diagnose(X, np.arange(300))["task"] == "regression"
    assert ebp.diagnose(X, np.arange(300) % 5)["task"] == "classification"


def test_a_table_with_names():
    pandas = pytest.importorskip("pandas")
    X, y = gaussians()
    frame = pandas.DataFrame(X, columns=["a", "b"])
    model = ebp.MLPClassifier((3,), max_iter=5, random_state=0).fit(frame, pandas.Series(y))
    assert ebp.diagnose(frame, pandas.Series(y), estimator=model)["hessian"]["lambda_max"] > 0
    with pytest.raises(ValueError, match=r"feature names"):
        ebp.diagnose(frame.rename(columns={"a": "c"}), y, estimator=model)


def test_an_estimator_that_is_not_fitted_is_looked_at_as_fit_would_start_it():
    X, y = gaussians(mean=5)
    model = ebp.MLPClassifier((4,), random_state=3, early_stopping=True)
    report = ebp.diagnose(X, y, estimator=model)
    assert not hasattr(model, "network_")
    for rate in (1e-30, 1e-2):
        model.set_params(early_stopping=False, max_iter=1, solver="sgd", learning_rate_init=rate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch does not reach far
            fitted = ebp.diagnose(X, y, estimator=clone(model).fit(X, y))
        assert (report["layers"] == fitted["layers"]) == (rate == 1e-30)  # which no weight feels


def test_a_fitted_estimator_stays_as_it_is():
    X, y = gaussians()
    model = ebp.MLPClassifier((4,), random_state=0, max_iter=3).fit(X, y)
    before = model.network_.parameters.copy()
    report = ebp.diagnose(X, y, estimator=model)
    assert report["fitted"]
    assert "as fitted" in report["estimator"]
    np.testing.assert_array_equal(model.network_.parameters, before)


def test_images_for_a_network_estimator():
    X, y = ebp.datasets.load_digits()
    images = X[:200].reshape(-1, 1, 8, 8)
    model = ebp.NetworkClassifier([Conv2D(2, 3), Dense(5)], random_state=0)
    report = ebp.diagnose(images, y[:200], estimator=model)
    assert report["data"]["n_features"] == 64
    assert [layer["layer"][:8] for layer in report["layers"]] == ["0 Conv2D", "1 Dense ", "2 Dense "]


# ---- advice ------------------------------------------------------------------------------------------------


def test_all_is_well_with_a_large_shuffled_classification():
    X, y = gaussians(n=1000)
    report = ebp.diagnose(X, y)
    assert [one["step"] for one in report["advice"] if not one["ok"]] == []
    names = "shuffle columns centre scale decorrelate sigmoid targets weights rates method"
    assert [one["step"] for one in report["advice"]] == names.split()


@pytest.mark.parametrize(
    ("data", "options", "name", "text"),
    [
        ({}, {"sampling": "sequential"}, "shuffle", "sampling='auto'"),
        ({"mean": 50}, {"normalize": None}, "centre", "normalize='standard'"),
        ({"scale": 100}, {"normalize": "center"}, "scale", "normalize='standard'"),
        ({}, {"activation": "logistic"}, "sigmoid", "positive means"),
        ({}, {"targets": (-1.7, 1.7)}, "targets", "targets='auto'"),
        ({"scale": 100}, {"normalize": "center"}, "weights", "flat in"),
        (
            {"scale": 0.01},
            {"normalize": None, "weight_init": "lenet"},
            "decorrelate",
            "normalize='decorrelate'",
        ),
        ({}, {"solver": "sgd", "learning_rate_init": 100.0}, "rates", "beyond 2/lambda_max"),
        ({}, {}, "method", "only 300 samples"),
    ],
)
def test_every_step_has_something_to_say(data, options, name, text):
    X, y = gaussians(**data)
    y = np.sort(y)
    good = ebp.diagnose(*gaussians(n=1000), estimator=ebp.MLPClassifier((5,), random_state=0))
    assert step(good, name)["ok"]
    report = ebp.diagnose(X, y, estimator=ebp.MLPClassifier((5,), random_state=0, **options))
    found = step(report, name)
    assert not found["ok"]
    assert text in found["text"]
    assert f"! {name}" in str(report)


def test_curvature_spread_asks_sgd_for_rates_per_weight():
    X, y = gaussians()
    init = np.concatenate([np.full(12, 0.3), np.full(5, 0.01)])
    for solver, ok in (("sgd", False), ("sdlm", True)):
        model = ebp.MLPClassifier((4,), solver=solver, weight_init=init)
        report = ebp.diagnose(X, y, estimator=model)
        assert report["curvature_spread"] > 10
        assert step(report, "rates")["ok"] == ok


def test_one_scale_for_all_suits_columns_that_share_a_unit():
    digits, labels = ebp.datasets.load_digits()
    X, y = gaussians(scale=100)
    for data, target, ok in ((digits, labels, True), (X, y, False)):
        report = ebp.diagnose(
            data, target, estimator=ebp.MLPClassifier((3,), normalize="global", random_state=0)
        )
        assert report["inputs"]["normalised"]["std_ratio"] > 50
        assert step(report, "scale")["ok"] == ok


def test_regression_is_sent_to_batch_methods():
    X, _ = gaussians(n=1000)
    small = ebp.MLPRegressor((10,), random_state=0)
    text = step(ebp.diagnose(X, X[:, 0], estimator=small), "method")["text"]
    assert "regression" in text
    assert "Levenberg-Marquardt" in text
    assert step(ebp.diagnose(X, X[:, 0], estimator=small.set_params(solver="auto")), "method")["ok"]
    wide = ebp.MLPRegressor((500,), random_state=0)
    assert "conjugate gradient" in step(ebp.diagnose(X, X[:, 0], estimator=wide), "method")["text"]


# ---- the report --------------------------------------------------------------------------------------------


def test_the_report_prints_and_is_json():
    X, y = load_iris(return_X_y=True)
    report = ebp.diagnose(X, y)
    text = str(report)
    assert repr(report) == text
    for part in ("150 samples, 4 columns, 3 classes", "lambda_max", "eta_opt", "saturated", "recipe", "10 "):
        assert part in text
    assert max(map(len, text.splitlines())) <= 110
    again = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert again == dict(report)
    report.to_dict()["data"]["n_samples"] = 0
    assert report["data"]["n_samples"] == 150
    assert len(report) == len(list(report))


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda X, y: (X[:, 0], y),
            "X must be real numbers of shape (n_samples, n_features); got float64 (300,)",
        ),
        (lambda X, y: (X[:10], y), "same number of samples, at least 2; got shapes (10, 2) and (300,)"),
        (lambda X, y: (X[:1], y[:1]), "at least 2"),
        (lambda X, y: (X, 3), "same number of samples"),
        (lambda X, y: (np.where(X[7] == X, np.nan, X), y), "X must be finite; got NaN or infinity in row 7"),
        (lambda X, y: (np.full_like(X, 3), y), "X must have a column that varies"),
        (lambda X, y: (X[:, :0], y), "got shapes (300, 0)"),
        (lambda X, y: (X, np.full(300, np.nan)), "y must be finite"),
        (lambda X, y: ([["a", "b"]] * 300, y), "X must be real numbers"),
        (lambda X, y: ([[1], [1, 2]], y[:2]), "X must be a rectangular array; got list"),
        (
            lambda X, y: (X, 2 * np.eye(300, dtype=int) + np.eye(300, k=1, dtype=int)),
            "y must be labels or values, one a sample",
        ),
    ],
)
def test_wrong_data(change, message):
    with pytest.raises(ValueError, match=r"^\[diagnose\] ") as caught:
        ebp.diagnose(*change(*gaussians()))
    assert message in str(caught.value)


def test_wrong_options():
    from sklearn.svm import SVC

    X, y = gaussians()
    with pytest.raises(TypeError, match=r"^\[diagnose\] estimator must be .* of ebp; got SVC"):
        ebp.diagnose(X, y, estimator=SVC())
    with pytest.raises(ValueError, match=r"^\[diagnose\] max_samples must be an integer >= 2; got 1"):
        ebp.diagnose(X, y, max_samples=1)
    with pytest.raises(ValueError, match=r"must be at least 2; got 1 class"):
        ebp.diagnose(X, np.zeros(300, int), estimator=ebp.MLPClassifier())
