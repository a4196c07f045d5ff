"""Strips of a map that a process may be killed over."""

import numpy as np
import pytest

from mmseg_ext.prediction.strip_files import StripFiles, in_chunks
from mmseg_ext.prediction.window_grid import WindowAxis

ROWS, COLUMNS = WindowAxis(50, 20, 6), WindowAxis(33, 20, 6)


def blocks_of(row, values):
    top, bottom = ROWS.strip(row)
    for column in values:
        left, right = COLUMNS.strip(column)
        yield column, "classes", np.full((bottom - top, right - left), 10 * row + column, np.uint8)


def test_a_strip_is_read_as_it_was_written(tmp_path):
    strips = StripFiles(tmp_path / "s", ROWS, COLUMNS, {"a": 1})
    assert strips.count_finished() == 0
    strips.write(0, blocks_of(0, [0, 1]))
    strips.write(1, blocks_of(1, [1]))
    assert strips.count_finished() == 2
    found = strips.read(1, "classes", np.uint8, empty=255)
    split = COLUMNS.strip(1)[0]
    assert np.unique(found[:, :split]).tolist() == [255]
    assert np.unique(found[:, split:]).tolist() == [11]


def test_a_strip_that_fails_is_not_there(tmp_path):
    strips = StripFiles(tmp_path / "s", ROWS, COLUMNS, {})

    def broken():
        yield from blocks_of(0, [0])
        raise InterruptedError

    with pytest.raises(InterruptedError):
        strips.write(0, broken())
    assert strips.count_finished() == 0
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["facts.json"]


def test_strips_of_other_facts_are_removed(tmp_path):
    StripFiles(tmp_path / "s", ROWS, COLUMNS, ["model", (1, 2)]).write(0, blocks_of(0, [0]))
    assert StripFiles(tmp_path / "s", ROWS, COLUMNS, ["model", (1, 2)]).count_finished() == 1
    assert StripFiles(tmp_path / "s", ROWS, COLUMNS, ["model", (1, 2)], resume=False).count_finished() == 0
    StripFiles(tmp_path / "s", ROWS, COLUMNS, ["model", (1, 2)]).write(0, blocks_of(0, [0]))
    assert StripFiles(tmp_path / "s", ROWS, COLUMNS, ["other", (1, 2)]).count_finished() == 0


def test_strips_are_cut_into_chunks_of_one_height():
    whole = np.arange(40).reshape(20, 2)
    strips = (whole[a:b] for a, b in ((0, 3), (3, 11), (11, 20)))
    chunks = list(in_chunks(strips, 6))
    assert [top for top, _ in chunks] == [0, 6, 12, 18]
    assert [len(chunk) for _, chunk in chunks] == [6, 6, 6, 2]
    np.testing.assert_array_equal(np.concatenate([chunk for _, chunk in chunks]), whole)
