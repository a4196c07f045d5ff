"""Masks of one class and its background, as they lie on disk: 0 and 255, or 0 and 1.

Pure functions on files and arrays, shared by the transform that loads such masks and by the check that looks at all of
them before the first step.

Shape suffixes: H height, W width.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import pack_colors

BinaryKind = Literal["0/255", "0/1"]

LABELS_OF_KIND: dict[str, dict[int, int]] = {"0/255": {0: 0, 255: 1}, "0/1": {0: 0, 1: 1, 255: 255}}
"""What each value of a mask means: 0 background, 1 foreground, 255 not labelled."""

_BAD = 254


def check_kind(kind: str) -> None:
    """Refuse a kind of mask that is not known.

    Raises:
        UserError: It is not known.
    """
    if kind not in LABELS_OF_KIND:
        raise UserError(f"Expected `kind` to be one of {', '.join(map(repr, LABELS_OF_KIND))}, got {kind!r}.")


def describe_kind(kind: str) -> str:
    """Say which values a mask of this kind may hold."""
    return {
        "0/255": "0 (background) and 255 (foreground)",
        "0/1": "0 (background), 1 (foreground) and 255 (not labelled)",
    }[kind]


def mend_for(kind: str, values: Collection[float]) -> str:
    """Say what to do about the values that a mask of this kind may not hold."""
    if kind == "0/255" and 1 in values:
        return "If its foreground is 1, set kind='0/1'."
    if len(values) > 2:
        return "It looks like a grey picture or a mask saved as JPEG: save it as PNG with two values."
    return "Correct the mask."


def read_binary_mask(path: str | Path, kind: BinaryKind = "0/255") -> np.ndarray:
    """Read a mask of one class and its background.

    One channel of any depth, one bit a pixel, palette PNGs and colour masks that hold greys alone are read;
    transparency is left out. With '0/255' a palette PNG means its colours, with '0/1' its indices.

    Args:
        path: The mask.
        kind: '0/255', or '0/1' where 255 means "not labelled".

    Returns:
        uint8 (H, W): 0 background, 1 foreground, 255 not labelled.

    Raises:
        UserError: The file cannot be read, or holds other values than its kind allows.
    """
    try:
        with Image.open(path) as mask:
            if mask.mode == "1":
                return np.asarray(mask).astype(np.uint8)
            by_number = mask.mode in ("L", "I", "F") or mask.mode.startswith("I;") or (mask.mode, kind) == ("P", "0/1")
            values_HW = np.asarray(mask) if by_number else pack_colors(np.asarray(mask.convert("RGB")))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"Cannot read the mask {path}: {error}. Replace the file or remove its image.") from error
    if not by_number:
        grey_HW = values_HW & 255
        if (values_HW != grey_HW * 0x010101).any():
            color = int(values_HW[values_HW != grey_HW * 0x010101][0])
            raise UserError(
                f"Expected only {describe_kind(kind)} in {path}, got the colour #{color:06X}. Read masks of "
                "colours with mmseg_ext.LoadColorAnnotations."
            )
        values_HW = grey_HW
    labels_HW = _to_labels(values_HW, kind)
    bad_HW = labels_HW == _BAD
    if bad_HW.any():
        found, counts = np.unique(values_HW[bad_HW], return_counts=True)
        shown = ", ".join(f"{v:g} ({n} pixels)" for v, n in zip(found[:5].tolist(), counts.tolist(), strict=False))
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        mend = mend_for(kind, found.tolist())
        raise UserError(f"Expected only {describe_kind(kind)} in {path}, got {shown}{more}. {mend}")
    return labels_HW


def _to_labels(values_HW: np.ndarray, kind: str) -> np.ndarray:
    """Look the values up; `_BAD` for those that the kind does not allow."""
    if values_HW.dtype == np.uint8:
        table = np.full(256, _BAD, dtype=np.uint8)
        for value, label in LABELS_OF_KIND[kind].items():
            table[value] = label
        return table[values_HW]
    labels_HW = np.full(values_HW.shape, _BAD, dtype=np.uint8)
    for value, label in LABELS_OF_KIND[kind].items():
        labels_HW[values_HW == value] = label
    return labels_HW


def label_counts(facts: Any, kind: BinaryKind) -> tuple[dict[int, int], dict[str, int]]:
    """Count the labels of a mask by what was read of it, as :func:`read_binary_mask` would.

    Args:
        facts: A ``MaskFacts`` of the data check.
        kind: As for :func:`read_binary_mask`.

    Returns:
        Pixels of each label, and pixels of each value (or '#RRGGBB') that the kind does not allow.
    """
    if facts.mode == "1":
        return dict(zip(facts.values, facts.counts, strict=True)), {}
    by_number = facts.kind == "index" and not (facts.palette and kind == "0/255")
    stored = dict(zip(facts.values, facts.counts, strict=True)) if by_number else facts.colors()
    labels: dict[int, int] = {}
    bad: dict[str, int] = {}
    for value, count in stored.items():
        grey = value if by_number else value & 255
        if not by_number and value != grey * 0x010101:
            bad[f"#{value:06X}"] = count
        elif grey not in LABELS_OF_KIND[kind]:
            bad[str(grey)] = count
        else:
            label = LABELS_OF_KIND[kind][grey]
            labels[label] = labels.get(label, 0) + count
    return labels, bad
