"""Points of other programs as points of this package: pixels of the images as viewers show them.

Read are Label Studio's keypoints (JSON), CVAT's points (XML), labelme (JSON, or a folder of them), CoralNet (CSV),
napari's points layers (CSV), GeoJSON in map coordinates on GeoTIFFs, and the package's own files.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.files import parse_json
from mmseg_ext.points import point_files
from mmseg_ext.points.coordinates import describe_outside, look_like_percent
from mmseg_ext.points.formats.coralnet import read_coralnet
from mmseg_ext.points.formats.cvat import read_cvat
from mmseg_ext.points.formats.geojson import is_geojson, read_geojson
from mmseg_ext.points.formats.label_studio import is_label_studio, read_label_studio
from mmseg_ext.points.formats.labelme import is_labelme, read_labelme, read_labelme_folder
from mmseg_ext.points.formats.marks import ImageFrames, Mark, Marks, mark_error
from mmseg_ext.points.formats.napari import read_napari
from mmseg_ext.points.label_budget import Frame
from mmseg_ext.points.point_files import Point, PointFile
from mmseg_ext.points.text_decoding import decode_text

FORMATS = ("label_studio", "cvat", "labelme", "coralnet", "napari", "geojson", "own")
STORED_FORMATS = ("napari",)
"""Formats of programs that ignore the EXIF orientation of photographs."""

_EDGE = 0.5
"""A click on the edge of an image may come out as that many pixels outside of it."""

_UPLOAD_MARK = re.compile(r"[0-9a-f]{8}-")
"""What Label Studio puts before the names of uploaded files."""


@dataclass(frozen=True)
class _Source:
    """A file whose format is known, and what was read to know it."""

    path: Path
    format: str
    content: Any = None
    header: frozenset[str] = frozenset()


def read_points(
    path: str | Path,
    images: ImageFrames,
    classes: Sequence[str] | None = None,
    format: str | None = None,
    frame: Frame | None = None,
) -> PointFile:
    """Read a file of points of this or another program.

    Args:
        path: The file; a folder for the files of labelme in it.
        images: The images that the points are of.
        classes: The classes that there may be; an index stands for its name. None takes all labels as they are.
        format: One of :data:`FORMATS`; None recognises it by the content.
        frame: What the coordinates count in: 'shown', the image as viewers show it, or 'stored', before its EXIF
            orientation; None takes what the program does.

    Returns:
        The points, named by the image's path relative to its folder, and in `notes` sentences on what was left out and
        what looks wrong.

    Raises:
        UserError: The format is not known, a place is not of it, a class is none of `classes`, an image does not exist
            or a point lies outside of it.
    """
    source = _recognise(Path(path), format)
    try:
        found = _READERS[source.format](source, images)
    except (AttributeError, KeyError, TypeError, IndexError) as error:  # a list where an object should be …
        raise UserError(
            f"Expected points of the format {source.format} in {path}, got a file of another structure ({error}). "
            "Export it again, or name its --format."
        ) from error
    placer = _Placer(source.path, images, frame or ("stored" if source.format in STORED_FORMATS else "shown"))
    marks = found.marks if classes is None else _named(source.path, found.marks, classes)
    points = [placer.place(mark) for mark in marks]
    left_out = [f"{count} × {kind}" for kind, count in found.left_out.items()]
    notes = [f"Left out, as they are no labelled points: {', '.join(left_out)}."] if left_out else []
    return PointFile(points, {"format": source.format}, [*notes, *found.notes, *placer.doubts()])


def _recognise(path: Path, format: str | None) -> _Source:
    if format is not None and format not in FORMATS:
        raise UserError(f"Expected a format, one of {', '.join(FORMATS)}, got {format!r}.")
    if path.is_dir():
        return _Source(path, "labelme")
    suffix = path.suffix.lower()
    if format == "own" or suffix in (".jsonl", ".ndjson"):
        return _Source(path, "own")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the points {path}: {error.strerror}. Check the path.") from error
    if format == "cvat" or suffix == ".xml":
        return _Source(path, "cvat", data)
    if suffix in (".json", ".geojson"):
        return _recognise_json(path, data, format)
    if suffix in (".csv", ".tsv"):
        return _recognise_csv(path, data, format)
    raise UserError(f"Expected points in a .csv, .tsv, .jsonl, .json, .geojson or .xml file, or a folder, got {path}.")


def _recognise_json(path: Path, data: bytes, format: str | None) -> _Source:
    try:
        content = parse_json(data)
    except ValueError as error:
        raise UserError(f"Expected JSON in {path}, got a file that does not parse: {error}.") from error
    tests = {"geojson": is_geojson, "labelme": is_labelme, "label_studio": is_label_studio}
    fitting = next((name for name, fits in tests.items() if fits(content) and format in (None, name)), None)
    if fitting is None:
        raise UserError(f"Expected JSON of {format or ', '.join(tests)} in {path}, got none of it. Export it again.")
    return _Source(path, fitting, content)


def _recognise_csv(path: Path, data: bytes, format: str | None) -> _Source:
    try:
        text, _ = decode_text(data)
    except UserError as error:
        raise UserError(f"Cannot read the points {path}: it {error}") from error
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip('" ').startswith(("#", "sep=")))
    header = frozenset(cell.strip(' "').lower() for cell in re.split("[,;\t]", next(lines, "")))
    if format is None:
        format = "napari" if {"axis-0", "axis-1"} <= header else "coralnet" if {"row", "column"} <= header else "own"
    return _Source(path, format, text, header)


def _read_own(source: _Source, images: ImageFrames) -> Marks:
    file = point_files.read_points(source.path)
    marks = [Mark(p.image, p.x, p.y, str(p.label), f"line {p.line}") for p in file.points]
    return Marks(marks, notes=[f"It is read {', '.join(file.notes)}."] if file.notes else [])


_READERS: dict[str, Callable[[_Source, ImageFrames], Marks]] = {
    "label_studio": lambda source, images: read_label_studio(source.path, source.content),
    "cvat": lambda source, images: read_cvat(source.path, source.content),
    "labelme": lambda source, images: (
        read_labelme_folder(source.path) if source.content is None else read_labelme(source.path, source.content)
    ),
    "coralnet": lambda source, images: read_coralnet(source.path, source.content, source.header),
    "napari": lambda source, images: read_napari(source.path, source.content, source.header, images),
    "geojson": lambda source, images: read_geojson(source.path, source.content, images),
    "own": _read_own,
}


def _named(path: Path, marks: Sequence[Mark], classes: Sequence[str]) -> list[Mark]:
    """Hold the labels of marks to the classes, and put names for indices."""
    name_of = {**{str(index): name for index, name in enumerate(classes)}, **{name: name for name in classes}}
    for mark in marks:
        if mark.label not in name_of:
            raise mark_error(path, mark.where, f"a class, one of {', '.join(classes)}", repr(mark.label))
    return [mark._replace(label=name_of[mark.label]) for mark in marks]


class _Placer:
    """Turns the marks of one file into points in the images as viewers show them."""

    def __init__(self, path: Path, images: ImageFrames, frame: Frame) -> None:
        self.path, self.images, self.frame = path, images, frame
        self.known = set(images.names)
        self.by_bare_name: dict[str, list[str]] = defaultdict(list)
        for name in images.names:
            self.by_bare_name[name.rpartition("/")[2]].append(name)
        self.name_of: dict[str, str] = {}
        self.size_of: dict[str, tuple[int, int]] = {}
        self.in_pixels: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def place(self, mark: Mark) -> Point:
        """Find the image and the pixel of a mark."""
        name = self.name_of.get(mark.image)
        if name is None:
            name = self.name_of[mark.image] = self._find_image(mark)
            self.size_of[name] = self.images.size(name)
        height, width = self.size_of[name]
        is_stored = self.frame == "stored" and mark.unit == "pixel"
        turned = is_stored and self._is_turned(name)
        x, y = (mark.x, mark.y) if mark.unit == "pixel" else (mark.x * width / 100, mark.y * height / 100)
        if turned:
            height, width = width, height
        column, row = _pixel(x, width), _pixel(y, height)
        if not (0 <= column < width and 0 <= row < height):
            raise UserError(f"{self.path}, {mark.where}: {describe_outside(column, row, (height, width), name)}")
        if is_stored:
            column, row = self.images.turn(name, column, row)
        if mark.unit == "pixel":
            self.in_pixels[name].append((row, column))
        return Point(name, column, row, mark.label)

    def _is_turned(self, name: str) -> bool:
        """Whether height and width as stored are exchanged: the first two pixels of a row then stand in a column."""
        (first, _), (second, _) = self.images.turn(name, 0, 0), self.images.turn(name, 1, 0)
        return first == second

    def doubts(self) -> list[str]:
        """Say which units look wrong."""
        names = [
            name for name, places in self.in_pixels.items() if look_like_percent(places, *self.size_of[name][::-1])
        ]
        if not names:
            return []
        height, width = self.size_of[names[0]]
        others = f" and of {len(names) - 1} other images" if len(names) > 1 else ""
        return [
            f"All points of {names[0]}{others} lie within 0..100, and it is {width} wide and {height} high. If they "
            "are percent, convert them to pixels."
        ]

    def _find_image(self, mark: Mark) -> str:
        """Find the image by its path, or else the one whose path ends in most of the same folders."""
        parts = [part for part in mark.image.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if "/".join(parts) in self.known:
            return "/".join(parts)
        bare = parts[-1] if parts else ""
        found = self.by_bare_name.get(bare) or self.by_bare_name.get(_UPLOAD_MARK.sub("", bare, count=1), [])
        scores = {name: _common_end(name.split("/"), parts) for name in found}
        best = [name for name, score in scores.items() if score == max(scores.values())]
        if len(best) == 1:
            return best[0]
        fix = "Write the path below the folder of the images, upper and lower case as on disk."
        if best:
            raise mark_error(self.path, mark.where, "an image", f"{bare!r}: {', '.join(best[:MAX_LISTED])}", fix)
        folded = {name.rpartition("/")[2].casefold(): name for name in self.images.names}
        near = folded.get(bare.casefold())
        hint = f"; there is {near!r}" if near else f", such as {self.images.names[0]!r}" if self.images.names else ""
        raise mark_error(self.path, mark.where, f"one of the {len(self.known)} images{hint}", repr(mark.image), fix)


def _pixel(value: float, size: int) -> int:
    """Return the pixel of a coordinate; a little outside of the image it is the one at the edge."""
    if -_EDGE <= value <= size + _EDGE:
        return min(max(int(value), 0), size - 1)
    return int(value // 1)


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the equal parts at the end of two paths."""
    count = 0
    for first, second in zip(reversed(one), reversed(other), strict=False):
        if first != second:
            break
        count += 1
    return count
