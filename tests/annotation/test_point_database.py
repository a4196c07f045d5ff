"""Points in SQLite: changes survive, are undone and redone, and one process alone has the file."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.errors import UserError


@pytest.fixture
def database(tmp_path):
    database = PointDatabase(tmp_path / "points.sqlite", ["land", "water"])
    yield database
    database.close()


def places(database):
    return [(p.image, p.x, p.y, p.label) for p in database.points_since()]


def test_every_change_is_undone_and_redone(database):
    first = database.add("a.png", 1, 2, 0)
    database.change(first.id, x=5, y=6)
    database.change(first.id, label=1)
    database.mark_done("a.png", True)
    database.change(first.id, is_deleted=True)
    states = [[], [("a.png", 1, 2, 0)], [("a.png", 5, 6, 0)], [("a.png", 5, 6, 1)], [("a.png", 5, 6, 1)], []]
    assert places(database) == states[-1]
    for state in states[-2::-1]:
        assert database.undo() is not None
        assert places(database) == state
    assert database.done_since() == {"a.png": False}
    assert database.undo() is None
    for state in states[1:]:
        assert database.redo() is not None
        assert places(database) == state
    assert database.done_since() == {"a.png": True}
    assert database.redo() is None


def test_a_new_change_ends_what_could_be_redone(database):
    database.add("a.png", 1, 2, 0)
    database.undo()
    database.add("a.png", 3, 4, 1)
    assert database.redo() is None
    assert places(database) == [("a.png", 3, 4, 1)]


def test_each_annotator_undoes_the_own_changes(database):
    ours = database.add("a.png", 1, 2, 0, "ann")
    database.add("a.png", 3, 4, 1, "bob")
    database.undo("ann")
    assert places(database) == [("a.png", 3, 4, 1)]
    database.redo("ann")
    database.change(ours.id, "bob", label=1)
    with pytest.raises(UserError, match="another annotator has changed"):
        database.undo("ann")
    assert database.undo("ann") is None  # it is not tried for ever
    assert sorted(places(database)) == [("a.png", 1, 2, 1), ("a.png", 3, 4, 1)]


def test_a_second_point_at_a_pixel_changes_the_class(database):
    first = database.add("a.png", 1, 2, 0)
    assert database.add("a.png", 1, 2, 1).id == first.id
    assert places(database) == [("a.png", 1, 2, 1)]
    other = database.add("a.png", 7, 7, 0)
    with pytest.raises(UserError, match="there is one already"):
        database.change(other.id, x=1, y=2)
    database.undo()
    database.undo()
    assert places(database) == [("a.png", 1, 2, 0)]


def test_changes_since_a_revision(database):
    first = database.add("a.png", 1, 2, 0)
    known = database.revision
    database.add("b.png", 1, 2, 0)
    database.change(first.id, is_deleted=True)
    changed = database.points_since(known)
    assert [(p.image, p.is_deleted) for p in changed] == [("a.png", True), ("b.png", False)]
    assert database.points_since(database.revision) == []


def test_skips_are_remembered_and_undone(database):
    database.skip("a.png", 3, 4)
    assert database.skipped() == {"a.png": [(4, 3)]}
    database.undo()
    assert database.skipped() == {}


def test_imported_points_are_added_once(database):
    database.add_many([("a.png", 1, 2, 0), ("a.png", 1, 2, 0), ("b.png", 0, 0, 1)], "import")
    database.add_many([("a.png", 1, 2, 0), ("b.png", 5, 5, 1)], "import")
    assert places(database) == [("a.png", 1, 2, 0), ("b.png", 0, 0, 1), ("b.png", 5, 5, 1)]


def test_classes_keep_their_indices(tmp_path):
    path = tmp_path / "points.sqlite"
    PointDatabase(path, ["land", "water"]).close()
    grown = PointDatabase(path, ["road", "water", "land"])
    assert grown.classes == ("land", "water", "road")
    grown.close()
    with pytest.raises(UserError, match=r"Expected --classes with those that .* has: land, water, road; got land"):
        PointDatabase(path, ["land"])


def test_one_process_alone_has_the_file(database):
    with pytest.raises(UserError, match="another process has it open"):
        PointDatabase(database.path, ["land", "water"])


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.sqlite").write_text("no database, but a text of some length" * 100)
    with pytest.raises(UserError, match=r"Cannot open the points in .*a\.sqlite: file is not a database"):
        PointDatabase(tmp_path / "a.sqlite", ["land"])
    other = sqlite3.connect(tmp_path / "b.sqlite")
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(UserError, match="it is of another program"):
        PointDatabase(tmp_path / "b.sqlite", ["land"])


CLICKS = """
import sys
from mmseg_ext.annotation.point_database import PointDatabase
database = PointDatabase(sys.argv[1], ["land", "water"])
for number in range(1000):
    database.add("a.png", number, 7, 1)
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing(tmp_path):
    path = tmp_path / "points.sqlite"
    process = subprocess.Popen([sys.executable, "-c", CLICKS, str(path)], stdout=subprocess.PIPE, text=True)
    acknowledged = [int(process.stdout.readline()) for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    database = PointDatabase(path, ["land", "water"])
    found = [p.x for p in database.points_since()]
    assert found[: len(acknowledged)] == acknowledged
    assert database.undo() is not None  # the log of changes is there, too
    database.close()
