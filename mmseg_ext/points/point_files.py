"""Files of points: a label for each of some pixels, as people click them or as they were sampled.

There are two formats: CSV with the header ``image,x,y,class`` (more columns are allowed), and JSON Lines with an
object of these keys a line. `image` is the image's path relative to the data root, with forward slashes. `x` and `y`
count pixels from the top left corner of the image as viewers show it, turned by its EXIF orientation; of a fraction the
pixel that it falls in counts.
`class` is the name or the index of a class. Lines that begin with ``#`` (CSV) and objects with the key ``about`` (JSON
Lines) describe the file; a ``sha256`` in them must be the hash of the points.

Files as spreadsheets save them are read too, where their meaning is certain: separated by semicolons or tabs, with
decimal commas, in UTF-16 or Windows-1252, with backslashes in paths. The points of a file that begins with its hash are
read as they were written, to the letter.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from mmseg_ext.errors import UserError
from mmseg_ext.escaping import csv_cell, printable, text_of_csv_cell
from mmseg_ext.files import parse_json, refuse_other_file, replace_file
from mmseg_ext.image_names import name_bytes
from mmseg_ext.points.coordinates import CoordinateReader
from mmseg_ext.points.csv_tables import COLUMNS, CsvTable, line_error, write_csv
from mmseg_ext.points.text_decoding import HOW_TO_SAVE, decode_text

SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

_MARKED_SIGNS = ("#", "=", "+", "-", "@", "\t", "\r", "./")
"""A name that begins with one of these gets ``./`` before it in CSV: it would be a comment, a formula or shortened."""


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
        notes: In which ways it is not as this module writes it, and how it was read.
    """

    points: list[Point]
    about: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_even(self) -> bool:
        """Whether as many points were drawn of each class of an image, by what tools/sample_points.py has written."""
        budget = str(self.about.get("budget"))
        return "per class" in budget or "class_balanced" in budget


def hash_points(points: Iterable[Point]) -> str:
    """Hash the points themselves: the same for CSV and JSON Lines, and in any order.

    Example:
        >>> hash_points([Point('a.png', 1, 2, 'road')])[:16]
        '6d967b22420e4e9a'
    """
    rows = sorted(json.dumps([p.image, p.x, p.y, str(p.label)], ensure_ascii=False) for p in points)
    return hashlib.sha256(name_bytes("\n".join(rows))).hexdigest()


def write_points(path: str | Path, points: Iterable[Point], about: Mapping[str, Any] | None = None) -> str:
    """Write a file of points; its suffix says in which format.

    Args:
        path: The file to write or replace.
        points: The points.
        about: What the file is to say about itself; the hash is added.

    Returns:
        The hash.

    Raises:
        UserError: The suffix is none of a file of points, or a name that is not in UTF-8 is to go into a CSV file.
    """
    points = list(points)
    described = {**(about or {}), "sha256": hash_points(points)}
    if _format_of(path) == "csv":
        rows = [(_csv_image(p.image), p.x, p.y, csv_cell(p.label)) for p in points]
        delimiter = "\t" if Path(path).suffix.lower() == ".tsv" else ","
        text = write_csv(rows, {key: printable(value) for key, value in described.items()}, delimiter)
        content = _encode(path, text)
    else:
        objects = [{"about": described}, *(dict(zip(COLUMNS, p, strict=False)) for p in points)]
        content = "".join(map(_json_line, objects)).encode()
    replace_file(path, content)
    return described["sha256"]


def _csv_image(name: str) -> str:
    return f"./{name}" if name.startswith(_MARKED_SIGNS) else name


def _encode(path: str | Path, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text[text.rfind("\n", 0, error.start) + 1 :].partition("\n")[0]
        raise UserError(
            f"Expected names in UTF-8 for {path}, got {line!r}. Rename the file, or write JSON Lines (.jsonl)."
        ) from error


def _json_line(value: object) -> str:
    line = json.dumps(value, ensure_ascii=False)
    return f"{line if line.isprintable() else json.dumps(value)}\n"


def check_target(path: str | Path, command: str) -> None:
    """Check, before points are made, that they can be written and replace none but points of the same command.

    Args:
        path: The file to write.
        command: Stands in its files under "written by".

    Raises:
        UserError: The suffix is none of a file of points, or there is a file of another origin, or one that was
            changed since.
    """

    def is_own() -> bool:
        try:
            about = read_points(path).about
        except UserError:
            return False
        return "sha256" in about and command in str(about.get("written by"))

    _format_of(path)
    refuse_other_file(path, command, is_own)


def read_points(path: str | Path) -> PointFile:
    """Read a file of points.

    Raises:
        UserError: The file is missing, a line is not of the format (the message names file and line), or the
            points are not those that the file's own hash was computed of.
    """
    kind = _format_of(path)
    try:
        text, encoding = decode_text(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"Cannot read the points {path}: {error.strerror}. Check the path.") from error
    except UserError as error:
        raise UserError(f"Cannot read the points {path}: it {error}") from error
    cleaner = _Cleaner(path, is_csv=kind == "csv")
    if kind == "csv":
        table = CsvTable(path, text)
        about = table.about
        points = _points_of_table(table, cleaner)
    else:
        about = {}
        points = [cleaner.point(line, *row, about) for line, row in _rows_of_json_lines(path, text, about)]
    cleaner.finish()
    claimed = about.get("sha256")
    if claimed is not None and claimed != hash_points(points):
        raise UserError(
            f"Expected the points in {path} to have the sha256 {str(claimed)[:16]}… that the file says, got "
            f"{hash_points(points)[:16]}…: they were changed. Take the sha256 out of the file if that is meant."
        )
    notes = ([] if encoding is None else [f"in {encoding}"]) + (table.notes() if kind == "csv" else [])
    return PointFile(points, about, notes + cleaner.notes())


def _format_of(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"Expected a file of points to end in {', '.join(SUFFIXES)}, got {path}. {HOW_TO_SAVE}.")
    return SUFFIXES[suffix]


def _points_of_table(table: CsvTable, cleaner: "_Cleaner") -> list[Point]:
    points: list[Point] = []
    pick = None
    for line, cells in table:
        if pick is None:
            pick = itemgetter(*table.columns)
        image, x, y, label = pick(cells)
        # The usual row: its names were seen before, and its numbers are whole.
        name, known = cleaner.images.get(image), cleaner.labels.get(label)
        if name is not None and known is not None and len(x) < 9 > len(y) and x.isdecimal() and y.isdecimal():
            points.append(Point(name, int(x), int(y), known, line))
        else:
            points.append(cleaner.point(line, image, x, y, label, table.about))
    return points


def _rows_of_json_lines(
    path: str | Path, text: str, about: dict[str, Any]
) -> Iterator[tuple[int, tuple[Any, Any, Any, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise line_error(path, number, "a JSON object", line.strip(), f"It does not parse: {error}.") from error
        if not isinstance(row, dict):
            raise line_error(path, number, "a JSON object", line.strip())
        if "about" in row:
            about.update(row["about"] if isinstance(row["about"], dict) else {"about": row["about"]})
            continue
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise line_error(path, number, f"the keys {', '.join(COLUMNS)}", f"none named {', '.join(missing)}")
        yield number, (row["image"], row["x"], row["y"], row["class"])


class _Cleaner:
    """Turns the cells of one file into points.

    Attributes:
        images: Names of images, by their cells.
        labels: Classes, by their cells.
    """

    def __init__(self, path: str | Path, is_csv: bool) -> None:
        self.path = path
        self.is_csv = is_csv
        self.images: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self._numbers = CoordinateReader()
        self._has_backslashes = False

    def point(self, line: int, image: Any, x: Any, y: Any, label: Any, about: Mapping[str, Any]) -> Point:
        """Make a point.

        Args:
            line: Line of the file.
            image: Path of the image.
            x: Column.
            y: Row.
            label: Class.
            about: What the file says about itself so far: with a hash, names are taken to the letter.

        Raises:
            UserError: A cell is not of the format.
        """
        as_written = "sha256" in about
        if not isinstance(image, str):
            image = str(image)
        name = self.images.get(image)
        if name is None:
            name = self.images[image] = self._clean_image(line, image, as_written)
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        elif isinstance(label, str):
            cell = label
            label = cell if as_written else cell.strip()
            label = self.labels[cell] = text_of_csv_cell(label) if self.is_csv else label
        if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
            raise line_error(self.path, line, "`class` to be a name or an index", _shown(label))
        return Point(name, self._coordinate(line, "x", x), self._coordinate(line, "y", y), label, line)

    def _clean_image(self, line: int, image: str, as_written: bool) -> str:
        if as_written:
            return image.removeprefix("./") if self.is_csv else image
        name = image.strip()
        if "\\" in name:
            name, self._has_backslashes = name.replace("\\", "/"), True
        while name.startswith("./"):
            name = name[2:]
        if not name:
            raise line_error(self.path, line, "the path of an image", "nothing")
        return name

    def _coordinate(self, line: int, name: str, value: Any) -> int:
        number = self._numbers.read(value, (line, name, value))
        if number is None:
            raise line_error(self.path, line, f"`{name}` to be a number of pixels", _shown(value))
        return number

    def finish(self) -> None:
        """Refuse what no other line has made certain.

        Raises:
            UserError: A comma may be decimal or separate thousands.
        """
        if self._numbers.doubtful is not None:
            line, name, value = self._numbers.doubtful
            pixels = value.strip()
            fix = f"Write {pixels.replace(',', '.')} or {pixels.replace(',', '')}."
            raise line_error(self.path, line, f"`{name}` to be a number of pixels", f"{value!r}, which may be two", fix)

    def notes(self) -> list[str]:
        """Say what was read in another way than it is written."""
        notes = [f"decimal commas as in {self._numbers.comma}"] if self._numbers.comma else []
        return notes + (["backslashes in paths as slashes"] if self._has_backslashes else [])


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # an int of thousands of digits
        return "a number of thousands of digits"
