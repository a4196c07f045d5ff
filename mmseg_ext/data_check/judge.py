"""Whether the facts of a file fit what the dataset and its pipeline expect. Pure functions, no file is read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from mmseg_ext.data_check.file_facts import MAX_COLORS, ImageFacts
from mmseg_ext.data_check.report import Problem
from mmseg_ext.errors import MAX_LISTED
from mmseg_ext.masks.color_masks import Color, ColorMeaning, pack_color
from mmseg_ext.masks.index_masks import IndexMeaning
from mmseg_ext.masks.mask_facts import MaskFacts
from mmseg_ext.masks.mask_meaning import FIX_BLURRED, MaskMeaning

IGNORED = 255
"""What mmseg's loading writes for 'not labelled', regardless of a dataset's own ignore_index."""

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
        shared: Problems that many files may have in the same words. Of each kind one is shown, with a count.
    """

    counts: dict[int, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    ignored_colors: dict[str, int] = field(default_factory=dict)
    unknown_colors: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    shared: list[Problem] = field(default_factory=list)


@runtime_checkable
class ChecksLabelFile(Protocol):
    """A label-loading transform that checks its files itself, in place of the check's own readers."""

    def check_file(self, results: dict[str, Any]) -> LabelFileReport:
        """Check the labels of one image. Called from several threads.

        Args:
            results: A copy of the dataset's entry (img_path, seg_map_path, …), and `img_shape`, the (height, width)
                of the image, where it could be read.

        Returns:
            What the file holds. A UserError that this raises is reported as a problem of the image.
        """
        ...  # pragma: no cover


@runtime_checkable
class LoadsMasks(Protocol):
    """A label-loading transform that defines what the values of its masks mean.

    The check reads the masks with Pillow and applies the same meaning to what it has counted.
    """

    def mask_meaning(self, label_map: Mapping[int, int] | None) -> MaskMeaning:
        """Say which label each value has.

        Args:
            label_map: Of the dataset: old to new class index.

        Raises:
            UserError: The loader does not fit the label map.
        """
        ...  # pragma: no cover


@runtime_checkable
class ChecksEntries(Protocol):
    """A transform that needs something for every image, from a file for example."""

    def check_entries(self, entries: Sequence[Mapping[str, Any]]) -> list[Problem]:
        """Find the images for which it is missing.

        Args:
            entries: The dataset's entries (img_path, …).
        """
        ...  # pragma: no cover


@dataclass(frozen=True)
class LabelSpec:
    """Which labels a dataset may hold.

    Attributes:
        classes: Names of the classes.
        palette: Colours of the classes.
        ignored: The labels that mean "not labelled".
        reduce_zero_label: Whether 0 means "not labelled" on disk and every other label counts from 1.
        label_map: Old to new class index, applied last.
        allow_palette: Whether the indices of palette PNGs are class indices, regardless of their colours.
    """

    classes: Sequence[str]
    palette: Sequence[Color] = ()
    ignored: frozenset[int] = frozenset({IGNORED})
    reduce_zero_label: bool = False
    label_map: Mapping[int, int] | None = None
    allow_palette: bool = False

    def is_valid(self, index: int) -> bool:
        """Whether training accepts this label. Without class names it accepts every one."""
        return index in self.ignored or 0 <= index < len(self.classes) or not self.classes

    def allowed(self) -> str:
        """The labels that a mask may hold, for messages."""
        count = len(self.label_map) if self.label_map else len(self.classes)
        ignored = " or ".join(str(v) for v in sorted(self.ignored))
        if self.reduce_zero_label:
            return f"1..{count}, and 0 or {ignored} for 'not labelled' (reduce_zero_label=True)"
        return f"0..{count - 1}, and {ignored} for 'not labelled'"


def judge_image(path: str, facts: ImageFacts) -> list[Problem]:
    """Whether an image is what the stock pipeline takes: 8 bits, and up to three bands beside transparency."""
    if facts.bits > 8:
        what = f"holds {facts.bits} bits a channel (mode {facts.mode}); the pipeline takes 8"
        fix = "Save it with 8 bits, or read it with a transform of your own"
    elif facts.bands > 3:
        what = f"holds {facts.bands} bands; the pipeline takes 3 channels"
        fix = "Save the three bands to train on as RGB, or read it with a transform of your own"
    else:
        return []
    return [Problem(path, what, f"{fix}.", "image format")]


def judge_mask(path: str, facts: MaskFacts, meaning: MaskMeaning, spec: LabelSpec) -> LabelFileReport:
    """Count the labels of a mask and find what training would take wrongly or not at all."""
    report = LabelFileReport(size=(facts.height, facts.width))
    if not facts.values:
        what = f"holds more than {MAX_COLORS} colours: a photograph, or a mask saved as JPEG, not labels"
        fix = f"Save the mask as PNG, in the colours of the classes, or {FIX_BLURRED} --colors or --values."
        report.problems.append(Problem(path, what, fix, "no mask"))
        return report
    if isinstance(meaning, IndexMeaning) and not _holds_indices(facts, meaning, spec):
        report.problems.append(_colors_where_indices(path, facts))
        return report
    unknown: dict[int, int] = {}
    outside: dict[int, int] = {}
    for value, count in facts.count(meaning.values_in(facts)).items():
        label = meaning.label_of.get(value, meaning.ignore_index)
        report.counts[label] = report.counts.get(label, 0) + count
        if value not in meaning.label_of:
            unknown[value] = count
        elif not spec.is_valid(label):
            outside[value] = count
        if isinstance(meaning, ColorMeaning) and value not in meaning.label_of_class_color:
            report.ignored_colors[meaning.name_value(value)] = count
    if unknown and meaning.ignores_unknown:
        report.unknown_colors = {meaning.name_value(value): count for value, count in unknown.items()}
    elif unknown:
        what = f"holds {meaning.list_values(unknown)}, where only {meaning.expected} may be"
        report.problems.append(Problem(path, what, meaning.suggest_fix(unknown), "values that are not allowed"))
    if outside:
        noun = "label" if len(outside) == 1 else "labels"
        what = f"holds {noun} {meaning.list_values(outside)} outside the {len(spec.classes)} classes"
        fix = f"The labels may be {spec.allowed()}: correct the mask or the dataset's `classes`."
        if path.lower().endswith((".jpg", ".jpeg")):
            fix = f"The labels may be {spec.allowed()}; {FIX_BLURRED} --values, those numbers behind it."
        report.problems.append(Problem(path, what, fix, "label outside the classes"))
    return report


def _holds_indices(facts: MaskFacts, meaning: IndexMeaning, spec: LabelSpec) -> bool:
    """Whether a mask holds indices. A palette PNG does if its colours are those of the classes, or a ramp of greys."""
    if facts.kind == "color":
        return False
    if spec.allow_palette or all(c == v * 0x010101 for v, c in zip(facts.values, facts.palette, strict=False)):
        return True
    classes = [(meaning.label_of[v], c) for v, c in zip(facts.values, facts.palette, strict=True)]
    colors = [pack_color(color) for color in spec.palette]
    return all(label in spec.ignored or (label < len(colors) and colors[label] == c) for label, c in classes)


def _colors_where_indices(path: str, facts: MaskFacts) -> Problem:
    counts = Counter(facts.count(facts.colors()))
    shares = [f"#{color:06X} ({100 * n / counts.total():.2g} %)" for color, n in counts.most_common(MAX_LISTED)]
    found = ", ".join(shares) + (f" and {len(counts) - MAX_LISTED} more" if len(counts) > MAX_LISTED else "")
    palette = ", ".join(f"'#{color:06X}'" for color in list(counts)[:_MAX_PALETTE])
    palette += ", …" if len(counts) > _MAX_PALETTE else ""
    fix = (
        f"Read it with dict(type='mmseg_ext.LoadColorAnnotations', palette=[{palette}] in the order of the classes) in "
        "place of LoadAnnotations"
    )
    if facts.palette:
        what = f"is a palette PNG where class indices are expected; its indices stand for {found}"
        fix += "; if its indices are the classes, set DataCheckHook(allow_palette=True)."
        return Problem(path, what, fix, "palette PNG")
    what = f"is a colour mask (mode {facts.mode}) where class indices are expected; it holds {found}"
    if all(color == (color & 255) * 0x010101 for color in counts):
        return Problem(path, what, "All of it is grey: save it with a single channel of 8 bits.", "colour mask")
    return Problem(path, what, f"{fix}.", "colour mask")
