"""Whether the facts of a file fit what the dataset and its pipeline expect. Pure functions, no file is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from mmseg_ext.data_check.file_facts import MAX_COLORS, ImageFacts, MaskFacts
from mmseg_ext.data_check.report import Problem
from mmseg_ext.masks.color_masks import Color, format_color

IGNORED = 255
"""What mmseg's loading writes for 'not labelled', whatever a dataset's own ignore_index is."""

_MAX_LISTED = 5
_MAX_PALETTE = 12


@dataclass
class LabelFileReport:
    """What one label file holds.

    Attributes:
        counts: Pixels of each class index, after every mapping; 255 and the like may be in it or left out.
        size: Height and width of the mask; None where it has none of its own, as a list of points.
        ignored_colors: Pixels of each colour ('#RRGGBB') that is read as "not labelled".
        unknown_colors: Those of them that nobody named in the config.
        problems: What is wrong with the file.
    """

    counts: dict[int, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    ignored_colors: dict[str, int] = field(default_factory=dict)
    unknown_colors: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@runtime_checkable
class ChecksLabelFile(Protocol):
    """A label-loading transform that knows best how to look at its files.

    A transform with this method is asked instead of the built-in readers. It is called from several threads.
    """

    def check_file(self, results: dict[str, Any]) -> LabelFileReport:
        """Look at the labels of one image.

        Args:
            results: A copy of the dataset's entry (img_path, seg_map_path, …), and `img_shape`, the (height, width)
                of the image, where it could be read.

        Returns:
            What the file holds. A UserError that this raises is reported as a problem of the image.
        """
        ...  # pragma: no cover


@runtime_checkable
class JudgesMask(Protocol):
    """A label-loading transform that knows what its masks may hold, and leaves reading them to the check.

    What was read is kept from run to run, as it is for the built-in readers.
    """

    def judge_mask(self, path: str, facts: MaskFacts, spec: "LabelSpec") -> LabelFileReport:
        """Count the classes of a mask and find what training would take wrongly or not at all.

        Args:
            path: The mask, for messages.
            facts: What it holds, as Pillow reads it.
            spec: The dataset's classes and label map.
        """
        ...  # pragma: no cover


@runtime_checkable
class ChecksEntries(Protocol):
    """A transform that needs to know something of every image before training, from a file for example."""

    def check_entries(self, entries: Sequence[Mapping[str, Any]]) -> list[Problem]:
        """Find what it lacks.

        Args:
            entries: The dataset's entries (img_path, …).
        """
        ...  # pragma: no cover


@dataclass(frozen=True)
class LabelSpec:
    """How labels are read and what they may be.

    Attributes:
        classes: Names of the classes.
        reader: 'index' for LoadAnnotations, 'color' for LoadColorAnnotations.
        palette: Colours of the classes: those of LoadColorAnnotations, or else those of the dataset.
        ignore_colors: Colours that mean "not labelled".
        unknown: What a colour that no class has is: an 'error', or counted and ignored.
        ignore_index: The dataset's label for "not labelled", beside 255.
        reduce_zero_label: Whether 0 means "not labelled" and every other label counts from 1.
        label_map: Old to new class index, applied last.
        allow_palette: Whether the indices of palette PNGs are class indices, whatever their colours.
    """

    classes: Sequence[str]
    reader: Literal["index", "color"] = "index"
    palette: Sequence[Color] = ()
    ignore_colors: Sequence[Color] = ()
    unknown: Literal["error", "ignore"] = "error"
    ignore_index: int = IGNORED
    reduce_zero_label: bool = False
    label_map: Mapping[int, int] | None = None
    allow_palette: bool = False

    def to_class(self, label: int) -> int:
        """The class index that training sees for a label on disk, as mmseg's LoadAnnotations computes it."""
        if self.reduce_zero_label:
            label = IGNORED if label in (0, 255) else label - 1
        return self.map_class(label)

    def map_class(self, index: int) -> int:
        """Apply the label map alone."""
        return self.label_map.get(index, index) if self.label_map else index

    def is_ignored(self, index: int) -> bool:
        """Whether a class index means "not labelled"."""
        return index in (IGNORED, self.ignore_index)

    def is_valid(self, index: int) -> bool:
        """Whether training accepts this class index. Without class names every index is."""
        return self.is_ignored(index) or 0 <= index < len(self.classes) or not self.classes

    def allowed(self) -> str:
        """The labels that a mask may hold, for messages."""
        count = len(self.label_map) if self.label_map else len(self.classes)
        ignored = " or ".join(str(v) for v in sorted({IGNORED, self.ignore_index}))
        if self.reduce_zero_label:
            return f"1..{count}, and 0 or {ignored} for 'not labelled' (reduce_zero_label=True)"
        return f"0..{count - 1}, and {ignored} for 'not labelled'"


def judge_image(path: str, facts: ImageFacts) -> list[Problem]:
    """Whether an image is what the stock pipeline takes: 8 bits, and up to three bands beside transparency."""
    if facts.bits > 8:
        what = f"holds {facts.bits} bits a channel (mode {facts.mode}); the pipeline takes 8"
        mend = "Save it with 8 bits, or read it with a transform of your own"
    elif facts.bands > 3:
        what = f"holds {facts.bands} bands; the pipeline takes 3 channels"
        mend = "Save the three bands to train on as RGB, or read it with a transform of your own"
    else:
        return []
    return [Problem(path, what, f"{mend}.", "image format")]


def judge_mask(path: str, facts: MaskFacts, spec: LabelSpec) -> LabelFileReport:
    """Count the classes of a mask and find what training would take wrongly or not at all."""
    report = LabelFileReport(size=(facts.height, facts.width))
    if not facts.values:
        what = f"holds more than {MAX_COLORS} colours: a photograph, or a mask saved as JPEG, not labels"
        report.problems.append(Problem(path, what, "Save the mask as PNG, in the colours of the classes.", "no mask"))
    elif spec.reader == "color":
        _judge_colors(path, facts, spec, report)
    elif facts.kind == "color":
        report.problems.append(_color_where_index(path, facts))
    elif facts.palette and not _palette_is_classes(facts, spec):
        report.problems.append(_palette_where_index(path, facts))
    else:
        _judge_indices(path, facts, spec, report)
    return report


def _judge_indices(path: str, facts: MaskFacts, spec: LabelSpec, report: LabelFileReport) -> None:
    wide = {v: n for v, n in zip(facts.values, facts.counts, strict=True) if not 0 <= v <= 255}
    bad: dict[int, int] = {}
    for label, count in zip(facts.values, facts.counts, strict=True):
        index = spec.to_class(label)
        report.counts[index] = report.counts.get(index, 0) + count
        if label not in wide and not spec.is_valid(index):
            bad[label] = count
    if wide:
        value = max(wide)
        what = (
            f"holds labels beyond 8 bits, up to {value} ({_pixels(sum(wide.values()))}), which loading "
            f"would wrap: {value} becomes {value % 256}"
        )
        mend = f"Save the mask with 8 bits; the labels may be {spec.allowed()}."
        report.problems.append(Problem(path, what, mend, "16-bit mask"))
    if bad:
        noun = "label" if len(bad) == 1 else "labels"
        what = f"holds {noun} {_listed(bad)} outside the {len(spec.classes)} classes"
        mend = f"The labels may be {spec.allowed()}: correct the mask or the dataset's `classes`."
        report.problems.append(Problem(path, what, mend, "label outside the classes"))


def _judge_colors(path: str, facts: MaskFacts, spec: LabelSpec, report: LabelFileReport) -> None:
    # As colors_to_indices does, a later class wins where two have the same colour.
    indices = {_pack(color): index for index, color in enumerate(spec.palette)}
    ignored = {_pack(color) for color in spec.ignore_colors}
    for packed, count in facts.colors().items():
        if packed in indices:
            index = spec.map_class(indices[packed])
        else:
            index = IGNORED
            report.ignored_colors[_hex(packed)] = count
            if packed not in ignored:
                report.unknown_colors[_hex(packed)] = count
        report.counts[index] = report.counts.get(index, 0) + count
    if report.unknown_colors and spec.unknown == "error":
        names = list(report.unknown_colors)
        subject = "a colour" if len(names) == 1 else "colours"
        what = f"holds {_listed(report.unknown_colors)}, {subject} that no class has"
        if facts.kind == "index" and not facts.palette:
            mend = "It looks like a mask of class indices: read it with LoadAnnotations."
        else:
            mend = (
                f"Give LoadColorAnnotations ignore_colors={names[:_MAX_LISTED]}, add the colour of the class to its "
                "palette, or ignore all such pixels with unknown='ignore'."
            )
        report.problems.append(Problem(path, what, mend, "colour that no class has"))


def _palette_is_classes(facts: MaskFacts, spec: LabelSpec) -> bool:
    """Whether the indices of a palette PNG are meant: the colours are those of the classes, or a ramp of greys."""
    if spec.allow_palette or all(c == v * 0x010101 for v, c in zip(facts.values, facts.palette, strict=True)):
        return True
    classes = [(spec.to_class(v), c) for v, c in zip(facts.values, facts.palette, strict=True)]
    colors = [_pack(color) for color in spec.palette]
    return all(spec.is_ignored(i) or (i < len(colors) and colors[i] == c) for i, c in classes)


def _palette_where_index(path: str, facts: MaskFacts) -> Problem:
    what = f"is a palette PNG where class indices are expected; its indices stand for {_shares(facts)}"
    mend = (
        f"Read it with dict(type='mmseg_ext.LoadColorAnnotations', palette={_palette(facts)} in the order of the "
        "classes) in place of LoadAnnotations; if its indices are the classes, set DataCheckHook(allow_palette=True)."
    )
    return Problem(path, what, mend, "palette PNG")


def _color_where_index(path: str, facts: MaskFacts) -> Problem:
    what = f"is a colour mask (mode {facts.mode}) where class indices are expected; it holds {_shares(facts)}"
    if all(c == (c & 255) * 0x010101 for c in facts.values):
        mend = "All of it is grey: save it with a single channel of 8 bits."
    else:
        mend = (
            f"Read it with dict(type='mmseg_ext.LoadColorAnnotations', palette={_palette(facts)} in the order of the "
            "classes) in place of LoadAnnotations."
        )
    return Problem(path, what, mend, "colour mask")


def _pack(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _hex(packed: int) -> str:
    return format_color((packed >> 16, packed >> 8 & 255, packed & 255))


def _palette(facts: MaskFacts) -> str:
    names = [_hex(c) for c in facts.colors()]
    more = ", …" if len(names) > _MAX_PALETTE else ""
    return "[" + ", ".join(repr(n) for n in names[:_MAX_PALETTE]) + more + "]"


def _shares(facts: MaskFacts) -> str:
    colors = sorted(facts.colors().items(), key=lambda item: -item[1])
    total = sum(facts.counts)
    shown = ", ".join(f"{_hex(c)} ({100 * n / total:.2g} %)" for c, n in colors[:_MAX_LISTED])
    return shown + (f" and {len(colors) - _MAX_LISTED} more" if len(colors) > _MAX_LISTED else "")


def _pixels(count: int) -> str:
    return f"{count} pixel" + ("" if count == 1 else "s")


def _listed(counts: Mapping[Any, int]) -> str:
    shown = ", ".join(f"{value} ({_pixels(n)})" for value, n in list(counts.items())[:_MAX_LISTED])
    return shown + (f" and {len(counts) - _MAX_LISTED} more" if len(counts) > _MAX_LISTED else "")
