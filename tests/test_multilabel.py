"""Indicator matrices: samples with any number of labels each, learnt by one network with an output each."""

from __future__ import annotations

import pickle

import ebp
import numpy as np
import pytest
import reference
import reference_grid
from ebp._presentation import Orders
from ebp.layers import Conv2D, Dense, MaxPool2D
from multilabel_data import LOSSES, TARGETS, digit_labels, fitted, parameters, table
from reference_online import train_sdlm, train_sgd
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# one epoch whose course can be written down
PLAIN = {"normalize": None, "sampling": "sequential", "learning_rate": "constant", "dtype": "float64"}
PLAIN |= {"learning_rate_init": 0.001, "max_iter": 1}


# ---- what is learnt ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "sdlm"])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_epoch_against_the_oracle(loss, solver, rng):
    X, Y = table(60)
    low, high = TARGETS[loss]
    oracle = reference.MLP(8, [(5, "scaled_tanh", 0.0, True), (4, LOSSES[loss], 0.0, True)], loss)
    if loss == "hinge":
        oracle.loss_function = reference_grid.Loss(loss)
    theta = 0.3 * rng.standard_normal(oracle.n_parameters)
    model = fitted(X, Y, hidden_layer_sizes=(5,), loss=loss, solver=solver, weight_init=theta, **PLAIN)
    train = train_sgd if solver == "sgd" else train_sdlm
    trained = train(oracle, theta, X, low + (high - low) * Y, rate=0.001)
    np.testing.assert_allclose(parameters(model), trained.theta, rtol=1e-8, atol=1e-10)
    assert model.loss_ == pytest.approx(trained.losses.mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_without_hidden_units_labels_are_learnt_apart(loss):
    X, Y = table(80)
    options = {"hidden_layer_sizes": (), "loss": loss, "solver": "sgd", **PLAIN}
    together = fitted(X, Y, weight_init=np.zeros(4 * 9), **options)
    for label in range(4):
        apart = fitted(X, Y[:, label], weight_init=np.zeros(9), **options)
        np.testing.assert_allclose(together.coefs_[0][:, label], apart.coefs_[0][:, 0], rtol=1e-9)
        proba = together.predict_proba(X)[:, label]
        np.testing.assert_allclose(proba, apart.predict_proba(X)[:, 1], rtol=1e-8)
        np.testing.assert_array_equal(together.predict(X)[:, label], apart.predict(X))
        np.testing.assert_allclose(together.decision_function(X)[:, label], apart.decision_function(X))


def test_as_good_as_scikit_learn():
    """On counts of words as they are made up, and on real images with labels that depend on each other."""
    scores = {"ebp": [], "scikit-learn": []}
    tables = [
        make_multilabel_classification(400, 20, n_classes=6, length=20, random_state=s) for s in range(2)
    ]
    for X, Y in [*tables, digit_labels()]:
        X, X_test, Y, Y_test = X[::2], X[1::2], Y[::2], Y[1::2]
        peer = make_pipeline(StandardScaler(), MLPClassifier(max_iter=40, random_state=0))
        with pytest.warns(UserWarning, match="Maximum iterations"):
            peer.fit(X, Y)
        for name, model in (("ebp", ebp.MLPClassifier(random_state=0).fit(X, Y)), ("scikit-learn", peer)):
            scores[name].append(f1_score(Y_test, model.predict(X_test), average="micro"))
    assert np.mean(scores["ebp"]) > np.mean(scores["scikit-learn"]) - 0.01, scores
    assert scores["ebp"][-1] > 0.95, scores


def test_images_with_shared_weights():
    X, Y = digit_labels()
    images = X.reshape(-1, 1, 8, 8)
    for layers in ([Conv2D(6, 3), MaxPool2D(2), Dense(20)], [Conv2D(6, 3), Dense(4, "tanh")]):
        model = ebp.NetworkClassifier(layers, max_iter=6, random_state=0).fit(images[::2], Y[::2])
        assert model.network_.output_shapes[-1] == (4,)
        assert f1_score(Y[1::2], model.predict(images[1::2]), average="micro") > 0.9
    assert (model.out_activation_, len(model.network_.layers)) == ("tanh", 2)  # the output layer given
    assert model._targets == pytest.approx((-(3**-0.5), 3**-0.5))


@pytest.mark.parametrize("solver", ["gd", "lbfgs", "lm"])
def test_batch_solvers(solver):
    X, Y = table()
    model = fitted(X, Y, solver=solver, max_iter=30)
    assert f1_score(Y, model.predict(X), average="micro") > 0.75


# ---- what comes out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_and_their_meaning(loss):
    X, Y = table()
    model = fitted(X, Y, loss=loss)
    predicted, decisions, proba = model.predict(X), model.decision_function(X), model.predict_proba(X)
    assert predicted.shape == decisions.shape == proba.shape == Y.shape
    assert predicted.dtype == Y.dtype
    np.testing.assert_array_equal(model.classes_, [0, 1, 2, 3])
    np.testing.assert_array_equal(predicted, decisions > 0)
    np.testing.assert_array_equal(proba > 0.5, decisions > 0)
    order = decisions.argsort(axis=0)
    assert (np.diff(np.take_along_axis(proba, order, axis=0), axis=0) >= 0).all()
    assert model.score(X, Y) == pytest.approx((predicted == Y).all(axis=1).mean())
    assert (model.multilabel_, fitted(X, Y[:, 0]).multilabel_) == (True, False)
    assert (model.n_outputs_, model.network_.loss_function) == (4, loss)
    low, high = TARGETS[loss]
    np.testing.assert_allclose(decisions, model._outputs(X) - (0 if low == 0 else (low + high) / 2))


def test_probabilities_by_hand():
    X, Y = table()
    outputs = fitted(X, Y, loss="binary_cross_entropy").decision_function(X).astype(float)
    model = fitted(X, Y, loss="binary_cross_entropy")
    np.testing.assert_allclose(model.predict_proba(X), 1 / (1 + np.exp(-outputs)), rtol=1e-6)
    model = fitted(X, Y, targets=(-0.5, 1))
    u = (model.decision_function(X).astype(float) + 0.25 + 0.5) / 1.5
    yes, no = np.log1p(np.exp(10 * u)), np.log1p(np.exp(10 * (1 - u)))
    np.testing.assert_allclose(model.predict_proba(X), yes / (yes + no), rtol=1e-5)


def test_far_outputs_have_probabilities():
    far = np.array([[-1e4, -300.0, 0.0, 300.0, 1e4]])
    for loss in LOSSES:
        proba = ebp._targets.label_probabilities(far, loss, -1, 1)[0]
        assert np.isfinite(proba).all()
        np.testing.assert_allclose(proba, [0, 0, 0.5, 1, 1], atol=1e-12)


# ---- weights, orders, held-out samples --------------------------------------------------------------------


def test_integer_weights_equal_repeated_rows(rng):
    X, Y = table(60)
    weights = np.arange(60) % 4
    order = rng.permutation(weights.sum())
    repeated = fitted(X.repeat(weights, axis=0)[order], Y.repeat(weights, axis=0)[order])
    weighted = ebp.MLPClassifier((6,), max_iter=3, random_state=0).fit(X, Y, sample_weight=weights)
    np.testing.assert_array_equal(parameters(weighted), parameters(repeated))


def test_interleaving_parts_equal_sets_of_labels():
    X, Y = table(200)
    model = ebp.MLPClassifier(sampling="interleave", random_state=0)
    model._check_options()
    model._rng = np.random.default_rng(0)
    data, _ = model._prepare(X, Y, None, warm=False)
    sets = np.array(["".join(map(str, row)) for row in Y])

    def share_of_neighbours(method):
        order = Orders(data, method, np.random.default_rng(1)).draw()
        assert sorted(order) == list(range(200))
        return np.mean(sets[order][1:] == sets[order][:-1])

    assert np.unique(sets, return_counts=True)[1].max() < 100
    assert share_of_neighbours("interleave") == 0
    assert share_of_neighbours("shuffle") > 0.05


@pytest.mark.parametrize("sampling", ["interleave", "emphasize", "sequential", ebp.sampling.Emphasize()])
def test_orders_train(sampling):
    X, Y = table()
    model = fitted(X, Y, sampling=sampling, max_iter=10)
    assert f1_score(Y, model.predict(X), average="micro") > 0.75
    assert not np.array_equal(parameters(model), parameters(fitted(X, Y, max_iter=10)))


def test_early_stopping_watches_the_share_of_samples_with_all_labels_right():
    X, Y = table()
    model = fitted(X, Y, early_stopping=True, max_iter=8)
    assert len(model.validation_scores_) == model.n_iter_
    hits = 30 * np.array(model.validation_scores_)
    np.testing.assert_allclose(hits, hits.round(), atol=1e-9)  # of the 30 held out
    outputs, weights = model._outputs(X), np.arange(300.0)
    right = ((outputs > 0) == Y).all(axis=1)
    assert model._score_outputs(outputs, Y, weights) == pytest.approx(np.average(right, weights=weights))
    training, rows = ebp._presentation.hold_out(
        None, ebp._targets.label_sets(Y), 300, 0.1, np.random.default_rng(0)
    )
    assert (len(rows), training.sum()) == (30, 270)
    sets, numbers = np.unique(Y, axis=0), ebp._targets.label_sets(Y)
    np.testing.assert_array_equal(sets[numbers], Y)


# ---- going on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "sdlm"])
def test_partial_fit_calls_equal_epochs_of_fit(solver):
    X, Y = table()
    options = {**PLAIN, "solver": solver, "sampling": "interleave", "random_state": 3, "tol": 0.0}
    whole = fitted(X, Y, **{**options, "max_iter": 3})
    calls = ebp.MLPClassifier((6,), **options)
    for kind in (np.asarray, sparse.csr_array, np.asarray):
        calls.partial_fit(X, kind(Y), classes=np.arange(4))
    np.testing.assert_array_equal(parameters(calls), parameters(whole))


def test_partial_fit_sample_by_sample():
    X, Y = table(400)
    model = ebp.MLPClassifier((6,), random_state=0)
    for x, labels in zip(X, Y, strict=True):
        model.partial_fit(x[None], labels[None], classes=range(4))
    assert (model.multilabel_, model.t_) == (True, 400)
    assert f1_score(Y, model.predict(X), average="micro") > 0.7


def test_classes_of_partial_fit():
    X, Y = table(40)
    model = ebp.MLPClassifier((3,), random_state=0)
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        model.partial_fit(X, Y)
    for wrong in (range(3), range(1, 5), ["a", "b", "c", "d"]):
        with pytest.raises(ValueError, match="classes must be 0 to 3 for an indicator matrix of 4 labels"):
            model.partial_fit(X, Y, classes=wrong)
    assert not hasattr(model, "network_")
    model.partial_fit(X, Y, classes=range(4))
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        model.partial_fit(X, Y, classes=range(5))


def test_another_kind_of_y_is_refused_later():
    X, Y = table(40)
    several = fitted(X, Y, warm_start=True)
    one = fitted(X, Y[:, 0], warm_start=True)
    for model, y, kind in (
        (several, Y[:, 0], "an indicator matrix of 4 labels"),
        (several, Y[:, :3], "an indicator matrix of 4 labels"),
        (one, Y, "one label a sample"),
    ):
        before = parameters(model).copy()
        for method in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match=f"y must be {kind}, as in the first call; got shape"):
                method(X, y)
        np.testing.assert_array_equal(parameters(model), before)
    assert fitted(X, Y, warm_start=False).fit(X, Y[:, 0]).n_outputs_ == 1  # a new network takes any


def test_warm_start_copies_pickles_and_files(tmp_path):
    X, Y = table(100)
    model = fitted(X, Y, warm_start=True)
    first = model.loss_
    model.fit(X, Y)
    assert (model.t_, model.loss_ < first) == (600, True)
    model.save(tmp_path / "model.safetensors")
    for other in (pickle.loads(pickle.dumps(model)), ebp.load(tmp_path / "model.safetensors")):
        assert other.multilabel_ is True
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        other.partial_fit(X, Y)
    assert not hasattr(clone(model), "multilabel_")


# ---- scikit-learn -----------------------------------------------------------------------------------------


def test_searches_and_scores():
    X, Y = table()
    model = ebp.MLPClassifier((6,), max_iter=3, random_state=0)
    scores = {
        name: cross_val_score(model, X, Y, cv=3, scoring=name)
        for name in ("accuracy", "f1_macro", "roc_auc", "average_precision")
    }
    assert np.isfinite(list(scores.values())).all()
    assert scores["roc_auc"].min() > 0.7
    np.testing.assert_array_equal(scores["accuracy"], cross_val_score(model, X, Y.astype(bool), cv=3))
    model.fit(X, Y)
    assert roc_auc_score(Y, model.predict_proba(X)) > 0.7
    search = GridSearchCV(model, {"loss": ["hinge", "binary_cross_entropy"]}, cv=2, scoring="f1_micro")
    assert search.fit(X, Y).predict(X).shape == Y.shape


@pytest.mark.parametrize("wrapper", [ClassifierChain, MultiOutputClassifier, OneVsRestClassifier])
def test_meta_estimators(wrapper):
    X, Y = table()
    model = wrapper(ebp.MLPClassifier((6,), max_iter=5, random_state=0)).fit(X, Y)
    assert f1_score(Y, model.predict(X), average="micro") > 0.7


def test_diagnose():
    X, Y = table(100)
    for y in (Y, sparse.csr_array(Y)):
        report = ebp.diagnose(X, y)
        assert (report["data"]["n_labels"], report["data"]["n_classes"]) == (4, None)
        same = (Y[1:] == Y[:-1]).all(axis=1).mean()
        assert report["data"]["same_class_neighbours"] == pytest.approx(same)
        assert "8 columns, 4 labels" in str(report)
    assert ebp.diagnose(X, Y, estimator=fitted(X, Y))["fitted"]
