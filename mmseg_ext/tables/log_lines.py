"""Read the lines of a log of any size."""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path

MAX_LINE_LENGTH = 2**20
"""Characters of a line; a longer line is not read, since no log row is that long."""

_BLOCK_BYTES = 2**16


class LogLines:
    r"""The lines of a file, in blocks of text: every line has ``\n`` before it and none (nor ``\r``) behind it.

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
            while chunk := file.read(_BLOCK_BYTES):
                text = self.tail + decoder.decode(chunk)
                if "\r" in text:  # most logs have none, and this is far faster than to replace nothing
                    text = text.replace("\r\n", "\n")
                length = text.find("\n")
                if length > MAX_LINE_LENGTH or (is_too_long and length >= 0):
                    text = text[length + 1 :]
                    is_too_long = False
                    self.num_too_long += 1
                lines, _, self.tail = f"\n{text}".rpartition("\n")
                yield lines
                if is_too_long or len(self.tail) > MAX_LINE_LENGTH:
                    is_too_long, self.tail = True, ""
        self.num_too_long += is_too_long
