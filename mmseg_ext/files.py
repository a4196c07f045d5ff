"""Files that are replaced whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing_file(path: str | Path, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a binary file to write; at the end of the block it replaces the file at `path`.

    Readers see the old file or the new one, never a part of it. An error in the block leaves the old file, and so does
    a power cut: the new content is on the disk before it is renamed. A killed process can leave a temporary file
    ``.<name>.<16 hexadecimal digits>`` beside `path`. Permissions follow the umask. Where `path` is a symbolic link,
    its target is replaced and the link stays.

    Args:
        path: The file to write or replace; parent folders are made.
        sync: Whether to wait until the content is on the disk. Without it a power cut can leave an empty file: for
            caches, and for files that are checked when they are read.

    Raises:
        OSError: The file cannot be written; names `path`.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(8)}")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(temporary, "xb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, temporary):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def replace_file(path: str | Path, content: str | bytes, sync: bool = True) -> None:
    """Write a file whole or not at all; see :func:`replacing_file`.

    Args:
        path: The file to write or replace; parent folders are made.
        content: Text (written as UTF-8) or bytes.
        sync: Whether to wait until the content is on the disk.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing_file(path, sync) as file:
        file.write(data)
