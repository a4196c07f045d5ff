"""Whole files or none."""

import errno
import gzip
import os
import stat

import pytest

from mmseg_ext import files
from mmseg_ext.errors import UserError
from mmseg_ext.files import (
    join_below,
    parse_json,
    read_cache_file,
    read_json,
    refuse_other_file,
    replace_file,
    replacing_file,
    write_cache_file,
)


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


@pytest.mark.parametrize("step", ["replace", "fsync"])
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
    with pytest.raises(UserError, match=r"Expected names in UTF-8 to write to .*a\.txt, got 'a\\udce9\.png'"):
        replace_file(path, os.fsdecode(b"a\xe9.png"))
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_content_is_streamed_and_seen_at_the_end_of_the_block_alone(tmp_path):
    path = tmp_path / "folder" / "a.bin"
    with replacing_file(path) as file:
        for i in range(3):
            file.write(bytes([i]) * 100_000)
        file.seek(0)
        file.write(b"header")
        assert not path.exists()
    assert path.read_bytes() == b"header" + bytes(99_994) + b"\1" * 100_000 + b"\2" * 100_000
    with pytest.raises(TypeError), replacing_file(path) as file:
        file.writelines([b"half", "no bytes"])
    assert path.stat().st_size == 300_000
    assert names_in(path.parent) == ["a.bin"]


@pytest.mark.parametrize("sync", [True, False])
def test_the_content_is_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch, sync):
    path, steps = tmp_path / "a.txt", []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle):
        steps.append(("fsync", os.fstat(handle).st_size))
        fsync(handle)

    def note_replace(source, target):
        steps.append(("replace", os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(files.os, "fsync", note_fsync)
    monkeypatch.setattr(files.os, "replace", note_replace)
    replace_file(path, "text", sync=sync)
    assert steps == [("fsync", 4)] * sync + [("replace", 4)]
    assert path.read_text() == "text"


def test_the_target_of_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.txt").write_text("old")
    link = tmp_path / "a.txt"
    link.symlink_to(tmp_path / "disk" / "a.txt")
    replace_file(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "disk" / "a.txt").read_text() == "new"
    dangling = tmp_path / "b.txt"
    dangling.symlink_to("disk/later/b.txt")
    replace_file(dangling, "new")
    assert (tmp_path / "disk" / "later" / "b.txt").read_text() == "new"
    assert names_in(tmp_path) == ["a.txt", "b.txt", "disk"]


def test_errors_name_the_path(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        replace_file(tmp_path / "folder", "x")
    assert caught.value.filename == str(tmp_path / "folder")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=f"{tmp_path}/file") as caught:
        replace_file(tmp_path / "file" / "a.txt", "x")
    assert isinstance(caught.value, FileExistsError | NotADirectoryError)
    with pytest.raises(OSError, match="No space") as caught, replacing_file(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")  # as file.write does, without a name
    assert caught.value.filename == str(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError) as caught, replacing_file(tmp_path / "a.txt"):
        (tmp_path / "another.txt").read_bytes()
    assert caught.value.filename == str(tmp_path / "another.txt")
    assert names_in(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "../out2/x.png"])
def test_a_name_outside_of_its_folder_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="Expected a name below"):
        join_below(tmp_path / "out", name)
    assert join_below("out", "a/b.png").as_posix() == "out/a/b.png"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xfa", b"[" * 100_000, b"\0" * 50])
def test_a_file_that_is_no_json_is_one_kind_of_error(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|codec|deeply"):
        read_json(path)
    path.write_bytes('{"größe": 1}'.encode())
    assert read_json(path) == {"größe": 1}


def test_a_cache_file_that_was_changed_anywhere_is_not_read(tmp_path):
    path = tmp_path / "cache"
    value = {"rows": {"a\udce9.png": [1, [2.5, None, "ü"]]}}
    write_cache_file(path, value)
    whole = path.read_bytes()
    assert read_cache_file(path) == value
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        assert read_cache_file(path) in (None, value)  # gzip has bytes that mean nothing, such as the time
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read_cache_file(path) is None
    for other in (b"[]", b"{}", gzip.compress(b"[]"), gzip.compress(bytes(16) + b"[]"), b"[" * 100_000):
        path.write_bytes(other)
        assert read_cache_file(path) is None
    assert read_cache_file(tmp_path / "missing") is None


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 100_000, "9" * 5000, "{", "", b"\xff\xfe\xff", b"\x81", "nul"]
)
def test_what_cannot_be_read_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)


def test_json_is_read():
    assert parse_json('{"a": [1, 2.5, null]}') == parse_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


def test_only_own_files_are_overwritten(tmp_path):
    path = tmp_path / "out.csv"
    refuse_other_file(path, "tools/x.py", pytest.fail)
    path.write_text("")
    refuse_other_file(path, "tools/x.py", lambda: True)
    with pytest.raises(UserError, match=r"out\.csv, or one that tools/x\.py wrote and nobody changed, found another"):
        refuse_other_file(path, "tools/x.py", lambda: False)
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "missing")
    with pytest.raises(UserError, match="found another"):
        refuse_other_file(link, "tools/x.py", lambda: False)
