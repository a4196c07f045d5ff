"""Coordinates of points as people write them, and what is often wrong with them."""

import math
import re
from collections.abc import Sequence
from typing import Any

MAX_COORDINATE = 1e9
"""No image is larger, in pixels."""

_COMMA = re.compile(r"\s*[+-]?(\d+),(\d+)\s*")
_PERCENT = 100
_MAX_CHANCE = 1e-3


class CoordinateReader:
    """Reads the coordinates of one file.

    Attributes:
        comma: The first number with a decimal comma, as it stands in the file; empty where there is none.
        doubtful: What was passed with the first number whose comma may also separate thousands; None where there is
            none, or where another number shows that commas are decimal.
    """

    def __init__(self) -> None:
        self.comma = ""
        self.doubtful: Any = None
        self._is_decimal = False

    def read(self, value: Any, where: Any = None) -> int | None:
        """Read a coordinate: the pixel that it falls in, None for what is no number of pixels.

        Args:
            value: A number or a text, such as ``'431.5'`` or ``'431,5'``.
            where: What to remember of a doubtful comma.

        Example:
            >>> reader = CoordinateReader()
            >>> reader.read("431,5"), reader.read(7.9), reader.read("nan"), reader.read(True)
            (431, 7, None, None)
        """
        try:
            if isinstance(value, str):
                value = self._with_point(value, where)
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return math.floor(number) if abs(number) < MAX_COORDINATE else None

    def _with_point(self, text: str, where: Any) -> str:
        if "_" in text:  # Python's own way to write a number
            return ""
        match = _COMMA.fullmatch(text)
        if match is None:
            return text
        self.comma = self.comma or text.strip()
        if len(match[2]) != 3 or match[1].startswith("0") or len(match[1]) > 3:
            self._is_decimal, self.doubtful = True, None
        elif not self._is_decimal and self.doubtful is None:
            self.doubtful = where
        return text.replace(",", ".")


def explain_outside(x: int, y: int, width: int, height: int) -> str:
    """Say what may be wrong with a point that lies outside its image: a question, or nothing.

    Example:
        >>> explain_outside(700, 20, 640, 720), explain_outside(641, 9, 640, 9)
        ('Are x and y exchanged?', '')
        >>> explain_outside(412345, 5341234, 640, 480)
        'Are these map coordinates? Convert them to pixels of the image.'
    """
    if 0 <= y < width and 0 <= x < height:
        return "Are x and y exchanged?"
    if max(abs(x), abs(y)) > 10 * max(width, height):
        return "Are these map coordinates? Convert them to pixels of the image."
    return ""


def describe_outside(x: int, y: int, size: tuple[int, int], name: str) -> str:
    """Say in a message that a point lies outside its image, and what may be wrong.

    Args:
        x: Column.
        y: Row.
        size: Height and width of the image.
        name: Of the image.

    Example:
        >>> describe_outside(9, 3, (4, 5), "a.png")
        'expected x in 0..4 and y in 0..3 inside a.png, got x=9, y=3. Move the point, or remove it.'
    """
    fix = explain_outside(x, y, size[1], size[0]) or "Move the point, or remove it."
    return f"expected x in 0..{size[1] - 1} and y in 0..{size[0] - 1} inside {name}, got x={x}, y={y}. {fix}"


def look_like_percent(places: Sequence[tuple[int, int]], width: int, height: int) -> bool:
    """Whether all points of an image lie within 0..100, where hardly one set of points in a thousand would by chance.

    Args:
        places: (row, column) of each point.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
    """
    if len(places) < 2 or min(width, height) < 4 * _PERCENT:
        return False
    chance = (_PERCENT / width) * (_PERCENT / height)
    return chance ** len(places) < _MAX_CHANCE and all(0 <= v <= _PERCENT for place in places for v in place)
