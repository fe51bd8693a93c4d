"""`NetworkClassifier` and `NetworkRegressor`: their own part is the choice of layers."""

import pickle
import warnings

import ebp
import numpy as np
import pytest
from ebp.layers import AveragePool2D, Conv1D, Conv2D, Dense, EuclideanRBF, GaussianRBF, MaxPool2D, Subsample2D
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

CODES = np.sign(np.random.default_rng(0).standard_normal((10, 24)))


@pytest.fixture(scope="module")
def digits():
    X, y = ebp.datasets.load_digits()
    return X.reshape(-1, 1, 8, 8), y


ARCHITECTURES = {
    "conv-max": [Conv2D(8, 3), MaxPool2D(2), Dense(10)],
    "conv-subsample": [Conv2D(8, 3), Subsample2D(3), Dense(10)],
    "conv-average-table": [
        Conv2D(6, 3, padding="same"),
        AveragePool2D(2),
        Conv2D(8, 3, connections=np.eye(8, 6, dtype=bool) | np.eye(8, 6, k=-3, dtype=bool)),
        Dense(20),
    ],
    "wrap-stride": [Conv2D(8, 3, stride=2, padding="wrap"), Dense(20)],
    "rbf-codes": [Conv2D(6, 3), MaxPool2D(2), Dense(24), EuclideanRBF(CODES)],
    "rbf-trained-codes": [Dense(24), EuclideanRBF(CODES, trainable=True)],
    "gaussian": [Dense(16), GaussianRBF(120)],
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_digits_are_learnt_by_every_kind_of_layer(digits, name):
    X, y = digits
    model = ebp.NetworkClassifier(ARCHITECTURES[name], max_iter=15, random_state=0).fit(X[:1300], y[:1300])
    assert model.score(X[1300:], y[1300:]) > 0.88
    proba = model.predict_proba(X[1300:1400])
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (model.classes_[proba.argmax(axis=1)] == model.predict(X[1300:1400])).all()


def test_flat_rows_and_images_give_the_same_network(digits):
    X, y = digits
    layers = [Conv2D(4, 3), MaxPool2D(2)]
    images = ebp.NetworkClassifier(layers, max_iter=2, random_state=0).fit(X, y)
    flat = ebp.NetworkClassifier(layers, input_shape=(1, 8, 8), max_iter=2, random_state=0)
    flat.fit(X.reshape(len(X), 64), y)
    np.testing.assert_array_equal(flat.network_.parameters, images.network_.parameters)
    np.testing.assert_array_equal(flat.predict(X), images.predict(X.reshape(len(X), 64)))
    assert (flat.n_features_in_, images.n_features_in_) == (64, 64)
    assert images.network_.input_shape == (1, 8, 8)


def test_mlp_and_network_are_the_same_thing(digits):
    X, y = digits
    X = X.reshape(len(X), 64)
    mlp = ebp.MLPClassifier((12, 9), max_iter=3, random_state=3).fit(X, y)
    for layers in ([Dense(12), Dense(9)], (Dense(12), Dense(9), Dense(10))):
        network = ebp.NetworkClassifier(layers, max_iter=3, random_state=3).fit(X, y)
        np.testing.assert_array_equal(network.network_.parameters, mlp.network_.parameters)
    X, y = load_diabetes(return_X_y=True)
    mlp = ebp.MLPRegressor((7,), max_iter=3, random_state=3).fit(X, y)
    for layers in ([Dense(7)], [Dense(7), Dense(1, "identity")]):
        network = ebp.NetworkRegressor(layers, max_iter=3, random_state=3).fit(X, y)
        np.testing.assert_array_equal(network.network_.parameters, mlp.network_.parameters)


@pytest.mark.parametrize(
    ("layers", "loss", "outputs"),
    [
        ([Dense(6)], "auto", (6, 1)),
        ([Dense(6), Dense(1)], "auto", (6, 1)),
        ([Dense(6), Dense(2)], "auto", (6, 2)),
        ([Dense(6), Dense(2, "identity")], "cross_entropy", (6, 2)),
        ([Dense(6)], "cross_entropy", (6, 1)),
        ([Dense(6)], "hinge", (6, 1)),
        ([Dense(6), Dense(24), EuclideanRBF(CODES[:2])], "auto", (6, 24, 2)),
    ],
)
def test_two_classes(digits, layers, loss, outputs):
    X, y = digits[0].reshape(-1, 64), np.where(digits[1] < 5, "low", "high")
    model = ebp.NetworkClassifier(layers, loss=loss, max_iter=10, random_state=0).fit(X, y)
    assert tuple(shape[0] for shape in model.network_.output_shapes) == outputs
    decisions = model.decision_function(X)
    assert decisions.shape == (len(X),)
    assert (model.predict(X) == np.where(decisions > 0, "low", "high")).all()
    assert model.score(X, y) > 0.93
    proba = model.predict_proba(X)
    assert ((proba[:, 1] > 0.5) == (decisions > 0)).mean() > 0.999  # ties by rounding


def test_hinge_of_several_classes(digits):
    X, y = digits
    model = ebp.NetworkClassifier([Conv2D(4, 3), Dense(30)], loss="hinge", max_iter=10, random_state=0)
    assert model.fit(X[:1300], y[:1300]).score(X[1300:], y[1300:]) > 0.88
    assert model.out_activation_ == "identity"


@pytest.mark.parametrize("loss", ["absolute_error", "huber", ebp.losses.Huber(0.3)])
def test_robust_losses_withstand_outliers(loss):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 2))
    clean = 2 * X[:, 0] - X[:, 1]
    y = np.where(rng.random(600) < 0.1, 30.0, clean)
    errors = {}
    for name in ("squared_error", loss):
        model = ebp.MLPRegressor((), loss=name, max_iter=60, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            errors[name] = np.abs(model.fit(X, y).predict(X) - clean).mean()
    assert errors[loss] < 0.5 * errors["squared_error"]


def test_regression_on_images_and_sequences(digits):
    X, y = digits
    ink = X.reshape(len(X), -1).mean(axis=1)
    model = ebp.NetworkRegressor([Conv2D(3, 3), AveragePool2D(3)], max_iter=10, random_state=0).fit(X, ink)
    assert model.score(X, ink) > 0.95
    rows = X.reshape(-1, 64)
    delayed = ebp.NetworkRegressor([Conv1D(4, 5, stride=2)], input_shape=(1, 64), max_iter=10, random_state=0)
    assert delayed.fit(rows, np.column_stack([ink, y])).predict(rows).shape == (len(X), 2)
    assert delayed.network_.output_shapes == ((4, 30), (2,))


def test_gaussian_units_start_from_clusters():
    rng = np.random.default_rng(0)
    blobs = np.array([[-3, 0], [3, 0], [0, 4.0]])
    X = blobs[rng.integers(3, size=200)] + 0.1 * rng.standard_normal((200, 2))
    y = (X[:, 1] > 2).astype(int)
    layers = [GaussianRBF(3)]
    model = ebp.NetworkClassifier(
        layers, normalize=None, learning_rate_init=1e-12, max_iter=1, random_state=0
    )
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    centres = model.network_.parameters[:6].reshape(3, 2)
    distances = np.linalg.norm(centres[:, None] - blobs[None], axis=2)
    assert (distances.min(axis=1) < 0.1).all()
    assert sorted(distances.argmin(axis=1)) == [0, 1, 2]
    small = ebp.NetworkClassifier(layers, random_state=0).partial_fit(X[:2], y[:2], classes=[0, 1])
    assert np.isfinite(small.network_.parameters).all()  # fewer samples than units: random centres


def test_copies_pickles_files_and_streams(digits, tmp_path):
    X, y = digits
    loss = ebp.losses.MAP(j=3.0, curvature="constant")
    model = ebp.NetworkClassifier(ARCHITECTURES["rbf-codes"], loss=loss, max_iter=2, random_state=0)
    assert clone(model).get_params()["layers"] == model.layers
    model.fit(X, y)
    model.save(tmp_path / "model.safetensors")
    for other in (pickle.loads(pickle.dumps(model)), ebp.load(tmp_path / "model.safetensors")):
        assert other.layers == model.layers
        assert other.loss == loss
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        other.partial_fit(X[:20], y[:20])
    chunks = ebp.NetworkClassifier([Conv2D(4, 3), MaxPool2D(2)], random_state=0)
    for start in range(0, 1500, 300):
        chunks.partial_fit(X[start : start + 300], y[start : start + 300], classes=np.arange(10))
    assert chunks.score(X[1500:], y[1500:]) > 0.7


def test_inside_pipelines_and_searches(digits):
    X, y = digits
    scaled = make_pipeline(FunctionTransformer(np.sqrt), ebp.NetworkClassifier([Conv2D(4, 3), MaxPool2D(2)]))
    search = GridSearchCV(scaled, {"networkclassifier__layers": [[Conv2D(2, 3)], [Dense(5)]]}, cv=2)
    search.set_params(estimator__networkclassifier__max_iter=2, estimator__networkclassifier__random_state=0)
    search.fit(X[:300], y[:300])
    assert search.best_params_["networkclassifier__layers"] in ([Conv2D(2, 3)], [Dense(5)])


def test_layers_cannot_change_while_training_goes_on(digits):
    X, y = digits
    model = ebp.NetworkClassifier([Conv2D(2, 3)], warm_start=True, max_iter=1, random_state=0).fit(X, y)
    model.set_params(layers=[Conv2D(2, 3)]).fit(X, y)  # equal layers are the same layers
    with pytest.raises(ValueError, match="layers must stay"):
        model.set_params(layers=[Conv2D(3, 3)]).fit(X, y)


@pytest.mark.parametrize(
    ("options", "flat", "message"),
    [
        ({"layers": [Conv2D(4, 3)]}, True, "input_shape must be given for flat rows, since Conv2D takes"),
        ({"layers": [Conv2D(4, 3)], "input_shape": (1, 8, 9)}, True, "as many values as a sample of X, 64"),
        (
            {"layers": [Conv2D(4, 3)], "input_shape": (8, 8)},
            True,
            r"one channel is \(1, 8, 8\)",
        ),
        ({"layers": [Conv2D(4, 3)], "input_shape": 64}, True, r"\(channels, height, width\); got \(64,\)"),
        (
            {"layers": [Conv2D(4, 3), MaxPool2D(4)]},
            False,
            r"must divide .* -> 0 Conv2D \(4, 6, 6\)",
        ),
        ({"layers": [Conv2D(4, 9)]}, False, r"kernel_size must fit into the image; got \(9, 9\)"),
        ({"layers": [Dense(24), EuclideanRBF(CODES[:7])]}, False, "one for each class or value, 10; got 7"),
        (
            {"layers": [Dense(24), EuclideanRBF(CODES)], "loss": "hinge"},
            False,
            "loss must be 'auto', 'map' or",
        ),
        ({"layers": [Dense(24)], "loss": "map"}, False, "loss must be 'auto', 'map' or"),
        (
            {"layers": [Dense(24), EuclideanRBF(CODES)], "out_activation": "tanh"},
            False,
            "out_activation must be 'auto' where the output layer, EuclideanRBF, has none; got 'tanh'",
        ),
        (
            {"layers": [Dense(24), EuclideanRBF(CODES)], "targets": (-1, 1)},
            False,
            r"targets must be .* \(0, 1\)",
        ),
        ({"layers": [Dense(10)], "loss": "cross_entropy"}, False, "must have the activation 'identity'"),
        ({"layers": [Conv2D(4, 3)], "normalize": "decorrelate"}, False, "must keep the number of inputs"),
        ({"layers": [20]}, False, "layers must be a sequence of ebp.layers objects; got"),
        ({"layers": Dense(20)}, False, "layers must be a sequence of ebp.layers objects; got"),
        (
            {"layers": map(Conv2D, [3], [3])},
            False,
            "layers must be a sequence of ebp.layers objects; got <map",
        ),
        ({"layers": "lenet5"}, False, "layers must be a sequence of ebp.layers objects; got 'lenet5'"),
        ({"layers": [], "loss": "map loss"}, False, "loss must be one of 'auto'.*'map'; got 'map loss'"),
    ],
)
def test_what_does_not_fit_is_named(digits, options, flat, message):
    X, y = digits
    with pytest.raises(ValueError, match=message):
        ebp.NetworkClassifier(**options).fit(X.reshape(len(X), 64) if flat else X, y)


def test_no_samples_are_refused(digits):
    X, y = digits
    with pytest.raises(ValueError, match="0 sample"):
        ebp.NetworkClassifier([Conv2D(2, 3)]).fit(X[:0], y[:0])


@pytest.mark.parametrize("rows", [np.repeat(np.eye(3), 20, axis=0), np.eye(3)])
def test_too_few_different_samples_leave_gaussian_units_random(rows):
    model = ebp.NetworkClassifier([GaussianRBF(5)], max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, rows.argmax(axis=1))
    assert np.isfinite(model.network_.parameters).all()


def test_samples_of_another_shape_are_refused(digits):
    X, y = digits
    model = ebp.NetworkClassifier([Conv2D(2, 3)], max_iter=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"the shape \(1, 8, 8\), as .*; got \(1, 7, 8\)"):
        model.predict(X[:, :, :7])
    with pytest.raises(ValueError, match=r"the shape \(3, 8, 6\), as .*; got \(8, 6, 3\)"):
        ebp.NetworkClassifier([Conv2D(2, 3)], input_shape=(3, 8, 6)).fit(np.zeros((10, 8, 6, 3)), y[:10])
    with pytest.raises(ValueError, match="X has 60 features"):
        model.predict(X.reshape(-1, 64)[:, :60])
