"""The cache of decoded images: right after changes of the files, between processes, at its limit and on a full disk."""

import copy
import errno
import multiprocessing
import os
import pickle
import warnings
import zlib

import numpy as np
import pytest

from mmseg_ext.datasets import LoveDADataset
from mmseg_ext.errors import UserError
from mmseg_ext.masks import array_store
from mmseg_ext.masks.array_store import HEADER
from mmseg_ext.masks.decoded_cache import KEY, DecodedCache, cached

PIPELINE = [{"type": f"mmseg_ext.{name}"} for name in ("LoadImageFromFile", "LoadAnnotations")]


def array_of(seed, shape=(5, 7, 3), dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def sizes(folder):
    return sum(file.stat().st_size for file in folder.iterdir() if file.name != "total")


def never():
    raise AssertionError("it is in the cache")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def cache(tmp_path):
    return DecodedCache(tmp_path / "cache", limit_gb=1e-3)


def test_header_keeps_arrays_aligned():
    assert HEADER.size == 64


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7), (4096,), (1, 1, 1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
def test_an_array_comes_back_as_it_was(cache, source, shape, dtype):
    array = array_of(0, shape, dtype)
    assert cache.get(str(source), "a", lambda: array) is array
    again = cache.get(str(source), "a", never)
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


def test_arrays_that_are_views(cache, source):
    array = array_of(0)[::-1, 1:, ::-1]
    cache.get(str(source), "a", lambda: array)
    np.testing.assert_array_equal(cache.get(str(source), "a", never), array)


def test_what_is_made_of_a_file_is_told_apart(cache, source):
    for kind in ("image", "mask"):
        cache.get(str(source), kind, lambda kind=kind: array_of(len(kind)))
    for kind in ("image", "mask"):
        np.testing.assert_array_equal(cache.get(str(source), kind, never), array_of(len(kind)))


def test_changing_an_array_changes_no_other(cache, source):
    cache.get(str(source), "a", lambda: array_of(0))
    first, second = (cache.get(str(source), "a", never) for _ in range(2))
    first[:] = 77
    np.testing.assert_array_equal(second, array_of(0))
    np.testing.assert_array_equal(cache.get(str(source), "a", never), array_of(0))


def test_a_changed_file_is_decoded_anew(cache, source):
    cache.get(str(source), "a", lambda: array_of(0))
    held = cache.get(str(source), "a", never)
    times = source.stat()
    source.write_bytes(b"two")  # of the same size, and made to look as old
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    np.testing.assert_array_equal(cache.get(str(source), "a", lambda: array_of(1)), array_of(1))
    np.testing.assert_array_equal(cache.get(str(source), "a", never), array_of(1))
    np.testing.assert_array_equal(held, array_of(0))
    assert sizes(cache.folder) == HEADER.size + 105  # the earlier one is gone
    source.unlink()
    with pytest.raises(FileNotFoundError):
        cache.get(str(source), "a", source.read_bytes)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 64, b"x" * 400])
def test_a_damaged_entry_is_made_anew(cache, source, damage):
    cache.get(str(source), "a", lambda: array_of(0))
    (entry,) = cache.folder.glob("*.array")
    entry.write_bytes(damage)
    np.testing.assert_array_equal(cache.get(str(source), "a", lambda: array_of(1)), array_of(1))
    np.testing.assert_array_equal(cache.get(str(source), "a", never), array_of(1))


@pytest.mark.parametrize(
    ("dtype", "num_dimensions", "shape"),
    [
        (b"|O", 1, (13, 0, 0, 0)),  # 104 of the 105 bytes as pointers
        (b"|O", 0, (0, 0, 0, 0)),
        (b"|u1", 3, (5, 7, 4, 0)),  # longer than the file
        (b"|u1", 3, (5, 7, 2, 0)),
        (b"<f8", 3, (5, 7, 3, 0)),
        (b"|u1", 4, (2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1)),
        (b"|u1", 4, (2**31, 2**31, 4, 105)),  # its size overflows to 0
        (b"|u1", 4, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)),
        (b"|u1", 200, (5, 7, 3, 1)),
        (b"|V1", 3, (5, 7, 3, 0)),
        (b"i,i", 1, (13, 0, 0, 0)),
        (b"|S1", 3, (5, 7, 3, 0)),
        (b"\xff\xfe", 3, (5, 7, 3, 0)),
    ],
)
def test_an_entry_whose_header_does_not_fit_is_made_anew(cache, source, dtype, num_dimensions, shape):
    cache.get(str(source), "a", lambda: array_of(0))
    (entry,) = cache.folder.glob("*.array")
    made_by, *stamp = HEADER.unpack_from(entry.read_bytes())[:4]
    content = entry.read_bytes()[HEADER.size :]
    values = (made_by, *stamp, dtype, num_dimensions, *shape)
    checksum = zlib.crc32(content, zlib.crc32(HEADER.pack(*values, 0)))  # of a program, not of a damaged disk
    entry.write_bytes(HEADER.pack(*values, checksum) + content)
    np.testing.assert_array_equal(cache.get(str(source), "a", lambda: array_of(1)), array_of(1))
    np.testing.assert_array_equal(cache.get(str(source), "a", never), array_of(1))


def test_an_entry_that_was_changed_anywhere_is_made_anew(cache, source):
    cache.get(str(source), "a", lambda: array_of(0))
    (entry,) = cache.folder.glob("*.array")
    whole = entry.read_bytes()
    rng = np.random.default_rng(0)
    for place in (*range(HEADER.size - 7), *rng.integers(HEADER.size, len(whole), 40)):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        entry.write_bytes(changed)
        fresh = DecodedCache(cache.folder)  # another process
        np.testing.assert_array_equal(fresh.get(str(source), "a", lambda: array_of(0)), array_of(0))
        assert entry.read_bytes() == whole


def test_arrays_of_objects_are_not_kept(cache, source):
    cache.get(str(source), "a", lambda: np.array([{}, None]))
    assert not list(cache.folder.glob("*.array"))


def test_an_entry_that_was_cut_off_is_made_anew(cache, source):
    cache.get(str(source), "a", lambda: array_of(0))
    (entry,) = cache.folder.glob("*.array")
    entry.write_bytes(entry.read_bytes()[:-1])
    np.testing.assert_array_equal(cache.get(str(source), "a", lambda: array_of(1)), array_of(1))


def test_the_limit_is_never_passed(tmp_path, source):
    entry = HEADER.size + 1000
    cache = DecodedCache(tmp_path / "cache", limit_gb=2.5 * entry / 1e9)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for n in range(6):
            cache.get(str(source), str(n), lambda: array_of(0, (1000,)))
            assert sizes(cache.folder) <= 2.5 * entry
    (warning,) = warned
    assert "limit" in str(warning.message)
    assert "`cache_gb`" in str(warning.message)
    assert sizes(cache.folder) == 2 * entry
    cache.get(str(source), "0", never)
    again = DecodedCache(tmp_path / "cache", limit_gb=3.5 * entry / 1e9)  # a later run counts what is there
    for n in range(2, 4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again.get(str(source), str(n), lambda: array_of(0, (1000,)))
    assert sizes(cache.folder) == 3 * entry


def test_what_a_killed_process_left_is_cleared_away(tmp_path, source):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "writing").write_bytes(b"x" * 5000)
    (folder / "total").write_bytes(b"no number")
    cache = DecodedCache(folder, limit_gb=1e-6)
    assert sizes(folder) == 0
    cache.get(str(source), "a", lambda: array_of(0))
    cache.get(str(source), "a", never)


def test_a_full_disk_is_a_warning(cache, source, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(array_store.os, "posix_fallocate", full)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for n in range(3):
            np.testing.assert_array_equal(cache.get(str(source), str(n), lambda: array_of(0)), array_of(0))
    (warning,) = warned
    assert "No space left on device" in str(warning.message)
    assert "`cache_dir`" in str(warning.message)
    assert sizes(cache.folder) == 0


def test_wrong_arguments(tmp_path):
    with pytest.raises(UserError, match="`cache_gb` > 0, got 0"):
        DecodedCache(tmp_path, limit_gb=0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="`cache_dir`"):
        DecodedCache(tmp_path / "file")


def test_copies_are_the_same_cache(cache, source):
    assert copy.deepcopy({KEY: cache})[KEY] is cache
    cached({KEY: pickle.loads(pickle.dumps(cache))}, str(source), "a", lambda: array_of(0))
    cached({KEY: cache}, str(source), "a", never)
    np.testing.assert_array_equal(cached({}, str(source), "a", lambda: array_of(1)), array_of(1))


def fill(folder, source, limit_gb, first):
    warnings.simplefilter("ignore")
    cache = DecodedCache(folder, limit_gb)
    for n in range(40):
        number = (first + n) % 40
        found = cache.get(source, str(number), lambda number=number: array_of(number, (50, 40)))
        assert (found == array_of(number, (50, 40))).all()


@pytest.mark.parametrize("room", [100, 25])
def test_processes_that_fill_it_at_once(tmp_path, source, room):
    entry = HEADER.size + 2000
    context = multiprocessing.get_context("fork")
    limit_gb = room * entry / 1e9
    processes = [
        context.Process(target=fill, args=(tmp_path / "cache", str(source), limit_gb, first)) for first in (0, 0, 20)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sizes(tmp_path / "cache") == min(room, 40) * entry
    assert int((tmp_path / "cache" / "total").read_text()) == min(room, 40) * entry


def test_datasets_give_it_to_their_transforms(loveda_root, tmp_path, mmseg_scope):
    plain = LoveDADataset(str(loveda_root), pipeline=PIPELINE)
    kept = LoveDADataset(str(loveda_root), pipeline=PIPELINE, cache_dir=str(tmp_path / "cache"), cache_gb=0.01)
    assert KEY not in plain.get_data_info(0)
    for _ in range(2):
        for index in range(len(plain)):
            expected, found = plain[index], kept[index]
            for key in ("img", "gt_seg_map"):
                assert found[key].dtype == expected[key].dtype
                np.testing.assert_array_equal(found[key], expected[key])
                found[key][:] = 9
    assert len(list((tmp_path / "cache").glob("*.array"))) == 2 * len(plain)
    with pytest.raises(UserError, match="cache_gb"):
        LoveDADataset(str(loveda_root), pipeline=PIPELINE, cache_dir=str(tmp_path / "cache"), cache_gb=-1)
