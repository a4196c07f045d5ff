"""The error that a user can fix, and messages that several modules share."""

from collections.abc import Iterable

MAX_LISTED = 5


class UserError(ValueError):
    """Something in the data, the config or the command that its user can fix.

    The message says what was expected, what came and what to do, with the path or the value. Commands print the message
    alone, without a traceback, and exit with status 2.
    """


def out_of_range(name: str, values: Iterable[int], num_classes: int, ignore_index: int | None = None) -> str:
    """Say that values are no class indices.

    Args:
        name: What the values are, in the plural.
        values: The distinct values that are out of range.
        num_classes: C: class indices are 0..C-1.
        ignore_index: Marks pixels without a label; None where it is not allowed either.

    Example:
        >>> out_of_range("labels", [7, 9], 3, 255)
        'Expected labels in 0..2 (or 255 where ignored), got 7, 9.'
    """
    ignored = "" if ignore_index is None else f" (or {ignore_index} where ignored)"
    found = sorted(values)
    listed = ", ".join(map(str, found[:MAX_LISTED])) + (", …" if len(found) > MAX_LISTED else "")
    return f"Expected {name} in 0..{num_classes - 1}{ignored}, got {listed}."
