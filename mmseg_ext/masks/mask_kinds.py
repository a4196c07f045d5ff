"""What the masks of a folder seem to mean, judged by the values that they hold: a guess with its reasons.

Pure functions on :class:`~mmseg_ext.masks.mask_facts.MaskFacts`; no file is read.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.masks.color_masks import Color, format_color, pack_color, parse_color
from mmseg_ext.masks.mask_facts import MaskFacts

Kind = Literal["index", "color", "binary"]
IGNORED = 255
"""The value that means "not labelled" in masks of class indices."""

MAX_CLASSES = 64
"""Masks of more colours than this were blurred, by JPEG or by resizing."""
RARE_SHARE = 1e-4
"""A colour of less than this share of all pixels is taken for a mistake in the mask, not for a class."""

_MAIN_SHARE = 2e-3
_MAIN_DISTANCE = 48
_MAX_INDEX = 64
_NEARLY = 4


@dataclass
class MaskGuess:
    """What masks seem to mean.

    Attributes:
        kind: 'index' for class indices, 'color' for colours, 'binary' for 0 and 255.
        classes: Names of the classes, in their order.
        colors: The colour of each class in pictures.
        load_labels: Config of the transform that reads the masks.
        reduce_zero_label: Whether 0 means "not labelled" and the classes count from 1.
        doubts: What is not certain, in sentences with the option that says otherwise.
    """

    kind: Kind
    classes: list[str]
    colors: list[str]
    load_labels: dict[str, Any]
    reduce_zero_label: bool = False
    doubts: list[str] = field(default_factory=list)


def guess_masks(
    facts: Sequence[MaskFacts],
    kind: Kind | None = None,
    classes: Sequence[str] | None = None,
    colors: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    are_jpeg: bool = False,
    fix_command: str = "python tools/fix_masks.py MASKS --out FIXED",
) -> MaskGuess:
    """Guess what the masks of a folder mean.

    Args:
        facts: Of all masks.
        kind: The kind, None to guess it.
        classes: Names of the classes, None to number them.
        colors: Colours of the classes, in their order, for colour masks; None takes all that occur.
        ignore: Values, or colours as '#RRGGBB', that mean "not labelled".
        are_jpeg: Whether any of them is a JPEG.
        fix_command: What writes fixed copies of masks that were blurred, without its values; for the message.

    Raises:
        UserError: The masks are blurred, hold one value alone, or do not fit what was given.
    """
    kind = kind or _guess_kind(facts)
    totals: Counter[int] = Counter()
    for one in facts:
        totals.update(one.count(one.colors() if kind != "index" else one.values))
    main = _main_values(totals, kind)
    if any(not one.values for one in facts) or _are_blurred(totals, kind, main, are_jpeg):
        raise _blurred(totals, kind, main, colors, fix_command)
    if kind == "binary":
        return _guess_binary(totals, classes)
    if kind == "index":
        return _guess_index(facts, totals, classes, ignore)
    return _guess_colors(totals, classes, colors, ignore)


def share_of(totals: Mapping[int, int], value: int) -> float:
    """Return the share of pixels that hold a value, in percent."""
    return 100 * totals.get(value, 0) / max(sum(totals.values()), 1)


def _guess_kind(facts: Sequence[MaskFacts]) -> Kind:
    colors = {color for one in facts for color in one.colors()}
    if colors <= {0, 0xFFFFFF} and len(colors) == 2:
        return "binary"
    values = {value for one in facts for value in one.values if one.kind == "index"}
    if any(one.kind == "color" for one in facts):
        return "color"
    if any(one.palette for one in facts):
        return "index" if len(_palette_of(facts)) == len(values) else "color"
    return "index" if _are_indices(values) else "color"


def _are_indices(values: set[int]) -> bool:
    """Whether numbers look like class indices: small, or without large gaps."""
    labels = values - {IGNORED}
    return not labels or max(labels) < _MAX_INDEX or 2 * len(labels) > max(labels)


def _palette_of(facts: Sequence[MaskFacts]) -> dict[int, int]:
    """Return the colour of each index of palette PNGs; those that differ between files are left out."""
    found: dict[int, set[int]] = {}
    for one in facts:
        for value, color in zip(one.values, one.colors(), strict=True):
            found.setdefault(value, set()).add(color)
    return {value: next(iter(several)) for value, several in found.items() if len(several) == 1}


def _guess_binary(totals: Mapping[int, int], classes: Sequence[str] | None) -> MaskGuess:
    names = list(classes or ("background", "foreground"))
    if len(names) == 1:
        names.insert(0, "background")
    if len(names) != 2 or not set(totals) <= {0, 0xFFFFFF}:
        found = ", ".join(map(_hex, list(totals)[:MAX_LISTED]))
        raise UserError(f"Expected masks of 0 and 255, and at most two --classes, got {found} and {len(names)} names.")
    doubts = [] if classes else ["255 is taken as the class, 0 as the background: name them by --classes."]
    load = {"type": "mmseg_ext.LoadBinaryAnnotations", "kind": "0/255"}
    return MaskGuess("binary", names, ["#E6E6E6", "#DC143C"], load, doubts=doubts)


def _guess_index(
    facts: Sequence[MaskFacts], totals: Mapping[int, int], classes: Sequence[str] | None, ignore: Sequence[str]
) -> MaskGuess:
    ignored = {_index(text) for text in ignore} | {IGNORED}
    labels = sorted(set(totals) - ignored)
    if len(set(totals)) < 2 or not labels:
        raise _one_value(sorted(map(str, totals)))
    doubts = []
    reduces = 0 in ignored or (labels[0] >= 1 and (classes is None or labels[-1] == len(classes)))
    if reduces and 0 not in ignored:
        doubts.append("No mask holds 0: the classes are taken to count from 1. --ignore 255 counts them from 0.")
        if ignore:
            reduces, doubts = False, []
    elif not reduces:
        doubts.append(f"0 ({share_of(totals, 0):.1f} % of the pixels) is taken as a class: --ignore 0 if it is none.")
    count = labels[-1] + (0 if reduces else 1)
    if classes is not None and count > len(classes):
        raise UserError(
            f"Expected labels of {len(classes)} classes, {int(reduces)}..{len(classes) - (not reduces)}, got "
            f"{labels[-1]}. Name all classes by --classes, or leave values out by --ignore."
        )
    absent = [value for value in range(int(reduces), labels[-1] + 1) if value not in totals]
    if absent and classes is None:
        shown = ", ".join(map(str, absent[:MAX_LISTED])) + (" …" if len(absent) > MAX_LISTED else "")
        doubts.append(f"No mask holds {shown}; labels keep their numbers, so these are classes without a pixel.")
    names = list(classes or (f"class {number}" for number in range(count)))
    if classes is None:
        doubts.append("The masks do not say what the classes are called: --classes names them, in the order of values.")
    palette = _palette_of(facts) if any(one.palette for one in facts) else {}
    colors = [
        format_color(_rgb(palette[label + reduces])) if label + reduces in palette else _made_color(label)
        for label in range(len(names))
    ]
    load: dict[str, Any] = {"type": "mmseg_ext.LoadAnnotations"}
    others = sorted(ignored - {0, IGNORED})
    if others:  # as greys, of which any may be left out
        greys = [_hex((label + reduces) * 0x010101) for label in range(len(names))]
        left_out = [_hex(value * 0x010101) for value in sorted(ignored)]
        load = {"type": "mmseg_ext.LoadColorAnnotations", "palette": greys, "ignore_colors": left_out}
        reduces = False
    return MaskGuess("index", names, colors, load, reduces, doubts)


def _guess_colors(
    totals: Mapping[int, int], classes: Sequence[str] | None, colors: Sequence[str] | None, ignore: Sequence[str]
) -> MaskGuess:
    left_out = {pack_color(parse_color(color)) for color in ignore}
    if colors is None:
        palette, rare, doubts = _found_palette(totals, left_out, classes)
    else:
        palette = [pack_color(parse_color(color)) for color in colors]
        rare, doubts = set(totals) - set(palette) - left_out, []
        if rare:
            shown = ", ".join(f"{_hex(c)} ({share_of(totals, c):.2g} %)" for c in sorted(rare)[:MAX_LISTED])
            doubts.append(f"{shown}: none of --colors, taken as not labelled.")
    if len(palette) < 2:
        raise _one_value([_hex(color) for color in totals])
    if classes is not None and len(classes) != len(palette):
        found = ", ".join(f"{_hex(color)} ({share_of(totals, color):.2g} %)" for color in palette)
        raise UserError(
            f"Expected as many --classes as colours, got {len(classes)} for {len(palette)}: {found}. Give the colours "
            "in the order of the classes by --colors, those of no class by --ignore."
        )
    if classes is None:
        doubts.append(
            "The masks do not say what the classes are called: --classes names them, in the order of colours."
        )
    elif colors is None:
        order = ", ".join(f"{name} {_hex(color)}" for name, color in zip(classes, palette, strict=True))
        doubts.append(f"The colours are sorted, so the classes are {order}: --colors gives another order.")
    hexes = [_hex(color) for color in palette]
    load: dict[str, Any] = {"type": "mmseg_ext.LoadColorAnnotations", "palette": hexes}
    if left_out:
        load["ignore_colors"] = [_hex(color) for color in sorted(left_out)]
    if rare:
        load["unknown"] = "ignore"
    return MaskGuess("color", list(classes or (color[1:] for color in hexes)), hexes, load, doubts=doubts)


def _found_palette(
    totals: Mapping[int, int], left_out: set[int], classes: Sequence[str] | None
) -> tuple[list[int], set[int], list[str]]:
    """Take the colours of enough pixels as classes; returns them, the others, and what is in doubt."""
    doubts = []
    rare = {color for color in totals if share_of(totals, color) < 100 * RARE_SHARE} - left_out
    palette = sorted(set(totals) - left_out - rare)
    greys = {color & 255 for color in palette}
    if all(color == (color & 255) * 0x010101 for color in palette) and _are_indices(greys) and palette:
        palette = [value * 0x010101 for value in range(max(greys) + 1)]  # numbers, which they keep
    if rare:
        shown = ", ".join(map(_hex, sorted(rare)[:MAX_LISTED]))
        doubts.append(f"{shown}: too few pixels for a class, taken as not labelled. --colors lists the classes.")
    if classes is None or len(classes) != len(palette):
        doubts.append("All other colours are taken as classes: --ignore '#RRGGBB' leaves one out.")
    return palette, rare, doubts


def _are_blurred(totals: Mapping[int, int], kind: Kind, main: Sequence[int], are_jpeg: bool) -> bool:
    """Whether masks hold more values than classes: those between the few that most pixels have."""
    if are_jpeg and len(totals) > 3:
        return True
    if kind == "index":  # 150 classes are no rarity
        return len(totals) > MAX_CLASSES and sum(totals[value] for value in main) > 0.8 * sum(totals.values())
    return len(totals) > MAX_CLASSES


def _blurred(
    totals: Mapping[int, int], kind: Kind, main: Sequence[int], colors: Sequence[str] | None, fix_command: str
) -> UserError:
    """Make the error for masks with more values than classes, with the command that fixes them."""
    if kind == "index" or all(value == (value & 255) * 0x010101 for value in main):
        found = [str(_unblurred(value) & 255) for value in main]
        option = f"--values {' '.join(found)}"
    else:
        found = list(colors or (_hex(_unblurred(value)) for value in main))
        option = "--colors " + " ".join(f"'{color}'" for color in found)
    return UserError(
        f"Expected masks of a few values, got {len(totals) or 'more than 65536'} different ones: they were saved as "
        f"JPEG, or resized. {', '.join(found) or 'None'} stand out. Fix them with: {fix_command} "
        f"{option if found else '--colors or --values, those of the classes'}; then run this again on the fixed masks."
    )


def _main_values(totals: Counter[int], kind: Kind) -> list[int]:
    """Find the values that stand out: frequent, and far from any that is more frequent."""
    enough = _MAIN_SHARE * sum(totals.values())
    main: list[int] = []
    for value, count in totals.most_common():
        if count < enough or len(main) == MAX_CLASSES:
            break
        place = _place(value, kind)
        if all(np.linalg.norm(place - _place(other, kind)) > _MAIN_DISTANCE for other in main):
            main.append(value)
    return sorted(main)


def _place(value: int, kind: Kind) -> np.ndarray:
    return np.array([value] if kind == "index" else _rgb(value))


def _unblurred(value: int) -> int:
    """Set channels that are nearly 0 or 255, as JPEG leaves them, to these."""
    channels = (0 if c <= _NEARLY else 255 if c >= 255 - _NEARLY else c for c in _rgb(value))
    return pack_color(tuple(channels))


def _one_value(found: Sequence[str]) -> UserError:
    return UserError(
        f"Expected masks of two classes or more, got {', '.join(found) or 'no value'} alone. Is it the folder of the "
        "masks?"
    )


def _index(text: str) -> int:
    if not text.isdecimal() or int(text) > IGNORED:
        raise UserError(f"Expected values in 0..{IGNORED} behind --ignore for masks of class indices, got {text!r}.")
    return int(text)


def _rgb(color: int) -> Color:
    return color >> 16 & 255, color >> 8 & 255, color & 255


def _hex(color: int) -> str:
    return format_color(_rgb(color))


def _made_color(label: int) -> str:
    """Make a colour for a class that the masks have none for; neighbours differ."""
    return format_color((label * 67 % 256, label * 131 % 256, (40 + label * 197) % 256))
