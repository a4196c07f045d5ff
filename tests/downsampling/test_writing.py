"""Files that are there whole or not at all."""

import os

import pytest

from mmseg_ext.downsampling.writing import write_whole


def test_a_file_is_written_and_replaced_and_its_folders_are_made(tmp_path):
    write_whole(str(tmp_path / "copy"), "a/b/1.png", b"one")
    write_whole(str(tmp_path / "copy"), "a/b/1.png", b"two")
    assert [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()] == [b"two"]


def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path, monkeypatch):
    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(KeyboardInterrupt):
        write_whole(str(tmp_path), "1.png", b"one")
    assert list(tmp_path.iterdir()) == []
