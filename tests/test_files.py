"""Whole files or none."""

import os
import stat

import pytest

from mmseg_ext import files
from mmseg_ext.files import replace_file


def names_in(folder):
    return sorted(p.name for p in folder.iterdir())


def test_writes_text_as_utf8_and_bytes_as_they_are(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    replace_file(path, "größer ≥ 3\n")
    assert path.read_bytes() == "größer ≥ 3\n".encode()
    replace_file(str(path), b"\x00\xff\r\n")
    assert path.read_bytes() == b"\x00\xff\r\n"
    assert names_in(path.parent) == ["a.txt"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_honours_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        replace_file(tmp_path / "ours", "x")
        (tmp_path / "plain").write_text("x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == mode


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path):
    path = tmp_path / "a.json"
    replace_file(path, "old content")
    with path.open() as reader:
        assert reader.read(3) == "old"
        replace_file(path, "new")
        assert reader.read() == " content"
    assert path.read_text() == "new"


@pytest.mark.parametrize("step", ["replace", "chmod"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_content_and_no_rest(tmp_path, monkeypatch, step, error):
    path = tmp_path / "a.json"
    replace_file(path, "old")

    def fail(*args):
        raise error

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(type(error)):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.json"]


def test_content_that_cannot_be_written_leaves_the_old_content(tmp_path):
    path = tmp_path / "a.txt"
    replace_file(path, "old")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "lone surrogate \ud800")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]
