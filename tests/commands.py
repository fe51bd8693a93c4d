"""What the tests of the command share: running it, tables to run it on, and what they look for."""

import csv

from ebp import cli


def run(capsys, *arguments):
    """Exit code, output and error stream of the command."""
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def write_csv(path, header, rows, delimiter=","):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def one_error(result, text):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("ebp: error: ")
    assert err.count("\n") == 1
    assert text in err
