"""The file of a page about a model: old or new, never a part."""

import os

import pytest
from ebp.model_report import Report


def test_a_write_that_fails_leaves_the_old_page(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patches:
        patches.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            Report("title", "new").save(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("report.html", "old")]
    Report("title", "é \udcff").save(path)  # half of a surrogate pair has no code
    assert path.read_text(encoding="utf-8") == "é ?"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_written_to_and_stays(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    Report("title", "new").save(path)
    assert os.read(reader, 100) == b"new"
    os.close(reader)
    assert path.is_fifo()
