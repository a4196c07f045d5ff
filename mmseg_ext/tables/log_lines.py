"""Read the lines of a log of any size."""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path

MAX_LINE_LENGTH = 2**20
"""Characters of a line; a longer line is not read, since no log row is that long."""


class LogLines:
    r"""The lines of a file, without their ends (``\n`` or ``\r\n``).

    Bytes that are not UTF-8 become U+FFFD, and a byte order mark is dropped.

    Args:
        path: The file.

    Attributes:
        tail: What stands behind the last newline, once all lines are read: a last line that may be cut.
        num_too_long: Lines of more than :data:`MAX_LINE_LENGTH`, which are left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tail = ""
        self.num_too_long = 0

    def __iter__(self) -> Iterator[str]:
        decoder = getincrementaldecoder("utf-8-sig")("replace")
        is_too_long = False
        with self.path.open("rb") as file:
            while chunk := file.read(MAX_LINE_LENGTH):
                lines = (self.tail + decoder.decode(chunk)).replace("\r\n", "\n").split("\n")
                self.tail = lines.pop()
                if lines and (is_too_long or len(lines[0]) > MAX_LINE_LENGTH):
                    del lines[0]
                    is_too_long = False
                    self.num_too_long += 1
                yield from lines
                if is_too_long or len(self.tail) > MAX_LINE_LENGTH:
                    is_too_long, self.tail = True, ""
        self.num_too_long += is_too_long
