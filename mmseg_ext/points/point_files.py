"""Files of points: a label for each of some pixels, as people click them or as they were sampled.

There are two formats: CSV with the header ``image,x,y,class`` (more columns are allowed), and JSON Lines with an
object of these keys a line. `image` is the image's path relative to the data root, with forward slashes. `x` and `y`
count pixels from the top left corner of the image as viewers show it, turned by its EXIF orientation; of a fraction the
pixel that it falls in counts.
`class` is the name or the index of a class. Lines that begin with ``#`` (CSV) and objects with the key ``about`` (JSON
Lines) describe the file; a ``sha256`` in them must be the hash of the points.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mmseg_ext.errors import UserError
from mmseg_ext.files import replace_file

COLUMNS = ("image", "x", "y", "class")
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class Point(NamedTuple):
    """A labelled pixel.

    Attributes:
        image: Path of the image relative to the data root, with forward slashes.
        x: Column, from the left.
        y: Row, from the top.
        label: Name or index of the class.
        line: Line in its file, from 1; 0 for a point that is in none.
    """

    image: str
    x: int
    y: int
    label: str | int
    line: int = 0


@dataclass
class PointFile:
    """What a file of points holds.

    Attributes:
        points: In the order of the file.
        about: What the file says about itself: seed, budget, sha256 …
    """

    points: list[Point]
    about: dict[str, Any] = field(default_factory=dict)


def hash_points(points: Iterable[Point]) -> str:
    """Hash the points themselves: the same for CSV and JSON Lines, and in any order.

    Example:
        >>> hash_points([Point('a.png', 1, 2, 'road')])[:16]
        '6d967b22420e4e9a'
    """
    rows = sorted(json.dumps([p.image, p.x, p.y, str(p.label)], ensure_ascii=False) for p in points)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def write_points(path: str | Path, points: Iterable[Point], about: Mapping[str, Any] | None = None) -> str:
    """Write a file of points; its suffix, .csv or .jsonl, says in which format.

    Args:
        path: The file to write or replace.
        points: The points.
        about: What the file is to say about itself; the hash is added.

    Returns:
        The hash.

    Raises:
        UserError: The suffix is neither.
    """
    points = list(points)
    described = {**(about or {}), "sha256": hash_points(points)}
    text = io.StringIO()
    if _format_of(path) == "csv":
        for key, value in described.items():
            text.write(f"# {key}: {value}\n")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((p.image, p.x, p.y, p.label) for p in points)
    else:
        text.write(json.dumps({"about": described}, ensure_ascii=False) + "\n")
        for p in points:
            row = dict(zip(COLUMNS, p, strict=False))
            text.write(json.dumps(row, ensure_ascii=False) + "\n")
    replace_file(path, text.getvalue())
    return described["sha256"]


def read_points(path: str | Path) -> PointFile:
    """Read a file of points.

    Raises:
        UserError: The file is missing, a line is not of the format (the message names file and line), or the
            points are not those that the file's own hash was computed of.
    """
    kind = _format_of(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"Cannot read the points {path}: {error}. Check the path; the file is to be text in UTF-8."
        ) from error
    about: dict[str, Any] = {}
    rows = _rows_of_csv(path, text, about) if kind == "csv" else _rows_of_json_lines(path, text, about)
    points = [_parse_point(path, line, row) for line, row in rows]
    claimed = about.get("sha256")
    if claimed is not None and claimed != hash_points(points):
        raise UserError(
            f"Expected the points in {path} to have the sha256 {str(claimed)[:16]}… that the file says, got "
            f"{hash_points(points)[:16]}…: they were changed. Take the sha256 out of the file if that is meant."
        )
    return PointFile(points, about)


def _format_of(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"Expected a file of points to end in {', '.join(SUFFIXES)}, got {path}.")
    return SUFFIXES[suffix]


def _rows_of_csv(path: str | Path, text: str, about: dict[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("#"):
            key, colon, value = line[1:].partition(":")
            if colon:
                about[key.strip()] = value.strip()
            lines[number] = ""  # csv skips empty lines and counts them
    reader = csv.reader(lines)
    header: list[str] | None = None
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise _error(path, reader.line_num, f"a header with {', '.join(COLUMNS)}", ",".join(cells))
        elif len(cells) < len(header):
            raise _error(path, reader.line_num, f"{len(header)} columns", f"{len(cells)}: {','.join(cells)}")
        else:
            yield reader.line_num, dict(zip(header, cells, strict=False))
    if header is None:
        raise _error(path, 1, f"a header with {', '.join(COLUMNS)}", "nothing")


def _rows_of_json_lines(path: str | Path, text: str, about: dict[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise _error(path, number, "a JSON object", f"{line[:60]} ({error})") from error
        if not isinstance(row, dict):
            raise _error(path, number, "a JSON object", line[:60])
        if "about" in row:
            about.update(row["about"] if isinstance(row["about"], dict) else {"about": row["about"]})
            continue
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise _error(path, number, f"the keys {', '.join(COLUMNS)}", f"none named {', '.join(missing)}")
        yield number, row


def _parse_point(path: str | Path, line: int, row: Mapping[str, Any]) -> Point:
    image = str(row["image"]).strip().replace("\\", "/")
    while image.startswith("./"):
        image = image[2:]
    if not image:
        raise _error(path, line, "the path of an image", "nothing")
    label = row["class"]
    label = label.strip() if isinstance(label, str) else label
    if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
        raise _error(path, line, "`class` to be a name or an index", repr(label))
    x, y = (_parse_coordinate(path, line, name, row[name]) for name in ("x", "y"))
    return Point(image, x, y, label, line)


def _parse_coordinate(path: str | Path, line: int, name: str, value: Any) -> int:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _error(path, line, f"`{name}` to be a number of pixels", repr(value))
    return math.floor(number)


def _error(path: str | Path, line: int, expected: str, got: str) -> UserError:
    return UserError(f"{path}, line {line}: expected {expected}, got {got}.")
