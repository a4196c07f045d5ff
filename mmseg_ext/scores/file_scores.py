"""Intervals of what stands in files of image matrices, remembered as long as the files stay the same.

What is remembered is found without NumPy: a second pass over many runs costs a look at the times of their files.
"""

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mmseg_ext.errors import UserError
from mmseg_ext.files import read_cache_file, write_cache_file

if TYPE_CHECKING:
    from mmseg_ext.scores.image_matrices import ImageMatrices

START = "confusion_matrices"
"""How the names of the files begin."""
FORMAT = 2
"""Raised whenever what is computed changes."""
MAX_ENTRIES = 50_000
"""More entries than these are not kept beyond the pass that used them."""

Files = tuple[str, ...]
"""The files of one side: of one run, or of several."""


class FileHead(NamedTuple):
    """What a file says of itself, and its score; `classes` is a digest of their names."""

    iteration: int | None
    prefix: str
    is_test: bool
    classes: int
    score: float


class Bounds(NamedTuple):
    """A number and its interval."""

    estimate: float
    low: float
    high: float


class Comparison(NamedTuple):
    """How far a second side is from a first one.

    Attributes:
        bounds: The difference and its interval.
        p_value: Of the hypothesis that they are equal.
        smallest: The smallest difference that these images show with 80 % power, in points.
        units: What was resampled, in words.
        note: What a reader has to know of that; may be empty.
        least_p: The smallest p-value that so many units can give.
    """

    bounds: Bounds
    p_value: float
    smallest: float
    units: str
    note: str
    least_p: float


class FileScores:
    """Scores of files, each computed once.

    Args:
        groups: What is resampled, see :data:`~mmseg_ext.scores.image_groups.Groups`; a text.
        cache: The file that keeps the results; None keeps them for this object alone.
    """

    def __init__(self, groups: str = "folder", cache: Path | None = None) -> None:
        self.groups = groups
        self.cache = cache
        old = read_cache_file(cache) if cache is not None else None
        self._known: dict[str, Any] = old if isinstance(old, dict) else {}
        self._used: dict[str, Any] = {}
        self._stamps: dict[str, str] = {}
        self._listed: dict[str, list[str]] = {}
        self._read: dict[str, ImageMatrices] = {}
        self._num_known = len(self._known)

    def save(self) -> None:
        """Write the results where there are new ones."""
        self._read.clear()
        if self.cache is None or len(self._known) == self._num_known:
            return
        with contextlib.suppress(OSError):
            write_cache_file(self.cache, self._known if len(self._known) <= MAX_ENTRIES else self._used)

    def files_in(self, folder: str) -> list[str]:
        """Return the files of image matrices in a folder, by name; none where it cannot be read."""
        if folder not in self._listed:
            names = []
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                names = sorted(e.name for e in entries if e.name.startswith(START) and e.name.endswith(".npz"))
            self._listed[folder] = [os.path.join(folder, name) for name in names]
        return self._listed[folder]

    def head(self, path: str, score: str) -> FileHead | None:
        """Return what a file says of itself and its score; None where it cannot be read or has no such score."""

        def compute() -> Any:
            from mmseg_ext.scores.class_scores import score_function

            try:
                matrices = self._matrices(path)
                value = float(score_function(score, matrices.classes)(matrices.counts_N3C.sum(0)))
            except (UserError, OSError):
                return None
            classes = zlib.crc32(repr(matrices.classes).encode(errors="surrogatepass"))
            return [matrices.iteration, matrices.prefix, matrices.is_test, classes, value]

        found = self._remember(["head", score], [path], compute)
        return None if found is None else FileHead(*found)

    def interval(self, files: Files, score: str) -> Bounds:
        """Return the mean score of some runs with its interval.

        Raises:
            UserError: Nothing can be said of these files.
        """

        def compute() -> Any:
            from mmseg_ext.scores.intervals import score_interval

            interval = score_interval(self._runs(files), score, self.groups)
            return [float(interval.estimate), float(interval.low), float(interval.high)]

        return Bounds(*self._remember(["interval", score, self.groups], files, compute))

    def by_class(self, files: Files, kind: str) -> dict[str, Bounds]:
        """Return a score of every class with its interval; see :meth:`interval`."""

        def compute() -> Any:
            from mmseg_ext.scores.intervals import class_intervals

            runs = self._runs(files)
            interval = class_intervals(runs, kind, self.groups)
            ends = (interval.estimate, interval.low, interval.high)
            return dict(zip(runs[0].classes, zip(*(end.tolist() for end in ends), strict=True), strict=True))

        found = self._remember(["classes", kind, self.groups], files, compute)
        return {name: Bounds(*values) for name, values in found.items()}

    def difference(self, first: Files, second: Files, score: str) -> Comparison:
        """Compare two sides on the same images.

        Raises:
            UserError: They are of other images or classes.
        """

        def compute() -> Any:
            from mmseg_ext.scores.paired_difference import least_p_value, paired_difference, smallest_difference

            found = paired_difference(self._runs(first), self._runs(second), score, self.groups)
            ends = float(found.estimate), float(found.low), float(found.high)
            least_p = least_p_value(len(found.units)) if len(first) == len(second) == 1 else 0.0
            numbers = float(found.p_value), smallest_difference(found)
            return [ends, *numbers, found.units.words, found.units.note, least_p]

        bounds, *others = self._remember(["difference", score, self.groups, len(first)], [*first, *second], compute)
        return Comparison(Bounds(*bounds), *others)

    def differences_by_class(self, first: Files, second: Files, kind: str) -> dict[str, tuple[Bounds, float]]:
        """Compare a score of every class; returns the difference and its p-value. See :meth:`difference`."""

        def compute() -> Any:
            from mmseg_ext.scores.paired_difference import class_differences

            runs = self._runs(first)
            found = class_differences(runs, self._runs(second), kind, self.groups)
            columns = (found.estimate, found.low, found.high, found.p_value)
            return dict(zip(runs[0].classes, zip(*(c.tolist() for c in columns), strict=True), strict=True))

        key = ["class differences", kind, self.groups, len(first)]
        found = self._remember(key, [*first, *second], compute)
        return {name: (Bounds(*values), p_value) for name, (*values, p_value) in found.items()}

    def _runs(self, files: Files) -> "list[ImageMatrices]":
        return [self._matrices(path) for path in files]

    def _matrices(self, path: str) -> "ImageMatrices":
        from mmseg_ext.scores.image_matrices import read_image_matrices

        if path not in self._read:
            if len(self._read) >= 64:
                self._read.pop(next(iter(self._read)))
            self._read[path] = read_image_matrices(path)
        return self._read[path]

    def _remember(self, what: Sequence[Any], files: Iterable[str], compute: Callable[[], Any]) -> Any:
        key = repr([FORMAT, *what, *map(self._stamp, files)])
        if key not in self._known:
            self._known[key] = compute()
        self._used[key] = self._known[key]
        return self._known[key]

    def _stamp(self, path: str) -> str:
        if path not in self._stamps:
            try:
                status = os.stat(path)
            except OSError:
                self._stamps[path] = f"{path} missing"
            else:
                times = status.st_size, status.st_mtime_ns, status.st_ctime_ns
                self._stamps[path] = f"{os.path.abspath(path)} {times}"
        return self._stamps[path]
