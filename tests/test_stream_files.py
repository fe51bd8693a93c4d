"""Parquet and CSV files as streams: the values that were written, every row once, in pieces of any size."""

from __future__ import annotations

import builtins
import sys
from decimal import Decimal

import ebp
import numpy as np
import pandas as pd
import pytest
from ebp.streams import CSV, Parquet, _files

pa = pytest.importorskip("pyarrow", reason="the extra streams is not installed")
csv = pytest.importorskip("pyarrow.csv")
parquet = pytest.importorskip("pyarrow.parquet")


def table(n=1000, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "a": rng.normal(size=n),
            "label": np.where(np.arange(n) % 3 == 0, "x", "other"),
            "b": np.arange(n),
            "c": rng.random(n) < 0.5,
            "weight": rng.uniform(0.5, 2, n),
        }
    )


def write(kind, path, rows):
    if kind is Parquet:
        parquet.write_table(rows, path, row_group_size=150)
    else:
        csv.write_csv(rows, path)
    return path


def together(stream, rng=None):
    chunks = [chunk for _, chunk in stream._numbered(rng)]
    parts = list(zip(*chunks, strict=True))
    return [None if part[0] is None else np.concatenate(part) for part in parts]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(_files, "TEXT_BYTES", 700)


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_values_labels_and_weights(kind, tmp_path):
    rows = table()
    stream = kind(write(kind, tmp_path / "t", rows), "label", features=["b", "a"], sample_weight="weight")
    assert stream.feature_names == ["b", "a"]
    X, y, weights = together(stream)
    np.testing.assert_allclose(X, np.column_stack([rows["b"], rows["a"]]), rtol=1e-15)
    assert y.dtype.kind == "U"
    assert y.tolist() == rows["label"].to_pylist()
    np.testing.assert_allclose(weights, rows["weight"], rtol=1e-15)
    X, y, weights = together(stream, np.random.default_rng(0))
    assert (np.diff(X[:, 0]) != 1).any()
    np.testing.assert_array_equal(np.sort(X[:, 0]), np.arange(1000))
    np.testing.assert_array_equal(y == "x", X[:, 0] % 3 == 0)


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_all_other_columns_are_features(kind, tmp_path):
    rows = table().drop_columns(["label"])
    if kind is CSV:
        rows = rows.set_column(2, "c", rows["c"].cast("int8"))
    stream = kind(write(kind, tmp_path / "t", rows), ["a", "weight"])
    X, y, weights = together(stream)
    assert stream.features == ["b", "c"]
    np.testing.assert_array_equal(X, np.column_stack([rows["b"], rows["c"]]))
    np.testing.assert_allclose(y, np.column_stack([rows["a"], rows["weight"]]), rtol=1e-15)
    assert weights is None


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_several_files(kind, tmp_path):
    rows = table()
    paths = [write(kind, tmp_path / f"part{i}", rows.slice(i * 400, 400)) for i in range(3)]
    for given in (paths, str(tmp_path / "part*")):
        X, _, _ = together(kind(given, "label", features=["b"]))
        np.testing.assert_array_equal(X[:, 0], np.arange(1000))


def test_parquet_knows_its_length_and_reads_chunks_of_row_groups(tmp_path):
    stream = Parquet(write(Parquet, tmp_path / "t", table()), "label", chunk_size=100)
    assert stream.n_samples == 1000
    assert [len(y) for _, y, _ in stream] == [*(6 * [100, 50]), 100]


@pytest.mark.parametrize("size", [1, 13, 14, 15, 50, 10_000])
@pytest.mark.parametrize("end", ["\n", "", "\r\n", "\n\n"])
def test_every_line_once_wherever_a_file_is_cut(size, end, tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "TEXT_BYTES", size)
    line = "\r\n" if end == "\r\n" else "\n"
    path = tmp_path / "t.csv"
    lines = ["a,b", *(f"{i},{'x' * (i % 5 + 1)}" for i in range(40))]
    path.write_bytes((line.join(lines) + end).encode())
    X, y, _ = together(CSV(path, "b"))
    np.testing.assert_array_equal(X[:, 0], np.arange(40))
    assert [len(name) for name in y] == [i % 5 + 1 for i in range(40)]


def test_files_without_names_and_with_other_delimiters(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("".join(f"{i};{i / 2};{i % 2}\n" for i in range(200)))
    stream = CSV(path, "y", delimiter=";", column_names=["a", "b", "y"])
    X, y, _ = together(stream)
    np.testing.assert_array_equal(X, np.column_stack([np.arange(200), np.arange(200) / 2]))
    np.testing.assert_array_equal(y, np.arange(200) % 2)


def test_numbers_that_look_whole_at_first(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "1,1\n" * 300 + "2.5,0.5\n" * 300)
    X, y, _ = together(CSV(path, "y"))
    assert (X[:, 0].tolist(), y.tolist()) == ([1] * 300 + [2.5] * 300, [1] * 300 + [0.5] * 300)


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_missing_values(kind, tmp_path):
    rows = pa.table({"a": [1.0, None], "y": [0, 1]})
    X, _, _ = together(kind(write(kind, tmp_path / "t", rows), "y"))
    np.testing.assert_array_equal(X[:, 0], [1, np.nan])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        ebp.MLPClassifier().fit(kind(tmp_path / "t", "y"))
    rows = pa.table({"a": [1.0, 2.0, 3.0], "y": ["u", None, "v"]})
    with pytest.raises(ValueError, match=r"targets and weights must not be missing; got 1 missing .* 'y'"):
        together(kind(write(kind, tmp_path / "t", rows), "y"))


def test_categories_and_dates(tmp_path):
    rows = pa.table({"a": [1.0, 2.0], "y": pa.array(["u", "v"]).dictionary_encode()})
    path = write(Parquet, tmp_path / "t", rows)
    assert together(Parquet(path, "y"))[1].tolist() == ["u", "v"]
    with pytest.raises(ValueError, match=r"\[Parquet\] features must be columns of numbers.*'y': 'dict"):
        Parquet(path, "a")


def test_numbers_of_all_types_go_together(tmp_path):
    columns = {
        "nothing": pa.nulls(2),
        "half": pa.array(np.array([0.5, 2], np.float16)),
        "decimal": pa.array([Decimal("1.25"), None]),
        "whole": pa.array([3, 2**40]),
        "unsigned": pa.array([0, 255], "uint8"),
        "double": pa.array([0.1, 0.2]),
        "truth": pa.array([True, False]),
    }
    path = write(
        Parquet, tmp_path / "t", pa.table({**columns, "y": pa.array([Decimal("0.5"), Decimal("2")])})
    )
    X, y, weights = together(Parquet(path, "y", sample_weight="half"))
    expected = [[np.nan, 1.25, 3, 0, 0.1, 1], [np.nan, np.nan, 2**40, 255, 0.2, 0]]
    np.testing.assert_array_equal(X, expected)
    for values, numbers in ((y, [0.5, 2]), (weights, [0.5, 2])):
        assert values.dtype.kind == "f"
        assert values.tolist() == numbers
    for name in ("nothing", "half", "decimal", "truth"):  # alone, too, with nothing to be converted to
        X, _, _ = together(Parquet(path, "y", features=[name]))
        assert X.dtype.kind in "fu"
        np.testing.assert_array_equal(X[:, 0], np.array(columns[name].to_pylist(), float))
    assert together(Parquet(path, "truth", features=["half"]))[1].tolist() == [True, False]
    with pytest.raises(ValueError, match=r"must not be missing; got 2 missing in a chunk of 'nothing'"):
        together(Parquet(path, "nothing", features=["half"]))


def test_an_index_of_pandas_is_no_feature(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": [4, 6, 5], "y": [0, 1, 0]})
    for number, (rows, index) in enumerate(
        [(frame.iloc[[2, 0, 1]], "__index_level_0__"), (frame.set_index("b"), "b"), (frame, None)]
    ):
        path = tmp_path / str(number)
        rows.to_parquet(path)
        stream = Parquet(path, "y")
        assert stream.features == [name for name in ("a", "b") if name != index]
        if index is not None:
            assert Parquet(path, "y", features=["a", index]).features == ["a", index]
            assert Parquet(path, index).features == [name for name in ("a", "b", "y") if name != index]


def test_truth_values_in_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "true,1,0\nfalse,2,1\n,3,1\n" * 100)
    X, y, _ = together(CSV(path, "y"))
    np.testing.assert_array_equal(X, np.array([[1, 1], [0, 2], [np.nan, 3]] * 100))
    np.testing.assert_array_equal(y, [0, 1, 1] * 100)


@pytest.mark.parametrize("start", ["\n", "\n\n\n", "\r\n"])
def test_empty_lines_before_the_names_of_columns(start, tmp_path):
    path = tmp_path / "t.csv"
    line = "\r\n" if "\r" in start else "\n"
    path.write_bytes((start + line.join(["a,y", "", "1,2", "", "3,4"])).encode())
    X, y, _ = together(CSV(path, "y"))
    assert (X.tolist(), y.tolist()) == ([[1], [3]], [2, 4])


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_a_file_of_the_very_name_is_no_pattern(kind, tmp_path):
    rows = pa.table({"a": [1.0], "y": [0]})
    for name, value in (("run[1]", 1.0), ("run1", 2.0)):
        write(kind, tmp_path / name, rows.set_column(0, "a", pa.array([value])))
    assert together(kind(str(tmp_path / "run[1]"), "y"))[0].tolist() == [[1]]
    (tmp_path / "run[1]").unlink()
    assert together(kind(str(tmp_path / "run[1]"), "y"))[0].tolist() == [[2]]
    with pytest.raises(ValueError, match="path must be of files that are there"):
        kind(tmp_path / "run[1]", "y")


@pytest.mark.parametrize("kind", [Parquet, CSV])
@pytest.mark.parametrize(
    ("second", "text"),
    [
        ({"b": [1.0], "y": [1]}, r"must be columns of every file.*second has b, y; got \['a'\]"),
        ({"a": ["u"], "y": [1]}, r"features must be columns of numbers.*got \{'a': 'string'\} in .*second"),
        ({"a": [1.0], "y": ["u"]}, "same kind in every file; got 'y' of text in .*second, after numbers"),
        (
            {"a": [1.0], "y": [1], "w": ["u"]},
            r"sample_weight must be columns of numbers; got \{'w': 'string'",
        ),
    ],
)
def test_every_file_is_checked(kind, second, text, tmp_path):
    first = write(kind, tmp_path / "first", pa.table({"a": [1.0, 2], "y": [0, 1], "w": [1, 2]}))
    other = write(kind, tmp_path / "second", pa.table(second))
    weights = "w" if "w" in second else None
    with pytest.raises(ValueError, match=rf"\[{kind.__name__}\] .*{text}"):
        kind([first, other], "y", features=["a"], sample_weight=weights)


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_files_of_other_types_and_orders_of_columns(kind, tmp_path):
    parts = [
        {"a": pa.array([1, 2]), "y": pa.array(["u", "v"])},
        {"y": pa.array(["v", "w"]).dictionary_encode(), "a": pa.array([0.5, None])},
        {"a": pa.nulls(1), "more": pa.array([0]), "y": pa.array(["u"], pa.large_string())},
    ]
    if kind is CSV:
        parts[1]["y"] = parts[1]["y"].cast("string")
    X, y, _ = together(
        kind([write(kind, tmp_path / str(i), pa.table(part)) for i, part in enumerate(parts)], "y")
    )
    np.testing.assert_array_equal(X[:, 0], [1, 2, 0.5, np.nan, np.nan])
    assert y.tolist() == ["u", "v", "v", "w", "u"]


def test_text_further_on_in_a_column_of_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "FIRST_BYTES", 100)
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "1,0\n" * 300 + "many,1\n")
    with pytest.raises(
        ValueError, match=r"\[CSV\] every line must .* numbers.*t\.csv: .*invalid value 'many'"
    ):
        together(CSV(path, "y"))
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match=r"\[CSV\] every line must have all columns.*empty\.csv: Empty CSV"):
        CSV(tmp_path / "empty.csv", "y")


@pytest.mark.parametrize("kind", [Parquet, CSV])
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"features": ["a", "label"]}, ValueError, r"features must be other columns .* got \['label'\]"),
        (
            {"features": ["b", "weight"], "sample_weight": "weight"},
            ValueError,
            r"features must be other columns .* got \['weight'\]",
        ),
        ({"features": ["b", "b"]}, ValueError, r"each named once; got \['b'\]"),
        ({"target": 2}, TypeError, "target must be a name or a sequence of names of columns; got 2"),
        ({"target": []}, TypeError, r"target must be a name or a sequence .* got \[\]"),
        ({"target": ["a", 2]}, TypeError, r"target must be a name or .* got \['a', 2\]"),
        ({"features": "a"}, TypeError, "features must be a sequence of names of columns; got 'a'"),
        ({"features": [1]}, TypeError, r"features must be a sequence of names of columns; got \[1\]"),
        ({"sample_weight": 3}, TypeError, "sample_weight must be the name of a column, or None; got 3"),
        ({"sample_weight": ["w"]}, TypeError, r"sample_weight must be the name .* got \['w'\]"),
    ],
)
def test_names_that_are_none_or_repeated(kind, options, error, text, tmp_path):
    path = write(kind, tmp_path / "t", table())
    with pytest.raises(error, match=rf"\[{kind.__name__}\] {text}" if error is TypeError else text):
        kind(path, **{"target": "label", **options})


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_misuse(kind, tmp_path):
    path, name = write(kind, tmp_path / "t", table()), kind.__name__
    for options in (
        {"target": "z"},
        {"target": "a", "features": ["z"]},
        {"target": "a", "sample_weight": "z"},
    ):
        with pytest.raises(ValueError, match=rf"\[{name}\] target, features and .* a, label, b.*got \['z'\]"):
            kind(path, **options)
    with pytest.raises(
        ValueError, match=rf"\[{name}\] features must be columns of numbers.*'label': 'string'"
    ):
        kind(path, "a")
    for missing in (tmp_path / "none", str(tmp_path / "none*"), []):
        with pytest.raises(ValueError, match=rf"\[{name}\] path must be of files that are there; got"):
            kind(missing, "a")


def test_compressed_text_is_refused(tmp_path):
    import gzip

    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n1,2\n"))
    with pytest.raises(ValueError, match=r"\[CSV\] path must be of text files, not compressed ones"):
        CSV(path, "y")


@pytest.mark.parametrize("kind", [Parquet, CSV])
def test_without_pyarrow_the_message_says_how_to_get_it(kind, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("importlib.import_module", lambda name, *args: without(name))
    with pytest.raises(ImportError, match=r"pip install 'efficient-backprop\[streams\]'"):
        kind("t", "y")


@pytest.mark.parametrize("content", [b"", b"hello", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_file(tmp_path, content):
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\[Parquet\] path must be of Parquet files; got .*t.parquet: "):
        Parquet(path, "label")
