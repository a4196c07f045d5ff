"""Run-length encoding as Kaggle has it: column by column, pixels counted from 1.

Shape suffixes: H height, W width.
"""

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions.masks import checked_mask


def encode_rle(mask_HW: np.ndarray) -> str:
    """Write a mask as ``start length start length …``.

    Pixels are counted down the first column, then down the second, from 1. A mask without a positive pixel is the
    empty text.

    Args:
        mask_HW: Booleans, or 0 and 1.

    Raises:
        UserError: The mask has other values or is not (H, W).

    Example:
        >>> encode_rle(np.array([[0, 1], [1, 1]]))
        '2 3'
    """
    flat = checked_mask(mask_HW).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(map(str, np.stack([starts + 1, ends - starts], axis=1).ravel().tolist()))


def decode_rle(rle: str, shape: tuple[int, int]) -> np.ndarray:
    """Read what :func:`encode_rle` writes.

    Args:
        rle: ``start length start length …``; the empty text is an empty mask.
        shape: (H, W).

    Returns:
        bool (H, W).

    Raises:
        UserError: The text is no list of pairs of whole numbers, a run lies outside of the image or has no pixel, or
            runs overlap or are not in order.

    Example:
        >>> decode_rle("2 3", (2, 2)).astype(int)
        array([[0, 1],
               [1, 1]])
    """
    height, width = shape
    try:
        numbers = np.array([int(word) for word in rle.split()], np.int64).reshape(-1, 2)
    except (ValueError, OverflowError):
        raise UserError(f"Expected `start length` pairs of whole numbers, got {rle[:60]!r}.") from None
    starts, lengths = numbers.T
    outside = (starts < 1) | (lengths < 1) | (starts > height * width) | (lengths > height * width + 1 - starts)
    if outside.any():
        at = int(outside.argmax())
        raise UserError(
            f"Expected runs of at least one pixel within 1..{height * width} for an image of {height} × {width} "
            f"(height × width), got {starts[at]} {lengths[at]}."
        )
    ends = starts - 1 + lengths
    overlapping = np.flatnonzero(starts[1:] <= ends[:-1])
    if len(overlapping):
        at = int(overlapping[0])
        raise UserError(
            f"Expected runs in order that do not overlap, got {starts[at]} {lengths[at]} before "
            f"{starts[at + 1]} {lengths[at + 1]}."
        )
    change = np.zeros(height * width + 1, np.int8)
    np.add.at(change, starts - 1, 1)
    np.add.at(change, ends, -1)
    return change[:-1].cumsum(dtype=np.int8).astype(bool).reshape(width, height).T
