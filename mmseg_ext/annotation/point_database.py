"""The clicked points in an SQLite file: each change is on the disk when it is acknowledged, and can be undone.

A change is a row: what was before, and what is after. Undo and redo mark the row and write the one or the other back.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mmseg_ext.errors import UserError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS points (
    id INTEGER PRIMARY KEY, image TEXT NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL, class INTEGER NOT NULL,
    annotator TEXT NOT NULL, is_deleted INTEGER NOT NULL, revision INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS points_by_revision ON points (revision);
CREATE INDEX IF NOT EXISTS points_by_image ON points (image);
CREATE TABLE IF NOT EXISTS images (
    image TEXT PRIMARY KEY, is_done INTEGER NOT NULL, revision INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS skips (
    id INTEGER PRIMARY KEY, image TEXT NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL, is_deleted INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
    annotator TEXT NOT NULL, time REAL NOT NULL, is_undone INTEGER NOT NULL
);
"""
_VERSION = 1

Direction = Literal["undo", "redo"]


class StoredPoint(NamedTuple):
    """A point as the page sees it.

    Attributes:
        id: Its number.
        image: Name of its image.
        x: Column.
        y: Row.
        label: Class index.
        annotator: Who set it last.
        is_deleted: Whether it is there no more.
        revision: Of the last change.
    """

    id: int
    image: str
    x: int
    y: int
    label: int
    annotator: str
    is_deleted: bool
    revision: int


class PointDatabase:
    """The points of a folder of images; safe to use from several threads, open in one process at a time.

    Args:
        path: The file; made where it is missing.
        classes: Names of the classes. More than those of the file are added to it; the file's own come first.

    Attributes:
        classes: Names of the classes, in the order of their indices.

    Raises:
        UserError: The file is none of this program, is in use, or cannot be written; a class of it is not named.
    """

    def __init__(self, path: str | Path, classes: Sequence[str]) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=0.2, check_same_thread=False, isolation_level=None)
            # One process alone: two would write points.csv in turns. The lock ends with the process, however it ends.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version != _VERSION and tables:
                raise sqlite3.DatabaseError("it is of another program, or of another version of this one")
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise UserError(f"Cannot open the points in {self.path}: {_explain(error)}") from error
        self.classes = self._take_classes(classes)

    def close(self) -> None:
        """Close the file, which takes in its write-ahead log."""
        with self._lock:
            self._db.close()

    def _take_classes(self, classes: Sequence[str]) -> tuple[str, ...]:
        row = self._db.execute("SELECT value FROM settings WHERE key = 'classes'").fetchone()
        known = list(json.loads(row[0])) if row else []
        if not set(known) <= set(classes):
            raise UserError(
                f"Expected --classes with those that {self.path} has: {', '.join(known)}; got {', '.join(classes)}. "
                "Add them, or name another file with --out."
            )
        known += [name for name in classes if name not in known]
        self._db.execute("INSERT OR REPLACE INTO settings VALUES ('classes', ?)", [json.dumps(known)])
        return tuple(known)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _next_revision(self) -> int:
        return self.revision + 1

    @property
    def revision(self) -> int:
        """The number of the last change."""
        with self._lock:
            rows = self._db.execute("SELECT max(revision) FROM points UNION ALL SELECT max(revision) FROM images")
            return max(row[0] or 0 for row in rows)

    def points_since(self, revision: int = 0) -> list[StoredPoint]:
        """List the points that were changed after a revision, deleted ones too unless it is 0."""
        query = "SELECT * FROM points WHERE revision > ?" + (" AND NOT is_deleted" if not revision else "")
        with self._lock:
            rows = self._db.execute(f"{query} ORDER BY id", [revision]).fetchall()
        return [_to_point(row) for row in rows]

    def point(self, number: int) -> StoredPoint:
        """Return a point by its number.

        Raises:
            UserError: There is none.
        """
        found = self._find_point(number) if 0 < number < 2**63 else None
        if found is None:
            raise UserError(f"Expected the number of a point, got {number}.")
        return found

    def _find_point(self, number: int) -> StoredPoint | None:
        with self._lock:
            row = self._db.execute("SELECT * FROM points WHERE id = ?", [number]).fetchone()
        return None if row is None else _to_point(row)

    def done_since(self, revision: int = 0) -> dict[str, bool]:
        """List the images whose mark "done" was changed after a revision."""
        with self._lock:
            rows = self._db.execute("SELECT image, is_done FROM images WHERE revision > ?", [revision]).fetchall()
        return {image: bool(is_done) for image, is_done in rows}

    def skipped(self) -> dict[str, list[tuple[int, int]]]:
        """List the (y, x) of the suggestions that were skipped, by image."""
        found: dict[str, list[tuple[int, int]]] = {}
        with self._lock:
            rows = self._db.execute("SELECT image, y, x FROM skips WHERE NOT is_deleted").fetchall()
        for image, y, x in rows:
            found.setdefault(image, []).append((y, x))
        return found

    def add(self, image: str, x: int, y: int, label: int, annotator: str = "") -> StoredPoint:
        """Add a point; one of any class at the same pixel takes the new class instead."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT id FROM points WHERE image = ? AND x = ? AND y = ? AND NOT is_deleted", [image, x, y]
            ).fetchone()
            number = row[0] if row else db.execute("SELECT ifnull(max(id), 0) + 1 FROM points").fetchone()[0]
            self._change_point(number, annotator, image=image, x=x, y=y, label=label, is_deleted=False)
        return self.point(number)

    def add_many(self, points: Sequence[tuple[str, int, int, int]], annotator: str) -> None:
        """Add imported points (image, x, y, class index) at once; they cannot be undone one by one.

        Points that are there already, to the pixel and class, are not added again.
        """
        with self._transaction() as db:
            there = {tuple(row) for row in db.execute("SELECT image, x, y, class FROM points WHERE NOT is_deleted")}
            revision = self._next_revision()
            rows = [(*point, annotator, revision) for point in dict.fromkeys(points) if point not in there]
            db.executemany(
                "INSERT INTO points (image, x, y, class, annotator, is_deleted, revision) VALUES (?, ?, ?, ?, ?, 0, ?)",
                rows,
            )

    def change(self, number: int, annotator: str = "", **values: Any) -> StoredPoint:
        """Move a point, change its class, or delete it.

        Args:
            number: Of the point.
            annotator: Who does it.
            **values: Of `x`, `y`, `label`, `is_deleted`, those that change.

        Raises:
            UserError: There is no such point, or another one is at the pixel.
        """
        point = self.point(number)
        with self._transaction() as db:
            place = (values.get("x", point.x), values.get("y", point.y))
            other = db.execute(
                "SELECT id FROM points WHERE image = ? AND x = ? AND y = ? AND NOT is_deleted AND id != ?",
                [point.image, *place, number],
            ).fetchone()
            if other and not values.get("is_deleted", point.is_deleted):
                raise UserError("Expected a pixel without a point, there is one already.")
            self._change_point(number, annotator, **values)
        return self.point(number)

    def mark_done(self, image: str, is_done: bool, annotator: str = "") -> None:
        """Mark an image as done, or as not done."""
        before = self.done_since().get(image, False)
        with self._transaction():
            self._log("done", image, {"is_done": before}, {"is_done": is_done}, annotator)
            self._apply("done", image, {"is_done": is_done})

    def skip(self, image: str, x: int, y: int, annotator: str = "") -> None:
        """Remember that a suggestion was skipped."""
        with self._transaction() as db:
            number = str(db.execute("SELECT ifnull(max(id), 0) + 1 FROM skips").fetchone()[0])
            state = {"image": image, "x": x, "y": y}
            after = {**state, "is_deleted": False}
            self._log("skip", number, {**state, "is_deleted": True}, after, annotator)
            self._apply("skip", number, after)

    def undo(self, annotator: str = "") -> dict[str, Any] | None:
        """Take back the annotator's last change; see :meth:`_step`."""
        return self._step(annotator, "undo")

    def redo(self, annotator: str = "") -> dict[str, Any] | None:
        """Do again what was taken back last."""
        return self._step(annotator, "redo")

    def _step(self, annotator: str, direction: Direction) -> dict[str, Any] | None:
        """Write back what was before a change, or after it.

        Returns:
            The kind of the change and its image; None where there is nothing to undo or redo.

        Raises:
            UserError: Somebody else has changed the same since.
        """
        undoes = direction == "undo"
        order = "DESC" if undoes else "ASC"
        with self._transaction() as db:
            row = db.execute(
                f"SELECT id, kind, key, before, after FROM changes WHERE annotator = ? AND is_undone = ? "
                f"ORDER BY id {order} LIMIT 1",
                [annotator, int(not undoes)],
            ).fetchone()
            if row is None:
                return None
            number, kind, key = row[:3]
            before, after = map(json.loads, row[3:])
            expected, wanted = (after, before) if undoes else (before, after)
            db.execute("UPDATE changes SET is_undone = ? WHERE id = ?", [int(undoes), number])
            if kind == "point":
                point = self.point(int(key))
                is_same = point.is_deleted if expected is None else _state(point) == expected
                if not is_same:
                    db.execute("UPDATE changes SET is_undone = 2 WHERE id = ?", [number])
            else:
                is_same = True
            if is_same:
                self._apply(kind, key, wanted)
        if not is_same:
            raise UserError(f"Cannot {direction}: another annotator has changed this point since.")
        state = wanted or expected
        return {"kind": kind, "image": state.get("image", key)}

    def _change_point(self, number: int, annotator: str, **values: Any) -> None:
        point = self._find_point(number)
        before = _state(point) if point else None
        after = {**(before or {}), **values, "annotator": annotator}
        self._log("point", str(number), before, after, annotator)
        self._apply("point", str(number), after)

    def _log(self, kind: str, key: str, before: Any, after: Any, annotator: str) -> None:
        """Write down a change; what the annotator had undone can no longer be redone."""
        self._db.execute("DELETE FROM changes WHERE annotator = ? AND is_undone = 1", [annotator])
        self._db.execute(
            "INSERT INTO changes (kind, key, before, after, annotator, time, is_undone) VALUES (?, ?, ?, ?, ?, ?, 0)",
            [kind, key, json.dumps(before), json.dumps(after), annotator, time.time()],
        )

    def _apply(self, kind: str, key: str, state: dict[str, Any] | None) -> None:
        revision = self._next_revision()
        if kind == "done":
            is_done = int((state or {})["is_done"])
            self._db.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", [key, is_done, revision])
        elif kind == "skip" and state is not None:
            values = [int(key), state["image"], state["x"], state["y"], int(state["is_deleted"])]
            self._db.execute("INSERT OR REPLACE INTO skips VALUES (?, ?, ?, ?, ?)", values)
        elif state is None:  # the undone addition of a point
            self._db.execute("UPDATE points SET is_deleted = 1, revision = ? WHERE id = ?", [revision, int(key)])
        else:
            values = [state[name] for name in ("image", "x", "y", "label", "annotator")]
            self._db.execute(
                "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [int(key), *values, int(state["is_deleted"]), revision],
            )


def _to_point(row: tuple[Any, ...]) -> StoredPoint:
    number, image, x, y, label, annotator, is_deleted, revision = row
    return StoredPoint(number, image, x, y, label, annotator, bool(is_deleted), revision)


def _state(point: StoredPoint) -> dict[str, Any]:
    state = point._asdict()
    del state["id"], state["revision"]
    return state


def _explain(error: Exception) -> str:
    text = str(error)
    if "locked" in text:
        return "another process has it open. End that one, or name another file with --out."
    if isinstance(error, OSError):
        return f"{error.strerror}. Name another file with --out."
    return f"{text}. Name another file with --out, or remove it."
