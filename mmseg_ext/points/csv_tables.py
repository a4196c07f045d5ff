"""Tables of points in CSV as people have them: separated by commas, semicolons or tabs, with comments between."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmseg_ext.errors import UserError

COLUMNS = ("image", "x", "y", "class")
"""Columns that a table of points has, and keys of its JSON Lines."""

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_DELIMITER_LINE = re.compile(r'"?sep=(.)"?[,;\t]*')  # Excel's own first line
_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d*)?\s*")
_LONGEST_SHOWN = 60


class Row(NamedTuple):
    """A line of a table.

    Attributes:
        line: Line of the file, from 1; the first of a record of several.
        cells: All of them.
    """

    line: int
    cells: list[str]


def line_error(path: Any, line: int, expected: str, got: str, fix: str = "") -> UserError:
    """Make the error for a line of a file of points."""
    shown = got if len(got) <= _LONGEST_SHOWN else got[: _LONGEST_SHOWN - 1] + "…"
    return UserError(f"{path}, line {line}: expected {expected}, got {shown}.{' ' + fix if fix else ''}")


def _header_cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a cell is too long for a name
        return []


class CsvTable:
    """The rows of a CSV file, one after the other.

    Args:
        path: The file, for messages.
        text: Its content.
        names: Columns that its header must have, in lower case; the second and third hold numbers.

    Attributes:
        about: What the comments say, as far as they were read: ``# key: value``.
        columns: Positions of `names` in a row.
        delimiter: What separates cells; None before the header is read.
    """

    def __init__(self, path: Any, text: str, names: Sequence[str] = COLUMNS) -> None:
        self.path = path
        self.text = text
        self.names = names
        self.about: dict[str, Any] = {}
        self.columns: tuple[int, ...] = ()
        self.delimiter: str | None = None
        self._in_record = False

    def notes(self) -> list[str]:
        """Say how the table differs from one that is separated by commas."""
        return [] if self.delimiter in (None, ",") else [f"separated by {_DELIMITERS[str(self.delimiter)]}"]

    def __iter__(self) -> Iterator[Row]:
        """Iterate the rows below the header; empty ones are left out.

        Raises:
            UserError: There is no header, or a line is not of the format.
        """
        lines = io.StringIO(self.text, newline="")  # ends lines at LF, CR and CRLF, and nowhere else
        num_header_lines, width = self._read_header(lines)
        reader = csv.reader(
            self._without_comments(lines, num_header_lines, width), delimiter=str(self.delimiter), strict=True
        )
        line = num_header_lines + 1
        try:
            for cells in reader:
                self._in_record = False
                if len(cells) == width and cells[0]:
                    yield Row(line, cells)
                elif any(cell.strip() for cell in cells):
                    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
                        raise self._wrong_width(line, width, cells)
                    yield Row(line, cells)
                line = num_header_lines + reader.line_num + 1
        except csv.Error as error:
            limit = f"cells of at most {csv.field_size_limit():,} characters, each with its closing quotation mark"
            raise line_error(self.path, line, limit, str(error)) from error

    def _read_header(self, lines: io.StringIO) -> tuple[int, int]:
        """Read the file up to its header; return its lines and its columns."""
        found, number = "nothing", 1
        for number, line in enumerate(lines, 1):
            stripped = line.strip().lstrip('"')
            if stripped.startswith("#"):
                self._note(stripped)
            elif stripped.strip(",;\t") and not _DELIMITER_LINE.fullmatch(line.strip()):
                for delimiter in _DELIMITERS:
                    header = _header_cells(line, delimiter)
                    if all(header.count(name) == 1 for name in self.names):
                        while not header[-1]:  # a spreadsheet fills up the shorter lines
                            header.pop()
                        self.delimiter = delimiter
                        self.columns = tuple(map(header.index, self.names))
                        return number, len(header)
                found = line.strip()
                break
        names = ",".join(self.names)
        fix = f"Write {names} as its first line; each of them once, separated by commas, semicolons or tabs."
        raise line_error(self.path, number, f"a header with {', '.join(self.names)}", found, fix)

    def _without_comments(self, lines: io.StringIO, before: int, width: int) -> Iterator[str]:
        """Iterate the lines; a comment, which never begins inside of quotation marks, becomes an empty line."""
        for number, line in enumerate(lines, before + 1):
            if self._in_record or not line.startswith("#"):
                self._in_record = True
                yield line
            else:
                self._note_below_header(line, number, width)
                yield "\n"

    def _note_below_header(self, line: str, number: int, width: int) -> None:
        cells = line.rstrip("\r\n").split(str(self.delimiter))
        if line[1:2].strip() and len(cells) >= width and all(_NUMBER.fullmatch(cells[c]) for c in self.columns[1:3]):
            fix = "Write ./ before the name of an image that begins with #, and a space behind the # of a comment."
            raise line_error(self.path, number, "a comment or a point", f"{line.strip()}, which may be either", fix)
        self._note(line)

    def _note(self, line: str) -> None:
        key, colon, value = line[1:].partition(":")
        if colon:
            self.about[key.strip()] = value.strip().rstrip('",;\t').rstrip()

    def _wrong_width(self, line: int, width: int, cells: Sequence[str]) -> UserError:
        fix = ""
        if len(cells) > width:
            fix = "Put a field that holds a comma into quotation marks"
            fix += "; write 431.5 for 431,5, or save the file separated by semicolons."
            fix = fix if self.delimiter == "," else "Name the columns in the header, or remove these."
        return line_error(self.path, line, f"{width} columns", f"{len(cells)}: {str(self.delimiter).join(cells)}", fix)


def write_csv(rows: Sequence[Sequence[Any]], about: Mapping[str, Any], delimiter: str = ",") -> str:
    """Write a table that :class:`CsvTable` reads as it is.

    Args:
        rows: A cell for each of :data:`COLUMNS`.
        about: What the comments are to say, each in one line.
        delimiter: What separates cells.
    """
    text = io.StringIO(newline="")
    for key, value in about.items():
        text.write(f"# {key}: {value}\n")
    plain = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    plain.writerow(COLUMNS)
    for row in rows:
        is_plain = all(cell.isprintable() for cell in row if isinstance(cell, str))  # csv leaves CR without marks
        (plain if is_plain else quoted).writerow(row)
    return text.getvalue()
