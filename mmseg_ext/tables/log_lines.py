"""Read the lines of a log of any size."""

from collections.abc import Iterator
from pathlib import Path

MAX_LINE_BYTES = 2**20
"""A longer line is not read: no log row is that long."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(path: Path) -> Iterator[str | None]:
    r"""Yield the lines of a file, each with its ``\n``; only the last line may lack it, which means that it may be cut.

    Windows line ends become ``\n``, a byte order mark is dropped, bytes that are not UTF-8 become U+FFFD.

    Args:
        path: The file.

    Yields:
        A line, or None for a line of more than :data:`MAX_LINE_BYTES`.
    """
    with path.open("rb") as file:
        if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
            file.seek(0)
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
                yield None
            elif line.endswith(b"\r\n"):
                yield line[:-2].decode("utf-8", "replace") + "\n"
            else:
                yield line.decode("utf-8", "replace")
