"""Commands overwrite no file but those that they wrote themselves."""

import os
from collections.abc import Callable
from pathlib import Path

from mmseg_ext.errors import UserError


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
