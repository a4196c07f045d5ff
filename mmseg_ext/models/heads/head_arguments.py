"""Arguments of decode heads that have to fit together; mmseg asserts it without a message."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from mmseg_ext.errors import UserError


def as_list(value: Any) -> list[int]:
    """Put a single number into a list."""
    return [int(value)] if isinstance(value, Integral) else list(map(int, value))


def check_head_arguments(
    name: str,
    in_channels: int | Sequence[int],
    num_classes: int,
    in_index: int | Sequence[int] = -1,
    input_transform: str | None = None,
    out_channels: int | None = None,
) -> None:
    """Check the arguments of a decode head.

    Args:
        name: Of the head, for messages.
        in_channels: Channels of each feature that is used.
        num_classes: Classes.
        in_index: Indices of these features.
        input_transform: How several features become one; None takes a single feature.
        out_channels: Channels of the logits.

    Raises:
        UserError: They do not fit together.
    """
    single = isinstance(in_channels, Integral), isinstance(in_index, Integral)
    if input_transform is None and not all(single):
        expected = "one number each for `in_channels` and `in_index`, as the head uses a single feature"
    elif input_transform is not None and (any(single) or not 0 < len(as_list(in_channels)) == len(as_list(in_index))):
        expected = "lists of the same length for `in_channels` and `in_index`"
    elif out_channels not in (None, num_classes) and (num_classes, out_channels) != (2, 1):
        raise UserError(
            f"{name}: expected out_channels to be num_classes={num_classes}, or 1 with two classes, got {out_channels}."
        )
    else:
        return
    raise UserError(f"{name}: expected {expected}, got {in_channels} and {in_index}.")
