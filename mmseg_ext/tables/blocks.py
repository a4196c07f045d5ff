"""Read files of any size in blocks that never split a message."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

BLOCK_BYTES = 8 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_blocks(path: Path, separator: bytes, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[bytes, bool]]:
    r"""Yield the content of a file in blocks cut before a separator.

    Windows line ends become ``\n`` and a leading byte order mark is dropped. Joined together the blocks are the file.
    Each block comes with the word whether it is the last one, the only one that may end inside a message.

    Args:
        path: the file.
        separator: what a block may be cut before: a newline and the first bytes of a message. The newline stays with
            the earlier block.
        block_bytes: bytes to read at once; a block grows beyond them where no separator is found.
    """
    rest = b""
    is_first = True
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size <= block_bytes:  # the common case, without a copy
            content = file.readall()
            if b"\r" in content:
                content = content.replace(b"\r\n", b"\n")
            if content:
                yield content.removeprefix(_BYTE_ORDER_MARK), True
            return
        while True:
            chunk = file.read(block_bytes)
            if chunk.endswith(b"\r"):
                chunk += file.read(1)
            if b"\r" in chunk:
                chunk = chunk.replace(b"\r\n", b"\n")
            if is_first:
                chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
                is_first = False
            if not chunk:
                if rest:
                    yield rest, True
                return
            cut = chunk.rfind(separator) if len(chunk) >= block_bytes // 2 else -1
            if cut < 0:
                rest += chunk
            else:
                yield rest + chunk[: cut + 1], False
                rest = chunk[cut + 1 :]


def last_message_end(block: bytes) -> int:
    """Return where the last complete line of a block ends: just behind its newline."""
    return block.rfind(b"\n") + 1
