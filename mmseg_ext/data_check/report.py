"""What the data check found: problems and statistics, ready for JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth a warning.

    Attributes:
        path: The file or folder.
        what: What is wrong, with the value; reads on after the path.
        fix: What to do about it, whole sentences.
        kind: Two or three words under which equal problems are counted.
        is_warning: Whether training survives it.
    """

    path: str
    what: str
    fix: str = ""
    kind: str = "other"
    is_warning: bool = False

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.what}. {self.fix}".rstrip())


@dataclass
class DataReport:
    """The statistics and problems of one dataset.

    Attributes:
        classes: The names of the classes.
        num_images: Images in the list, good or bad.
        num_masks: Label files that could be read.
        num_pixels: Pixels of these label files.
        num_labelled_pixels: Those of them that have a class.
        class_pixels: Pixels of each class, after reduce_zero_label and label_map.
        class_images: Images that show each class.
        min_size: Least height and least width of an image; None if no image could be read.
        max_size: Greatest height and greatest width.
        ignored_colors: Pixels of each colour ('#RRGGBB') that a colour mask holds and no class has.
        errors: What makes training wrong or impossible.
        warnings: What training survives.
        seconds: How long the check took.
        from_cache: Images whose files were unchanged since an earlier check and were not read again.
    """

    classes: list[str] = field(default_factory=list)
    num_images: int = 0
    num_masks: int = 0
    num_pixels: int = 0
    num_labelled_pixels: int = 0
    class_pixels: list[int] = field(default_factory=list)
    class_images: list[int] = field(default_factory=list)
    min_size: tuple[int, int] | None = None
    max_size: tuple[int, int] | None = None
    ignored_colors: dict[str, int] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    seconds: float = 0.0
    from_cache: int = 0

    @property
    def labelled_percent(self) -> float:
        """Share of the pixels that have a class, in percent."""
        return 100.0 * self.num_labelled_pixels / self.num_pixels if self.num_pixels else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {**asdict(self), "labelled_percent": self.labelled_percent}

    def raise_if_bad(self, max_shown: int = 10) -> None:
        """Raise UserError if there are errors, one line each, `max_shown` of them at most."""
        raise_for_problems(self.errors, max_shown)

    def summary(self) -> str:
        """One line: images, sizes, labelled share, time."""
        parts = [f"{self.num_images} images"]
        if self.min_size and self.max_size:
            low, high = (f"{h}x{w}" for h, w in (self.min_size, self.max_size))
            parts.append(f"{low} (height x width)" if low == high else f"{low} to {high} (height x width)")
        if self.num_masks:
            parts.append(f"{self.labelled_percent:.1f} % of the pixels labelled")
        else:
            parts.append("no labels")
        return f"{', '.join(parts)}; checked in {self.seconds:.1f} s, {self.from_cache} known from before"

    def add(self, other: "DataReport") -> None:
        """Add the counts and problems of another part of the same dataset."""
        self.classes = self.classes if len(self.classes) >= len(other.classes) else other.classes
        for name in ("num_images", "num_masks", "num_pixels", "num_labelled_pixels", "from_cache"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seconds += other.seconds
        for name in ("class_pixels", "class_images"):
            setattr(self, name, [sum(p) for p in zip_longest(getattr(self, name), getattr(other, name), fillvalue=0)])
        for h, w in filter(None, (other.min_size, other.max_size)):
            self.add_size(h, w)
        self.ignored_colors = dict(Counter(self.ignored_colors) + Counter(other.ignored_colors))
        self.errors += other.errors
        self.warnings += other.warnings

    def add_size(self, height: int, width: int) -> None:
        """Widen the range of image sizes to hold this one."""
        low, high = self.min_size or (height, width), self.max_size or (height, width)
        self.min_size = (min(low[0], height), min(low[1], width))
        self.max_size = (max(high[0], height), max(high[1], width))


def raise_for_problems(problems: Sequence[Problem], max_shown: int = 10) -> None:
    """Raise UserError with one line a problem, or return if there are none.

    Each kind of problem is shown once before any is shown a second time, so that a thousand missing masks do not hide
    the one truncated image. The last line counts what is not shown, by kind.
    """
    problems = list(dict.fromkeys(problems))
    if not problems:
        return
    seen: Counter[str] = Counter()
    ranks = []
    for problem in problems:
        ranks.append(seen[problem.kind])
        seen[problem.kind] += 1
    order = sorted(range(len(problems)), key=lambda i: ranks[i])
    lines = [str(problems[i]) for i in order[:max_shown]]
    rest = Counter(problems[i].kind for i in order[max_shown:])
    if rest:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in rest.most_common())
        lines.append(f"… and {rest.total()} more: {kinds}")
    raise UserError("\n".join(lines))
