"""Facts kept between checks."""

import os
from pathlib import Path

import pytest
from checked_datasets import CLASSES, build, color_pipeline, labels, only, write_mask

from mmseg_ext.data_check import check_dataset


def count_reads(monkeypatch):
    read = []
    from mmseg_ext.data_check import check as module

    for kind, (noun, function) in list(module._READERS.items()):

        def spy(path, backend, function=function):
            read.append(Path(path).name)
            return function(path, backend)

        monkeypatch.setitem(module._READERS, kind, (noun, spy))
    return read


def test_cache_reads_changed_files_alone(root, tmp_path, monkeypatch):
    read = count_reads(monkeypatch)
    cache = tmp_path / "cache"

    def run(*args, **kwargs):
        read.clear()
        report = check_dataset(build(root, *args, **kwargs), cache_dir=cache)
        return report, sorted(read)

    first, files = run()
    assert first.from_cache == 0
    assert files == ["0.jpg", "0.png", "1.jpg", "1.png", "2.jpg", "2.png"]
    second, files = run()
    assert (second.from_cache, files) == (3, [])
    assert {**second.to_dict(), "seconds": 0, "from_cache": 0} == {**first.to_dict(), "seconds": 0}

    write_mask(root / "masks" / "1.png", labels(9))
    os.utime(root / "masks" / "1.png", ns=(1, 1))  # older than before: any change counts
    third, files = run()
    assert (third.from_cache, files) == (2, ["1.png"])
    assert "label 9" in only(third.errors).what

    # Other classes, another palette or loader: judged anew from what is known, nothing is read.
    fourth, files = run(metainfo={"classes": CLASSES[:2]})
    assert files == []
    assert [Path(p.path).name for p in fourth.errors] == ["1.png", "2.png"]
    fifth, files = run(color_pipeline([(0, 0, 0), (1, 1, 1), (2, 2, 2)], ignore_colors=["#FFFFFF"]))
    assert files == []
    assert "#090909" in only(fifth.errors).what


def test_file_that_is_replaced_by_one_of_its_size_and_age_is_read_again(root, tmp_path):
    path = root / "masks" / "1.png"
    check_dataset(build(root), cache_dir=tmp_path / "cache")
    stat = path.stat()
    write_mask(tmp_path / "other.png", labels(7, 255))
    assert (tmp_path / "other.png").stat().st_size == stat.st_size
    os.utime(tmp_path / "other.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (tmp_path / "other.png").replace(path)
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    report = check_dataset(build(root), cache_dir=tmp_path / "cache")
    assert report.from_cache == 2
    assert "label 7" in only(report.errors).what


def test_unreadable_files_are_read_again_each_time(root, tmp_path):
    path = root / "images" / "1.jpg"
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    for _ in range(2):
        report = check_dataset(build(root), cache_dir=tmp_path / "cache")
        assert "truncated" in only(report.errors).what
    assert report.from_cache == 2


def test_a_file_whose_content_alone_has_changed_is_read_again(root, tmp_path, monkeypatch):
    path = root / "masks" / "1.png"
    before = path.stat()
    check_dataset(build(root), cache_dir=tmp_path / "cache")
    write_mask(path, labels(7, 255))
    assert path.stat().st_size == before.st_size
    # Within one tick of the clock, or on a drive without times of change, the state of the file is the same.
    stock = os.stat
    monkeypatch.setattr(os, "stat", lambda name, **kwargs: before if str(name) == str(path) else stock(name, **kwargs))
    report = check_dataset(build(root), cache_dir=tmp_path / "cache")
    assert report.from_cache == 2
    assert "label 7" in only(report.errors).what


@pytest.mark.parametrize("damage", [b"", b"rubbish", "half", b'{"format": 0}'])
def test_damaged_cache_is_ignored(root, tmp_path, damage):
    check_dataset(build(root), cache_dir=tmp_path / "cache")
    path = only(list((tmp_path / "cache").iterdir()))
    path.write_bytes(path.read_bytes()[:60] if damage == "half" else damage)
    report = check_dataset(build(root), cache_dir=tmp_path / "cache")
    assert (report.from_cache, report.warnings) == (0, [])
    assert check_dataset(build(root), cache_dir=tmp_path / "cache").from_cache == 3


def test_cache_folder_that_cannot_be_written_is_a_warning(root, tmp_path):
    (tmp_path / "file").write_text("in the way")
    report = check_dataset(build(root), cache_dir=tmp_path / "file")
    assert report.errors == []
    problem = only(report.warnings)
    assert str(tmp_path / "file") in problem.path
    assert "cannot be written" in problem.what


def test_default_cache_folder_honours_xdg(root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    check_dataset(build(root))
    assert only(list((tmp_path / "xdg" / "mmseg_ext").iterdir())).name.startswith("data_check-images-")
