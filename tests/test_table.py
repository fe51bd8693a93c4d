"""Tables: reading CSV files, finding out what columns are, and coding them the same way twice."""

import numpy as np
import pytest
from ebp.table import MAX_CATEGORIES, Table, TableReader, labels, numbers, read_csv, task_of


def write(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(tmp_path, delimiter):
    text = "\n".join(delimiter.join(row) for row in [["a", "b", "y"], ["1.5", "x", "0"], ["2", "z", "1"]])
    table = read_csv(write(tmp_path, text))
    assert table.columns == ["a", "b", "y"]
    assert table.rows == [["1.5", "x", "0"], ["2", "z", "1"]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("y\n1\n2\n", [["1"], ["2"]]),
        ("a,y\r\n 1 ,2\r\n\r\n3,4\r\n", [["1", "2"], ["3", "4"]]),
        ('a,y\n"one, two",1\n"say ""hi""",2\n', [["one, two", "1"], ['say "hi"', "2"]]),
        ('a,y\n"two\nlines",1\n', [["two\nlines", "1"]]),
        ("a;y\n1,5;2,5\n3,5;4,5\n", [["1,5", "2,5"], ["3,5", "4,5"]]),
    ],
)
def test_shapes_of_csv(tmp_path, text, rows):
    assert read_csv(write(tmp_path, text)).rows == rows


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert read_csv(write(tmp_path, "größe,y\n1,2\n", encoding="utf-8-sig")).columns == ["größe", "y"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,y\n", "no rows"),
        (b"a,,y\n1,2,3\n", "column 2 has no name"),
        (b"a,a,y\n1,2,3\n", "'a' occurs twice"),
        (b"a,y\n1,2\n1,2,3\n", "line 3: 3 values where the header has 2"),
        (b"a,y\n1,2\n\n1\n", "line 4: 1 values where the header has 2"),
        (b"a,y\n\xff\xfe,2\n", "not a text file in UTF-8"),
        (b'a,y\n"1,2\n', "not a readable CSV file"),
    ],
)
def test_unusable_files_are_named(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_csv(path)
    assert "bad.csv" in str(caught.value)


TABLE = Table(
    "t.csv",
    ["size", "colour", "id", "y"],
    [["1.5", "red", "a", "no"], ["-2e3", "blue", "b", "yes"], ["7", "red", "c", "no"]],
    [2, 3, 4],
)


def test_coding_of_columns():
    reader = TableReader("y", drop=["id"]).fit(TABLE)
    assert reader.categories_ == {"size": None, "colour": ["blue", "red"]}
    assert reader.feature_names_ == ["size", "colour=blue", "colour=red"]
    expected = [[1.5, 0, 1], [-2000, 1, 0], [7, 0, 1]]
    np.testing.assert_array_equal(reader.transform(TABLE), expected)


def test_coding_survives_a_round_trip_and_the_order_of_columns():
    reader = TableReader.from_dict(TableReader("y", drop=["id"]).fit(TABLE).to_dict())
    later = Table("u.csv", ["extra", "colour", "size"], [["9", "green", "3"], ["9", "blue", "4"]], [2, 3])
    np.testing.assert_array_equal(reader.transform(later), [[3, 0, 0], [4, 1, 0]])


@pytest.mark.parametrize("data", [{}, {"target": "y", "drop": [], "columns": [["a"]]}, {"target": "y"}])
def test_coding_that_makes_no_sense(data):
    with pytest.raises(ValueError, match="no column coding"):
        TableReader.from_dict(data)


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        (["size"], [["1"]], "lacks the columns 'colour'"),
        (["size", "colour"], [["", "red"]], r"line 9 \(row 1\), column 'size': the value is missing"),
        (["size", "colour"], [["NaN", "red"]], "column 'size': the value is missing"),
        (["size", "colour"], [["1", ""]], "column 'colour': the value is missing"),
        (["size", "colour"], [["big", "red"]], "column 'size': 'big' is not a finite number"),
        (["size", "colour"], [["-inf", "red"]], "column 'size': '-inf' is not a finite number"),
    ],
)
def test_rows_that_cannot_be_coded(columns, rows, message):
    reader = TableReader("y", drop=["id"]).fit(TABLE)
    with pytest.raises(ValueError, match=message):
        reader.transform(Table("later.csv", columns, rows, [9]))


def test_a_missing_number_does_not_make_a_column_text():
    table = Table("t.csv", ["a", "y"], [["1", "0"], ["NA", "1"]], [2, 3])
    with pytest.raises(ValueError, match=r"line 3 \(row 2\), column 'a': the value is missing \('NA'\)"):
        TableReader("y").fit(table).transform(table)


@pytest.mark.parametrize(
    ("target", "drop", "message"), [("z", (), "no column 'z'"), ("y", ["z"], "no column 'z'")]
)
def test_unknown_columns(target, drop, message):
    with pytest.raises(ValueError, match=message):
        TableReader(target, drop=drop).fit(TABLE)


def test_no_input_column_left():
    with pytest.raises(ValueError, match="no column to predict 'y' from"):
        TableReader("y", drop=["size", "colour", "id"]).fit(TABLE)


def test_text_columns_with_too_many_categories():
    rows = [[f"name {k}", "1"] for k in range(MAX_CATEGORIES + 1)]
    table = Table("t.csv", ["name", "y"], rows, list(range(len(rows))))
    with pytest.raises(ValueError, match="leave it out with --drop"):
        TableReader("y").fit(table)


@pytest.mark.parametrize(
    ("texts", "task"),
    [
        (["a", "b"], "classification"),
        (["0", "1"], "classification"),
        ([str(k) for k in range(20)], "classification"),
        ([str(k) for k in range(21)], "regression"),
        ([str(k % 21) for k in range(420)], "classification"),
        ([str(k % 21) for k in range(419)], "regression"),
        ([str(90_000 + 250 * k) for k in range(400)], "regression"),
        ([str(k % 1000) for k in range(30_000)], "classification"),
        ([str(k % 1001) for k in range(30_000)], "regression"),
        ([f"{k}.5" for k in range(10)], "classification"),
        ([f"{k}.5" for k in range(11)], "regression"),
        ([f"{k % 11}.5" for k in range(10_000)], "regression"),
        ([f"{k}.0" for k in range(50)] + ["0.5"], "regression"),
        ([f"{k}.5" for k in range(21)] + ["NA"], "regression"),
        ([f"{k}.5" for k in range(21)] + ["many"], "classification"),
    ],
)
def test_kind_of_task(texts, task):
    assert task_of(texts) == task


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["3", "-1", "3"], np.array([3, -1, 3])),
        (["01", "1"], np.array(["01", "1"])),
        (["1.0", "2.5"], np.array(["1.0", "2.5"])),
        (["yes", "no"], np.array(["yes", "no"])),
    ],
)
def test_labels_come_back_as_written(texts, expected):
    found = labels(Table("t.csv", ["y"], [[text] for text in texts], [2, 3, 4][: len(texts)]), "y")
    np.testing.assert_array_equal(found, expected)
    assert found.dtype.kind == expected.dtype.kind


@pytest.mark.parametrize("function", [labels, numbers])
def test_missing_targets(function):
    table = Table("t.csv", ["y"], [["1"], [""]], [2, 3])
    with pytest.raises(ValueError, match=r"t.csv, line 3 \(row 2\), column 'y': the value is missing"):
        function(table, "y")
