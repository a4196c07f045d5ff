"""Files that are replaced whole or not at all."""

import fcntl
import gzip
import hashlib
import json
import os
import secrets
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mmseg_ext.errors import UserError


def join_below(folder: str | Path, name: str | Path) -> Path:
    """Join a folder and the name of a file that is to be written below it.

    Args:
        folder: The folder.
        name: A relative path, such as one that a dataset's list holds.

    Raises:
        UserError: The path lies outside of the folder. Symbolic links are not followed.

    Example:
        >>> join_below("out", "a/../b.png").as_posix()
        'out/b.png'
    """
    path = Path(os.path.normpath(os.path.join(folder, name)))
    if not path.is_relative_to(os.path.normpath(folder)):
        raise UserError(
            f"Expected a name below {folder} to write to, got {os.fspath(name)!r}. Correct the list of images."
        )
    return path


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

    Raises:
        UserError: The text holds the name of a file that is not in UTF-8.
        OSError: The file cannot be written; names `path`.
    """
    try:
        data = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as error:
        name = ascii(error.object[max(0, error.start - 30) : error.end + 30])
        raise UserError(f"Expected names in UTF-8 to write to {path}, got {name}. Rename the file.") from None
    with replacing_file(path, sync) as file:
        file.write(data)


def refuse_other_file(path: str | Path, command: str, is_own: Callable[[], bool]) -> None:
    """Make sure that a file which is to be written replaces none of another origin.

    Args:
        path: The file to write.
        command: What writes it, for the message.
        is_own: Whether the file that is there was written by the command; called only where there is one.

    Raises:
        UserError: There is another file.
    """
    if os.path.lexists(path) and not is_own():
        raise UserError(
            f"Expected no file at {path}, or one that {command} wrote and nobody changed, found another. Name another "
            "file with --out, or remove it."
        )


def parse_json(text: str | bytes) -> Any:
    """Parse a JSON text that anyone may have written: what cannot be read is one kind of error.

    Raises:
        ValueError: The text is no JSON, is nested too deeply, or holds a number of too many digits.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: str | Path) -> Any:
    """Parse a JSON file, in UTF-8 whatever the locale.

    Raises:
        ValueError: See :func:`parse_json`.
        OSError: The file cannot be read.
    """
    return parse_json(Path(path).read_bytes())


def find_json(path: str | Path) -> Any:
    """Read a JSON file as :func:`read_json` does; None where there is none that can be read."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def write_cache_file(path: str | Path, value: Any) -> None:
    """Write a value that can be computed anew: compressed JSON with a digest, replaced whole.

    Raises:
        OSError: The file cannot be written.
    """
    content = json.dumps(value, separators=(",", ":")).encode()
    replace_file(path, gzip.compress(_digest(content) + content, compresslevel=1), sync=False)


def read_cache_file(path: str | Path) -> Any:
    """Read what :func:`write_cache_file` wrote; None where the file is missing, or was changed since, by a byte."""
    try:
        with gzip.open(path) as file:
            content = file.read()
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return json.loads(content) if digest == _digest(content) else None
    except (OSError, EOFError, ValueError, RecursionError, zlib.error):
        return None


_DIGEST_BYTES = 16


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


_held_locks: dict[str, int] = {}


def take_lock(path: str | Path) -> str | None:
    """Lock a file for this process, until :func:`release_lock` or the end of the process, however it ends.

    The lock is the process's own: its child processes do not hold it, and a killed process does not leave it behind. A
    second call in the same process changes nothing. On a file system without locks there is none.

    Args:
        path: The file, which is made; its folder is there.

    Returns:
        Who holds it instead, such as 'process 12 on host'; None where it was taken.

    Raises:
        OSError: The file cannot be written.
    """
    name = os.path.realpath(path)
    if name in _held_locks:  # to open and close the file again would release the lock
        return None
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(descriptor)
        return holder
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    _held_locks[name] = descriptor
    return None


def release_lock(path: str | Path) -> None:
    """Release a lock of this process."""
    descriptor = _held_locks.pop(os.path.realpath(path), None)
    if descriptor is not None:
        os.close(descriptor)
