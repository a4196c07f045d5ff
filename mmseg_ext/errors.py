"""Errors that a user can fix: their messages, and how commands report them."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable

from mmseg_ext.escaping import accept_any_text, printable, printable_lines

MAX_LISTED = 5


class UserError(ValueError):
    """Something in the data, the config or the command that its user can fix.

    The message says what was expected, what came and what to do, with the path or the value.
    """


WRITTEN_BY_A_RUN = "where the run writes: its work dir, its output folder, the cache in ~/.cache/mmseg_ext"
_FREE_SPACE = "Free some space there, or name another folder."
_CORRECT_PERMISSIONS = "Correct the permissions, or name another folder."
_FIXES = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "Name a folder on a disk that takes files of this size.",
    errno.EROFS: _CORRECT_PERMISSIONS,
    errno.EACCES: _CORRECT_PERMISSIONS,
    errno.EPERM: _CORRECT_PERMISSIONS,
    errno.EMFILE: "Allow more open files (ulimit -n), or use fewer workers.",
    errno.ENOMEM: "Use fewer workers or a smaller batch.",
    errno.EIO: "The disk or the network drive has failed: check it, and start again.",
    errno.ESTALE: "The network drive has lost the file: start again.",
    errno.ENOENT: "It may have been moved or removed: put it there, or name another.",
}


def describe_os_error(error: OSError) -> str | None:
    """Say in one line what the system refused, for which file, and what to do; None where neither is known.

    Example:
        >>> describe_os_error(OSError(errno.EROFS, "Read-only file system", "/cd/log"))
        '/cd/log: Read-only file system. Correct the permissions, or name another folder.'
    """
    fix = _FIXES.get(error.errno or 0, "")
    if not isinstance(error.filename, str | bytes | os.PathLike):
        if not fix:
            return None
        return f"{error.strerror}, {WRITTEN_BY_A_RUN}. {fix}"
    return f"{os.fsdecode(error.filename)}: {error.strerror}. {fix}".rstrip()


class MissingFileError(UserError, FileNotFoundError):
    """A file that a user named is not there; an OSError too, for code that handles these."""


class MissingLogitsError(UserError, AttributeError):
    """The logits of a prediction were not kept; an AttributeError too, so that ``hasattr`` is False."""


def run_command(command: Callable[[], int | None], stopped: str = "Stopped.") -> int:
    """Run a command and turn what ends it into an exit status.

    Args:
        command: Does the work; returns an exit status, or None for 0.
        stopped: Printed after Ctrl-C.

    Returns:
        The status of `command`; 2 after a :class:`UserError` or a refusal of the system (:func:`describe_os_error`),
        which is printed to stderr without a traceback; 130 after Ctrl-C; 141, without a message, where the reader of
        the output has ended, as in ``| head``.
    """
    accept_any_text()
    try:
        status = command() or 0
        sys.stdout.flush()
        return status
    except UserError as error:
        sys.stderr.write(f"error: {printable_lines(error)}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{stopped}\n")
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more at exit, and would complain.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        line = describe_os_error(error)
        if line is None:
            raise
        sys.stderr.write(f"error: {printable(line)}\n")
        return 2


def missing_packages(what: str, *packages: str, otherwise: str = "") -> UserError:
    """Return the error to raise where optional packages are not installed.

    Args:
        what: What they are for.
        packages: Their names on PyPI.
        otherwise: What else the user can do, such as 'or name a file'.

    Example:
        >>> str(missing_packages("rasters", "rasterio"))
        'Expected the package rasterio for rasters, found none. Install it with: python -m pip install rasterio.'
    """
    word, them = ("package", "it") if len(packages) == 1 else ("packages", "them")
    command = f"python -m pip install {' '.join(packages)}{f'; {otherwise}' if otherwise else ''}"
    return UserError(
        f"Expected the {word} {' and '.join(packages)} for {what}, found none. Install {them} with: {command}."
    )


def out_of_range(
    name: str, values: Iterable[int], num_classes: int, ignore_index: int | None = None, num_pixels: int | None = None
) -> str:
    """Say that values are no class indices.

    Args:
        name: What the values are, in the plural.
        values: The distinct values that are out of range.
        num_classes: C: class indices are 0..C-1.
        ignore_index: Marks pixels without a label; None where it is not allowed either.
        num_pixels: Pixels of these values, if they are known.

    Example:
        >>> out_of_range("labels", [7, 9], 3, 255)
        'Expected labels in 0..2 (or 255 where ignored), got [7, 9].'
    """
    ignored = "" if ignore_index is None else f" (or {ignore_index} where ignored)"
    where = "" if num_pixels is None else f" at {num_pixels} pixels"
    return f"Expected {name} in 0..{num_classes - 1}{ignored}, got {sorted(values)[:MAX_LISTED]}{where}."
