"""Starting points of Gaussian radial units: cluster centres and widths, found again without k-means."""

import ebp
import numpy as np
import pytest
from ebp import _rbf
from ebp.layers import Dense, GaussianRBF
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

TYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
PLACES = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [-6.0, 1.0], [5.0, -7.0]])


def blobs(places=PLACES, n=40, std=0.05):
    """Samples (places * n, i) close around the places, shuffled, and the place of each."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat(np.arange(len(places)), n))
    return places[labels] + std * rng.standard_normal((len(labels), places.shape[1])), labels


def means(X, labels):
    return np.array([X[labels == label].mean(axis=0) for label in np.unique(labels)])


def widths_of(centres):
    """Mean distance to the two nearest others, by loops."""
    widths = []
    for k, centre in enumerate(centres):
        others = sorted(float(np.sum((centre - c) ** 2)) ** 0.5 for m, c in enumerate(centres) if m != k)
        widths.append(sum(others[:2]) / len(others[:2]))
    return np.array(widths)


def radial(network, number):
    """Centres and widths of a layer, in the order of the centres' coordinates."""
    parts = {name: network.parameters[place].reshape(s) for name, place, s in network.parameter_slices}
    centres, widths = parts[f"{number}.centres"], parts[f"{number}.widths"]
    order = np.lexsort(centres.T)
    return centres[order], widths[order]


def check(network, number, expected, rtol):
    """Centres as expected, in any order, and the widths that go with them."""
    centres, widths = radial(network, number)
    expected = expected[np.lexsort(expected.T)]
    np.testing.assert_allclose(centres, expected, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(widths, widths_of(expected), rtol=rtol)


@TYPES
def test_centres_are_the_means_of_the_blobs(dtype):
    X, labels = blobs()
    network = ebp.Network([GaussianRBF(5), Dense(1)], 2, dtype=dtype, random_state=0)
    above = network.parameters[-6:].copy()
    network.initialize_rbf(X, random_state=0)
    check(network, 0, means(X, labels), 1e-12 if dtype == "float64" else 1e-6)
    np.testing.assert_array_equal(network.parameters[-6:], above)


@TYPES
def test_a_layer_in_the_middle_sees_the_activations_below(dtype):
    X, labels = blobs()
    network = ebp.Network([Dense(3), GaussianRBF(5), Dense(2)], 2, dtype=dtype, random_state=0)
    below = network.parameters[:9].copy()
    network.initialize_rbf(X, random_state=0)
    hidden = 1.7159 * np.tanh(2 / 3 * (X @ below[:6].reshape(3, 2).T + below[6:]))
    check(network, 1, means(hidden, labels), 1e-10 if dtype == "float64" else 1e-5)
    np.testing.assert_array_equal(network.parameters[:9], below)


def test_lower_layers_come_first():
    X, labels = blobs()
    network = ebp.Network([GaussianRBF(5), GaussianRBF(5)], 2, dtype="float64", random_state=0)
    network.initialize_rbf(X, random_state=0)
    parts = {name: network.parameters[place].reshape(s) for name, place, s in network.parameter_slices}
    distances = np.sum((X[:, np.newaxis] - parts["0.centres"]) ** 2, axis=2)
    check(network, 1, means(np.exp(-distances / (2 * parts["0.widths"] ** 2)), labels), 1e-10)


def test_images_are_flattened():
    X, labels = blobs()
    images = X.reshape(-1, 1, 2, 1)
    network = ebp.Network([GaussianRBF(5)], (1, 2, 1), dtype="float64", random_state=0)
    network.initialize_rbf(images, random_state=0)
    check(network, 0, means(X, labels), 1e-12)
    layers = [ebp.layers.Subsample2D(1), GaussianRBF(5)]
    above = ebp.Network(layers, (1, 2, 1), dtype="float64", random_state=0)
    above.initialize_rbf(images, random_state=0)
    hidden = above.activations(images)[0].reshape(-1, 2)
    check(above, 1, means(hidden, labels), 1e-12)


def test_one_unit_is_as_wide_as_the_data():
    X, _ = blobs()
    network = ebp.Network([GaussianRBF(1), Dense(1)], 2, dtype="float64", random_state=0)
    network.initialize_rbf(X, random_state=0)
    centres, widths = radial(network, 0)
    np.testing.assert_allclose(centres, [X.mean(axis=0)], rtol=1e-12)
    np.testing.assert_allclose(
        widths, np.sqrt(np.mean(np.sum((X - X.mean(axis=0)) ** 2, axis=1))), rtol=1e-12
    )


def test_two_units_have_one_neighbour():
    X, labels = blobs(PLACES[3:])
    network = ebp.Network([GaussianRBF(2)], 2, dtype="float64", random_state=0)
    network.initialize_rbf(X, random_state=0)
    check(network, 0, means(X, labels), 1e-12)


@TYPES
def test_one_unit_on_equal_samples_can_be_trained(dtype):
    X = np.full((20, 3), 0.7)
    network = ebp.Network([GaussianRBF(1), Dense(1)], 3, dtype=dtype, random_state=0)
    network.initialize_rbf(X, random_state=0)
    np.testing.assert_allclose(radial(network, 0)[1], 3**0.5, rtol=1e-6)
    assert network.train_online(X, np.ones(20), ebp.rules.SDLM(0.01)).status == "ok"


def test_widths_of_close_centres_far_from_the_origin():
    places = 1e6 + 1e-3 * PLACES
    widths = _rbf.clusters(places[np.repeat(np.arange(5), 4)], 5, np.random.default_rng(0))[1]
    np.testing.assert_allclose(np.sort(widths), np.sort(widths_of(1e-3 * PLACES)), rtol=1e-6)


def test_centres_that_coincide_have_positive_widths():
    """Scales too different for k-means to tell the small ones apart; it says so."""
    inputs = np.concatenate([1e-9 * np.arange(1.0, 7), [1e6, 2e6]])[:, np.newaxis]
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        centres, widths = _rbf.clusters(inputs, 8, np.random.default_rng(0))
    assert len(np.unique(centres)) < 8
    assert np.isfinite(widths).all()
    assert (widths > 0).all()


# Too few samples, and bad ones.


@pytest.mark.parametrize(
    ("X", "n"),
    [
        (np.zeros((0, 2)), 0),
        (np.arange(8.0).reshape(4, 2), 4),
        (np.repeat(np.arange(8.0).reshape(4, 2), 50, axis=0), 4),
        (np.repeat(np.arange(8.0).reshape(4, 2), 2500, axis=0), 4),  # as many as are drawn
        (np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 1.0], [1.0, 2.0], [2.0, 2.0]]), 3),
    ],
    ids=["none", "few", "copies", "10000", "signed zeros"],
)
@pytest.mark.parametrize("below", [[], [Dense(2, "identity")]], ids=["first", "middle"])
def test_fewer_different_samples_than_units(X, n, below):
    network = ebp.Network([*below, GaussianRBF(5), Dense(1)], 2, random_state=0)
    before = network.parameters.copy()
    with pytest.raises(ValueError, match=rf"\[initialize_rbf\] .* different samples as units, 5; got {n}$"):
        network.initialize_rbf(X, random_state=0)
    np.testing.assert_array_equal(network.parameters, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_must_be_finite(bad):
    X, _ = blobs()
    X[7, 1] = bad
    network = ebp.Network([GaussianRBF(5), Dense(1)], 2, random_state=0)
    with pytest.raises(ValueError, match=r"\[initialize_rbf\] what radial units see must be finite"):
        network.initialize_rbf(X, random_state=0)


# Seeds, threads and many samples.


def test_a_seed_decides():
    X = np.random.default_rng(0).standard_normal((300, 4))
    network = ebp.Network([GaussianRBF(12), Dense(1)], 4, random_state=0)

    def start(random_state):
        network.initialize_rbf(X, random_state=random_state)
        return network.parameters.copy()

    first = start(3)
    np.testing.assert_array_equal(start(3), first)
    np.testing.assert_array_equal(start(np.random.default_rng(3)), first)
    assert not np.array_equal(start(4), first)


def test_the_number_of_threads_changes_no_bit():
    X = np.random.default_rng(0).standard_normal((3000, 5))
    results = []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, "openmp"):
            results.append(_rbf.clusters(X, 20, np.random.default_rng(0))[0])
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


def test_of_many_samples_some_are_drawn(monkeypatch):
    seen = []
    clusters = _rbf.clusters

    def spy(inputs, *rest):
        seen.append(inputs)
        return clusters(inputs, *rest)

    monkeypatch.setattr(_rbf, "clusters", spy)
    monkeypatch.setattr(_rbf, "SAMPLES", 50)
    X, _ = blobs()
    for units, n in ((5, 50), (60, 60), (200, 200)):
        ebp.Network([GaussianRBF(units)], 2, dtype="float64", random_state=0).initialize_rbf(
            X, random_state=0
        )
        rows = {row.tobytes() for row in seen[-1]}
        assert len(rows) == len(seen[-1]) == n  # each at most once
        assert rows <= {row.tobytes() for row in X}
    assert set(np.sign(seen[0][:, 0])) == {-1, 1}  # not only the first rows of one kind


def test_activations_come_in_batches(monkeypatch):
    X, _ = blobs()
    network = ebp.Network([Dense(3), GaussianRBF(5)], 2, random_state=0)
    whole = network.activations(X)[0]
    for batch in (7, 50, 199, 200, 201):
        monkeypatch.setattr(_rbf, "BATCH", batch)
        parts = _rbf.layer_inputs(network, 1, X.astype(np.float32))
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_networks_without_radial_units_stay():
    X, _ = blobs()
    network = ebp.Network([Dense(3), ebp.layers.EuclideanRBF(np.eye(3), trainable=True)], 2, random_state=0)
    before = network.parameters.copy()
    rng = np.random.default_rng(0)
    network.initialize_rbf(X, random_state=rng)
    np.testing.assert_array_equal(network.parameters, before)
    assert rng.random() == np.random.default_rng(0).random()  # nothing was drawn


def test_clusters_make_learning_faster():
    """The two spirals after 40 passes, SDLM measuring the growing curvature before each."""
    X, y = ebp.datasets.two_spirals()
    X = X / X.std()
    wrong = {}
    for clustered in (True, False):
        network = ebp.Network([GaussianRBF(100), Dense(1)], 2, random_state=0)
        if clustered:
            network.initialize_rbf(X, random_state=0)
        rule = ebp.rules.SDLM(0.002)
        for seed in range(40):
            network.train_online(X, y, rule, order=ebp.sampling.shuffle(len(X), seed))
        wrong[clustered] = np.mean(network.forward(X)[:, 0] * y <= 0)
    assert wrong[True] < 0.05
    assert wrong[False] > 0.3


@pytest.mark.parametrize("width", [0.0, 1e-25, -1e-25])
def test_vanishing_widths_poison_nothing(width):
    net = ebp.Network([GaussianRBF(2), ebp.layers.Dense(1)], 2, random_state=0)
    net.parameters[4:6] = width
    for rule in (ebp.rules.SGD(0.1), ebp.rules.SDLM(0.1)):
        assert np.isfinite(net.learn_one([0.1, 0.2], [1.0], rule))
        assert np.isfinite(net.learn_one(net.parameters[:2], [1.0], rule))  # at a centre
        net.train_online([[0.1, 0.2]], [[1.0]], rule)
        assert np.isfinite(net.parameters).all()
