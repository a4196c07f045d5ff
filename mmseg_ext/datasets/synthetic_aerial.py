"""A small generated aerial dataset in LoveDA's layout, for demos and tests without a download.

Every picture is drawn by code: fields with furrows, woods of tree crowns, water, roads, buildings that cast shadows,
bare ground and lawns, seen through haze, blur and sensor noise. Class colours overlap on purpose (brown roofs, bare
ground and ploughed land; grey roofs, yards and asphalt; dark crops and woods), so that colour alone does not solve it.

Labels are LoveDA's: 0 no data, 1 background, 2 building, 3 road, 4 water, 5 barren, 6 forest, 7 agriculture.

The same arguments give the same bytes on every machine. Hence only operations that IEEE 754 defines exactly are used
(+, -, *, /, sqrt, comparisons, one at a time; no sin, exp, matrix products or float sums), only the integer-based draws
of PCG64, and PNG files with stored (not compressed) blocks, since compressed bytes differ between zlib builds.
"""

import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from mmseg_ext.errors import UserError
from mmseg_ext.pictures import write_atomically

NO_DATA, BACKGROUND, BUILDING, ROAD, WATER, BARREN, FOREST, AGRICULTURE = range(8)

_GENERATOR = "mmseg_ext synthetic aerial"
_REVISION = 1  # raise it whenever the drawing changes, so that datasets drawn before are drawn anew
_SPLITS = ("Train", "Val", "Test")
_SCENES = ("Rural", "Urban")
_EXTENT = 256.0  # every picture shows this many length units (about 0.6 m each), whatever its size in pixels

_Color = tuple[float, float, float]
_Region = tuple[slice, slice]
_Vector = tuple[float, float]
_Item = TypeVar("_Item")


def generate_synthetic_aerial(
    root: str | Path,
    num_train: int = 24,
    num_val: int = 8,
    num_test: int = 4,
    size: int = 256,
    seed: int = 0,
) -> Path:
    """Write a generated aerial dataset in LoveDA's official layout.

    The layout is ``root/{Train,Val,Test}/{Urban,Rural}/{images_png,masks_png}/<number>.png`` (Test has no masks), the
    numbers are unique over the whole dataset, as in LoveDA. ``root/dataset.json`` records the arguments. A complete
    dataset of the same arguments is left as it is; an interrupted one, or one of other arguments, is drawn anew.
    The first picture of each scene holds every class of that scene, thus every split that has a rural picture shows
    all classes.

    Args:
        root: The folder to write to: absent, empty, or holding a dataset that this function wrote.
        num_train: Number of training pictures per scene.
        num_val: Number of validation pictures per scene.
        num_test: Number of test pictures per scene.
        size: Height and width of a picture in pixels, at least 32. The land shown is the same at every size.
        seed: Seed of the dataset, non-negative.

    Returns:
        The root as a path.

    Raises:
        UserError: If an argument is out of range, or `root` holds files of another origin.
    """
    root = Path(root)
    counts = {"num_train": num_train, "num_val": num_val, "num_test": num_test}
    for name, value in {**counts, "seed": seed}.items():
        if value < 0:
            raise UserError(f"Expected `{name}` to be 0 or more, got {value}.")
    if size < 32:
        raise UserError(f"Expected `size` to be at least 32 pixels, got {size}.")
    parameters = {"generator": _GENERATOR, "revision": _REVISION, **counts, "size": size, "seed": seed}
    record = root / "dataset.json"
    samples = list(_samples(root, (num_train, num_val, num_test)))

    found = _read_record(root, record)
    if found == {**parameters, "complete": True} and all(sample.is_written(size) for sample in samples):
        return root

    write_atomically(record, _encode_record({**parameters, "complete": False}))
    _remove_stale(root, samples)
    console = Console(stderr=True)
    for sample in track(
        samples, "Drawing aerial pictures", console=console, transient=True, disable=not console.is_terminal
    ):
        image, labels = draw_scene(sample.scene.lower(), size, (seed, *sample.key), complete=sample.key[-1] == 0)
        write_atomically(sample.image, _encode_png(image))
        if sample.mask is not None:
            write_atomically(sample.mask, _encode_png(labels))
    write_atomically(record, _encode_record({**parameters, "complete": True}))
    return root


def draw_scene(scene: str, size: int, seed: Sequence[int], complete: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Draw one aerial picture and its labels.

    Args:
        scene: ``'urban'`` or ``'rural'``.
        size: Height and width in pixels.
        seed: Non-negative integers that name the picture.
        complete: Whether to show every class that the scene can hold, and no no-data border.

    Returns:
        The picture (H, W, 3), uint8 RGB, and the labels (H, W), uint8 in LoveDA's values, 0 to 7.

    Raises:
        UserError: If the scene is neither of the two.
    """
    if scene not in ("urban", "rural"):
        raise UserError(f"Expected `scene` to be 'urban' or 'rural', got {scene!r}.")
    wanted = range(1, AGRICULTURE + 1) if scene == "rural" else range(1, AGRICULTURE)
    for attempt in range(50):
        canvas = _Canvas(np.random.default_rng([*seed, attempt]), size)
        if scene == "urban":
            _draw_urban(canvas, complete)
        else:
            _draw_rural(canvas, complete)
        _plant_trees(canvas)
        areas = np.bincount(canvas.labels.ravel(), minlength=AGRICULTURE + 1)
        if not complete or all(areas[label] > 0.004 * areas.sum() for label in wanted):
            break
    _cast_shadows(canvas)
    return _photograph(canvas, border=not complete and canvas.chance(0.2))


# --- files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sample:
    """One picture of the dataset: where it lies, and the key (split, scene, index) that seeds it."""

    scene: str
    key: tuple[int, int, int]
    image: Path
    mask: Path | None

    def is_written(self, size: int) -> bool:
        """Whether the files are there with the length that they must have."""
        files = [(self.image, 3)] + ([(self.mask, 1)] if self.mask is not None else [])
        return all(p.is_file() and p.stat().st_size == _png_length(size, channels) for p, channels in files)


def _samples(root: Path, counts: Sequence[int]) -> Iterator[_Sample]:
    number = 0
    for split_index, (split, count) in enumerate(zip(_SPLITS, counts, strict=True)):
        for scene_index, scene in enumerate(_SCENES):
            folder = root / split / scene
            for index in range(count):
                mask = folder / "masks_png" / f"{number}.png" if split != "Test" else None
                key = (split_index, scene_index, index)
                yield _Sample(scene, key, folder / "images_png" / f"{number}.png", mask)
                number += 1


def _read_record(root: Path, record: Path) -> dict[str, object] | None:
    """The record of a dataset of ours, None where nothing stands yet."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("generator") != _GENERATOR:
        raise UserError(
            f"Expected `root` to be absent, empty or a dataset generated before, got {root}, which holds something "
            "else and is left untouched. Name another folder, or empty this one."
        )
    return found


def _remove_stale(root: Path, samples: Sequence[_Sample]) -> None:
    """Remove the numbered pictures of a dataset of other arguments, and nothing else."""
    expected = {path for sample in samples for path in (sample.image, sample.mask)}
    for split in _SPLITS:
        for scene in _SCENES:
            for kind in ("images_png", "masks_png"):
                for path in (root / split / scene / kind).glob("*.png"):
                    if path.stem.isdigit() and path not in expected:
                        path.unlink()


def _encode_record(record: dict[str, object]) -> bytes:
    return (json.dumps(record, indent=2) + "\n").encode()


def _encode_png(image: np.ndarray) -> bytes:
    """A PNG file of stored blocks: its bytes do not depend on the zlib at hand, and it reads fast."""
    height, width = image.shape[:2]
    rows = np.zeros((height, 1 + image[0].size), np.uint8)  # each row begins with its filter type, 0
    rows[:, 1:] = image.reshape(height, -1)
    raw = rows.tobytes()
    stream = bytearray(b"\x78\x01")
    for start in range(0, len(raw), 65535):
        block = raw[start : start + 65535]
        last = start + len(block) == len(raw)
        stream += struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
    stream += struct.pack(">I", zlib.adler32(raw))
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if image.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", bytes(stream)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _png_length(size: int, channels: int) -> int:
    raw = size * (1 + size * channels)
    return 8 + 3 * 12 + 13 + 2 + 5 * math.ceil(raw / 65535) + raw + 4


# --- the canvas ------------------------------------------------------------------------------------------------------


class _Canvas:
    """What a scene is drawn on; lengths are in units of a 256th of the picture.

    Args:
        rng: The only source of randomness of the picture.
        size: Height and width in pixels.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng = rng
        self.size = size
        self.pixel = _EXTENT / size
        axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(self.pixel)
        self.x, self.y = axis[None, :], axis[:, None]
        self.color: np.ndarray = np.zeros((size, size, 3), np.float32)  # linear reflectance, about 0 to 1
        self.labels = np.full((size, size), BACKGROUND, np.uint8)
        self.height: np.ndarray = np.zeros((size, size), np.float32)
        self.trees = np.zeros((size, size), np.float32)  # the chance that a tree stands here
        self.sun = self.direction()
        self.dryness = self.between(0, 1)
        self.full: _Region = (slice(0, size), slice(0, size))
        self.grain = self.pixel_noise()
        self.fine = self.noise(2.2)
        self.medium = self.fractal(14, 3)
        self.coarse = self.fractal(70, 2)

    # draws

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.rng.random())

    def chance(self, probability: float) -> bool:
        return float(self.rng.random()) < probability

    def pick(self, items: Sequence[_Item]) -> _Item:
        return items[int(self.rng.integers(len(items)))]

    def direction(self) -> _Vector:
        """A unit vector, uniform over the circle."""
        while True:
            x, y = self.between(-1, 1), self.between(-1, 1)
            square = x * x + y * y
            if 0.01 < square <= 1:
                length = math.sqrt(square)
                return x / length, y / length

    def pixel_noise(self) -> np.ndarray:
        """Independent noise of each pixel, bell-shaped, about -1 to 1."""
        total = self.rng.integers(0, 256, (4, self.size, self.size), np.uint8).sum(axis=0, dtype=np.int32)
        return (total - 510).astype(np.float32) / np.float32(400)

    def noise(self, cell: float) -> np.ndarray:
        """Smooth noise of one scale, about -1 to 1: a quadratic B-spline over a random lattice."""
        cell = max(cell, self.pixel)
        nodes = int(_EXTENT / cell) + 4
        lattice = self.rng.integers(-1024, 1025, (nodes, nodes)).astype(np.float32) / np.float32(640)
        position = self.x[0] / np.float32(cell)
        index = position.astype(np.int64)
        part = position - index
        rest = 1 - part
        weights = (rest * rest / 2, part * rest + np.float32(0.5), part * part / 2)
        rows = sum(lattice[index + k] * weights[k][:, None] for k in range(3))
        return np.asarray(sum(rows[:, index + k] * weights[k][None, :] for k in range(3)), np.float32)

    def fractal(self, cell: float, octaves: int) -> np.ndarray:
        """Noise of several scales, each half as long and half as strong as the one before."""
        total = self.noise(cell)
        for octave in range(1, octaves):
            total = total + self.noise(cell / 2**octave) / np.float32(2**octave)
        return total

    # geometry

    def frame(self, region: _Region, axis: _Vector, centre: _Vector = (128.0, 128.0)) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates along and across an axis, (H, W) each, with the origin at the centre."""
        x = self.x[:, region[1]] - np.float32(centre[0])
        y = self.y[region[0]] - np.float32(centre[1])
        dx, dy = np.float32(axis[0]), np.float32(axis[1])
        return x * dx + y * dy, y * dx - x * dy

    def window(self, centre: _Vector, reach: float) -> _Region:
        """The part of the picture within `reach` of a point; may be empty."""
        bounds = []
        for middle in (centre[1], centre[0]):
            low = math.floor((middle - reach) / self.pixel)
            high = math.ceil((middle + reach) / self.pixel) + 1
            bounds.append(slice(min(max(low, 0), self.size), min(max(high, 0), self.size)))
        return bounds[0], bounds[1]

    def label_at(self, point: _Vector) -> int | None:
        """The label under a point, None outside the picture."""
        column, row = math.floor(point[0] / self.pixel), math.floor(point[1] / self.pixel)
        inside = 0 <= column < self.size and 0 <= row < self.size
        return int(self.labels[row, column]) if inside else None

    # paint

    def cover(self, distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
        """How far a shape covers each pixel, from the signed distance to its edge (negative inside)."""
        width = np.float32(max(softness, self.pixel))
        return np.minimum(np.maximum(np.float32(0.5) - distance / width, 0), 1)

    def paint(self, region: _Region, alpha: np.ndarray, color: np.ndarray, label: int) -> None:
        """Blend a colour in; pixels that are covered by half or more get the label."""
        part = self.color[region]
        part += alpha[..., None] * (color - part)
        self.labels[region][alpha >= np.float32(0.5)] = label

    def shade(self, region: _Region, color: _Color, fine: float, medium: float, coarse: float) -> np.ndarray:
        """A ground colour under noise of three scales, (H, W, 3)."""
        light = (
            1
            + np.float32(fine) * (self.fine[region] + self.grain[region])
            + np.float32(medium) * self.medium[region]
            + np.float32(coarse) * self.coarse[region]
        )
        return light[..., None] * np.asarray(color, np.float32)


def _mix(first: _Color, second: _Color, share: float) -> _Color:
    a, b, c = (x + (y - x) * share for x, y in zip(first, second, strict=True))
    return a, b, c


def _rgb(red: float, green: float, blue: float) -> np.ndarray:
    return np.array((red, green, blue), np.float32)


def _jitter(canvas: _Canvas, color: _Color, amount: float) -> _Color:
    """A colour a little lighter or darker, and a little off in hue."""
    light = 1 + canvas.between(-amount, amount)
    a, b, c = (channel * light * (1 + canvas.between(-amount, amount) / 3) for channel in color)
    return a, b, c


def _ridges(phase: np.ndarray) -> np.ndarray:
    """A wave of period 1 from -1 to 1 with round crests and sharp troughs."""
    part = 2 * (phase - np.floor(phase)) - 1
    return 1 - 2 * part * part


# --- grounds: each returns the colours (H, W, 3) of a region ---------------------------------------------------------

_CROPS: tuple[_Color, ...] = (
    (0.20, 0.31, 0.13),  # dark green, close to woods
    (0.15, 0.25, 0.11),
    (0.31, 0.42, 0.17),  # young green, close to lawn
    (0.41, 0.45, 0.22),
    (0.62, 0.54, 0.33),  # ripe grain
    (0.52, 0.45, 0.31),  # stubble
    (0.42, 0.33, 0.24),  # ploughed, close to bare ground
    (0.33, 0.26, 0.19),
    (0.47, 0.37, 0.28),
)
_ROOFS: tuple[_Color, ...] = (
    (0.54, 0.27, 0.19),  # red tiles
    (0.46, 0.28, 0.20),
    (0.41, 0.32, 0.25),  # brown, close to bare and ploughed ground
    (0.50, 0.41, 0.31),
    (0.29, 0.28, 0.28),  # slate
    (0.42, 0.42, 0.42),  # grey, close to asphalt
    (0.54, 0.54, 0.53),
    (0.72, 0.71, 0.69),  # white sheet
    (0.28, 0.39, 0.52),  # blue sheet
    (0.30, 0.42, 0.38),
)
_WATERS: tuple[_Color, ...] = (
    (0.10, 0.19, 0.22),
    (0.13, 0.20, 0.17),
    (0.21, 0.24, 0.19),  # green, close to crops
    (0.29, 0.28, 0.21),  # full of mud
    (0.15, 0.25, 0.31),
)
_CARS: tuple[_Color, ...] = (
    (0.85, 0.85, 0.85),
    (0.80, 0.80, 0.78),
    (0.12, 0.12, 0.14),
    (0.20, 0.20, 0.21),
    (0.55, 0.56, 0.58),
    (0.45, 0.14, 0.12),
    (0.17, 0.24, 0.40),
)


def _field(canvas: _Canvas, region: _Region, axis: _Vector) -> np.ndarray:
    along, across = canvas.frame(region, axis)
    color = canvas.shade(region, _jitter(canvas, canvas.pick(_CROPS), 0.15), 0.05, canvas.between(0.02, 0.1), 0.08)
    wobble = canvas.medium[region] * np.float32(canvas.between(0.2, 1.0))
    period = max(canvas.between(3, 8.5), 2.6 * canvas.pixel)
    furrows = _ridges((across + wobble) / np.float32(period))
    light = 1 + np.float32(canvas.between(0.05, 0.2)) * furrows * (1 + canvas.fine[region] / 2)
    if canvas.chance(0.5):  # the tracks of the tractor
        spacing = canvas.between(24, 40)
        light = light - np.float32(0.16) * (_ridges(across / np.float32(spacing)) > np.float32(0.97))
    if canvas.chance(0.35):  # rows of single plants
        light = light * (1 + np.float32(0.1) * _ridges(along / np.float32(max(period * 0.8, 2.6 * canvas.pixel))))
    return color * light[..., None]


def _grass(canvas: _Canvas, region: _Region) -> np.ndarray:
    fresh = _mix((0.25, 0.37, 0.16), (0.33, 0.41, 0.20), canvas.between(0, 1))
    color = _jitter(canvas, _mix(fresh, (0.47, 0.44, 0.27), canvas.dryness * canvas.between(0.2, 0.9)), 0.12)
    ground = canvas.shade(region, color, 0.07, 0.1, 0.08)
    worn = np.minimum(np.maximum(canvas.medium[region] - canvas.coarse[region] / 2 - np.float32(0.5), 0), 1)
    return ground + (worn * np.float32(0.45))[..., None] * (_rgb(0.47, 0.40, 0.29) - ground)


def _bare(canvas: _Canvas, region: _Region) -> np.ndarray:
    kinds: tuple[_Color, ...] = ((0.47, 0.38, 0.28), (0.42, 0.32, 0.23), (0.55, 0.48, 0.38), (0.44, 0.40, 0.35))
    ground = canvas.shade(region, _jitter(canvas, canvas.pick(kinds), 0.12), 0.09, 0.1, 0.1)
    relief = canvas.medium - np.roll(canvas.medium, (1, 1), (0, 1))  # heaps, lit from one side
    stones = canvas.grain[region] * canvas.fine[region]
    light = 1 + np.float32(0.55 / canvas.pixel) * relief[region] + np.float32(0.14) * stones
    tracks = canvas.frame(region, canvas.direction())[1] + 8 * canvas.coarse[region]
    ruts = _ridges(tracks / np.float32(canvas.between(30, 60))) > np.float32(0.96)
    return ground * (light + np.float32(0.1) * ruts)[..., None]


def _paved(canvas: _Canvas, region: _Region) -> np.ndarray:
    grey = canvas.between(0.4, 0.62)
    color = (grey * 1.01, grey, grey * canvas.between(0.92, 0.99))
    return canvas.shade(region, color, 0.04, 0.06, 0.05)


def _asphalt(canvas: _Canvas, region: _Region, dirt: bool = False) -> np.ndarray:
    grey = canvas.between(0.3, 0.5)
    color = _jitter(canvas, (0.52, 0.45, 0.35), 0.15) if dirt else (grey, grey, grey * canvas.between(0.97, 1.05))
    return canvas.shade(region, color, 0.04, 0.05, 0.04)


# --- things ----------------------------------------------------------------------------------------------------------


def _draw_water(canvas: _Canvas, kind: str, centre: _Vector) -> None:
    """A winding river or a lake, with a soft, wet shore."""
    along, across = canvas.frame(canvas.full, canvas.direction(), centre)
    bends = canvas.noise(90) * np.float32(34) + canvas.noise(28) * np.float32(5) + canvas.medium * np.float32(1.2)
    if kind == "river":
        distance = np.abs(across + bends) - np.float32(canvas.between(9, 20)) - canvas.noise(60) * np.float32(4)
    else:
        radius, stretch = canvas.between(24, 46), canvas.between(0.6, 1.6)
        outline = bends * np.float32(0.4) + canvas.noise(36) * np.float32(9)
        distance = np.sqrt(along * along + across * across * np.float32(stretch)) - np.float32(radius) + outline
    sand = canvas.shade(canvas.full, _jitter(canvas, (0.46, 0.41, 0.30), 0.15), 0.06, 0.08, 0.0)
    shore = canvas.cover(distance - np.float32(canvas.between(1.5, 4.0)), 5.0) * np.float32(0.8)
    canvas.color += shore[..., None] * (sand - canvas.color)
    depth = np.minimum(np.maximum(-distance / np.float32(12), 0), 1)
    ripples = canvas.frame(canvas.full, canvas.direction())[1] + canvas.medium * np.float32(1.5)
    light = 1 + np.float32(0.03) * _ridges(ripples / np.float32(max(4.5, 2.6 * canvas.pixel))) * canvas.coarse
    light = light + np.float32(0.05) * canvas.coarse + np.float32(0.02) * canvas.grain
    base = np.asarray(_jitter(canvas, canvas.pick(_WATERS), 0.12), np.float32)
    water = (base + (1 - depth)[..., None] * _rgb(0.05, 0.05, 0.02)) * light[..., None]
    canvas.paint(canvas.full, canvas.cover(distance, 2.2), water, WATER)
    canvas.trees[distance < np.float32(2)] = 0


def _draw_winding_road(canvas: _Canvas, width: float, dirt: bool, centre: _Vector, axis: _Vector) -> None:
    """One road through the whole picture."""
    along, across = canvas.frame(canvas.full, axis, centre)
    bend = canvas.noise(120) * np.float32(canvas.between(8, 40))
    offset = across + bend
    dy, dx = np.gradient(offset, np.float32(canvas.pixel))
    offset = offset / np.sqrt(np.maximum(dx * dx + dy * dy, np.float32(0.25)))  # keeps the width in the bends
    ragged = canvas.fine * np.float32(0.7 if dirt else 0.1)
    distance = np.abs(offset) - np.float32(width / 2) + ragged
    verge = canvas.shade(canvas.full, (0.44, 0.42, 0.28), 0.08, 0.1, 0.0)
    near = canvas.cover(distance - np.float32(1.5), 3.0) * np.float32(0.7)
    canvas.color += near[..., None] * (verge - canvas.color)
    surface = _asphalt(canvas, canvas.full, dirt)
    if dirt:
        middle = (np.abs(offset) < np.float32(width / 7))[..., None]
        surface = np.where(middle, surface * _rgb(0.82, 0.88, 0.76), surface)
    elif width > 7:
        dashes = (np.abs(offset) < np.float32(0.5)) & (_ridges(along / np.float32(11)) > 0)
        surface = np.where(dashes[..., None], np.float32(0.72), surface)
    canvas.paint(canvas.full, canvas.cover(distance), surface, ROAD)
    canvas.trees[distance < np.float32(3.5)] = 0


def _draw_street(canvas: _Canvas, rectangle: "_Rectangle", axis: _Vector, major: bool) -> None:
    """One straight street of a town, with markings and cars; small streets end at the water."""
    centre, half_along, half_across = rectangle.placed(axis)
    if half_across > half_along:
        axis, half_along, half_across = (-axis[1], axis[0]), half_across, half_along
    region = canvas.window(centre, half_along + half_across)
    along, across = canvas.frame(region, axis, centre)
    distance = np.maximum(np.abs(across) - np.float32(half_across), np.abs(along) - np.float32(half_along + 1))
    surface = _asphalt(canvas, region)
    side = np.abs(across)
    worn = 1 + np.float32(0.05) * _ridges(side / np.float32(half_across))
    surface = surface * worn[..., None]
    if major:
        dashes = (side < np.float32(0.45)) & (_ridges(along / np.float32(10)) > 0)
        edges = np.abs(side - np.float32(half_across - 1)) < np.float32(0.35)
        surface = np.where((dashes | edges)[..., None], np.float32(0.68), surface)
    alpha = canvas.cover(distance)
    if not major:
        alpha = np.where(canvas.labels[region] == WATER, np.float32(0), alpha)
    canvas.paint(region, alpha, surface, ROAD)
    canvas.trees[region][distance < np.float32(1.0)] = 0
    for _ in range(int(half_along / (9 if major else 15))):
        lane = half_across * (0.5 if major else 0.55) * canvas.pick((-1, 1))
        travelled = canvas.between(-half_along, half_along)
        spot = (centre[0] + axis[0] * travelled - axis[1] * lane, centre[1] + axis[1] * travelled + axis[0] * lane)
        if canvas.label_at(spot) == ROAD:
            _draw_box(canvas, spot, axis, (canvas.between(2.6, 3.6), 1.3), canvas.pick(_CARS), ROAD, 1.5)


def _draw_box(
    canvas: _Canvas, centre: _Vector, axis: _Vector, half: _Vector, color: _Color, label: int, height: float
) -> None:
    """A small flat box, such as a car."""
    region = canvas.window(centre, half[0] + half[1] + 1)
    along, across = canvas.frame(region, axis, centre)
    distance = np.maximum(np.abs(along) - np.float32(half[0]), np.abs(across) - np.float32(half[1]))
    alpha = canvas.cover(distance)
    canvas.paint(region, alpha, canvas.shade(region, color, 0.03, 0.0, 0.0), label)
    part = canvas.height[region]
    np.maximum(part, np.float32(height) * (alpha >= np.float32(0.5)), out=part)


def _draw_building(canvas: _Canvas, centre: _Vector, axis: _Vector, half: _Vector, style: str) -> bool:
    """A building with a gable, hip or flat roof; nothing is drawn where it would stand in water or on a road."""
    reach = [(a * half[0], b * half[1]) for a in (-1.1, 0, 1.1) for b in (-1.1, 0, 1.1)]
    spots = [(centre[0] + axis[0] * a - axis[1] * b, centre[1] + axis[1] * a + axis[0] * b) for a, b in reach]
    if any(canvas.label_at(spot) in (WATER, ROAD, BUILDING) for spot in spots):
        return False
    if half[1] > half[0]:
        axis, half = (-axis[1], axis[0]), (half[1], half[0])
    region = canvas.window(centre, half[0] + half[1] + 2)
    along, across = canvas.frame(region, axis, centre)
    inside_along, inside_across = np.float32(half[0]) - np.abs(along), np.float32(half[1]) - np.abs(across)
    inside = np.minimum(inside_along, inside_across)
    if half[0] > 9 and canvas.chance(0.3):  # an L: one corner is missing
        corner = np.maximum(np.float32(half[0] * canvas.between(0, 0.3)) - along, np.float32(half[1] * 0.1) - across)
        inside = np.minimum(inside, corner)
    alpha = canvas.cover(-inside)
    base = _jitter(canvas, canvas.pick(_ROOFS if style != "flat" else _ROOFS[3:]), 0.15)
    color = canvas.shade(region, base, 0.04, 0.06, 0.03)
    sun_along = canvas.sun[0] * axis[0] + canvas.sun[1] * axis[1]
    sun_across = canvas.sun[1] * axis[0] - canvas.sun[0] * axis[1]
    wall = canvas.between(3.5, 6) if style != "flat" else canvas.between(4, 12)
    top = np.full(inside.shape, wall, np.float32)
    light = np.ones(inside.shape, np.float32)
    if style == "flat":
        light = light + np.float32(0.22) * (inside < np.float32(1.2))  # the parapet
        if half[0] > 14 and canvas.chance(0.5):  # sheets of the roof
            period = max(canvas.between(4, 8), 2.6 * canvas.pixel)
            light = light + np.float32(0.06) * _ridges(along / np.float32(period))
    else:
        slope = canvas.between(0.2, 0.34)
        side = np.where(across > 0, np.float32(sun_across), np.float32(-sun_across))
        rise = inside_across
        if style == "hip":
            gable = inside_along < inside_across
            side = np.where(gable, np.where(along > 0, np.float32(sun_along), np.float32(-sun_along)), side)
            rise = np.minimum(inside_along, inside_across)
        rows = _ridges(rise / np.float32(max(2.2, 2.6 * canvas.pixel)))
        light = light + np.float32(slope) * side + np.float32(0.05) * rows
        light = light + np.float32(0.16) * (np.abs(across) < np.float32(0.5))  # the ridge
        top = top + np.float32(0.4) * np.maximum(rise, 0)
    canvas.paint(region, alpha, color * light[..., None], BUILDING)
    canvas.height[region] = np.where(alpha >= np.float32(0.5), top, canvas.height[region])
    canvas.trees[region][inside > np.float32(-2.5)] = 0
    if style == "flat":
        for _ in range(int(half[0] * half[1] / 60)):  # plant on the roof
            a, b = canvas.between(-0.7, 0.7) * half[0], canvas.between(-0.7, 0.7) * half[1]
            spot = (centre[0] + axis[0] * a - axis[1] * b, centre[1] + axis[1] * a + axis[0] * b)
            if canvas.label_at(spot) == BUILDING:
                extent, grey = (canvas.between(0.8, 2.5), canvas.between(0.8, 1.8)), canvas.between(0.35, 0.7)
                _draw_box(canvas, spot, axis, extent, (grey, grey, grey), BUILDING, wall + 2)
    return True


def _plant_trees(canvas: _Canvas) -> None:
    """Trees by the chance `canvas.trees`: crowns on a jittered grid, domes that are lit from one side.

    The ground between the crowns of a wood belongs to the wood, too.
    """
    wood = canvas.trees > np.float32(0.55)
    floor = canvas.shade(canvas.full, (0.10, 0.13, 0.07), 0.1, 0.1, 0.0)
    canvas.paint(canvas.full, wood * np.float32(0.85), floor, FOREST)
    tone = canvas.between(0, 1)
    spacing = max(canvas.between(4.8, 8.2), 2.2 * canvas.pixel)
    nodes = int(_EXTENT / spacing) + 4
    draws = canvas.rng.random((6, nodes, nodes)).astype(np.float32)
    cells = np.arange(-1, nodes - 1, dtype=np.float32)
    centre_x = (cells[None, :] + draws[0]) * np.float32(spacing)
    centre_y = (cells[:, None] + draws[1]) * np.float32(spacing)
    radius = np.float32(spacing) * (np.float32(0.42) + np.float32(0.55) * draws[2] * draws[2] + np.float32(0.1))
    column = np.clip(np.floor(centre_x / np.float32(canvas.pixel)), 0, canvas.size - 1).astype(np.int64)
    row = np.clip(np.floor(centre_y / np.float32(canvas.pixel)), 0, canvas.size - 1).astype(np.int64)
    radius = np.where(draws[3] < canvas.trees[row, column], radius, np.float32(0))

    base_x = np.floor(canvas.x[0] / np.float32(spacing)).astype(np.int64) + 1
    base_y = np.floor(canvas.y[:, 0] / np.float32(spacing)).astype(np.int64) + 1
    ragged = 1 + np.float32(0.28) * canvas.fine
    top: np.ndarray = np.zeros((canvas.size, canvas.size), np.float32)
    owner: np.ndarray = np.zeros((canvas.size, canvas.size), np.int64)
    for step_y in (-1, 0, 1):
        for step_x in (-1, 0, 1):
            cell = (base_y + step_y)[:, None] * nodes + (base_x + step_x)[None, :]
            r = radius.ravel()[cell]
            dx, dy = canvas.x - centre_x.ravel()[cell], canvas.y - centre_y.ravel()[cell]
            dome = r - (dx * dx + dy * dy) * ragged / np.maximum(r, np.float32(0.01))
            dome = np.where(dome > 0, dome + r / 2, np.float32(0))
            higher = dome > top
            top = np.where(higher, dome, top)
            owner = np.where(higher, cell, owner)

    crown = top > 0
    dark = np.asarray(_mix((0.12, 0.21, 0.09), (0.20, 0.26, 0.10), tone), np.float32)
    pale = np.asarray(_mix((0.24, 0.34, 0.14), (0.33, 0.34, 0.15), tone), np.float32)
    leaves = dark + draws[4].ravel()[owner][..., None] * (pale - dark)
    slope_y, slope_x = np.gradient(top, np.float32(canvas.pixel))
    facing = -(slope_x * np.float32(canvas.sun[0]) + slope_y * np.float32(canvas.sun[1]))
    light = 1 + np.float32(0.3) * np.minimum(np.maximum(facing, -1), 1) + np.float32(0.14) * canvas.fine
    light = light + np.float32(0.1) * canvas.grain + np.float32(0.25) * (draws[5].ravel()[owner] - np.float32(0.5))
    canvas.paint(canvas.full, crown.astype(np.float32), leaves * light[..., None], FOREST)
    canvas.height = np.where(crown, np.maximum(canvas.height, top + np.float32(3)), canvas.height)


def _cast_shadows(canvas: _Canvas) -> None:
    """Darken what the sun does not reach: each height is compared with the heights towards the sun."""
    fall = canvas.between(0.6, 1.3)  # how far the shadow's edge falls over one unit of way
    shadow = np.zeros((canvas.size, canvas.size), np.float32)
    reach = int(16 / fall / canvas.pixel)
    margin = reach + 1
    padded = np.pad(canvas.height, margin)
    for step in range(1, reach + 1):
        row = margin + math.floor(canvas.sun[1] * step + 0.5)
        column = margin + math.floor(canvas.sun[0] * step + 0.5)
        towards = padded[row : row + canvas.size, column : column + canvas.size]
        hidden = towards - canvas.height - np.float32(step * canvas.pixel * fall)
        shadow = np.maximum(shadow, np.minimum(np.maximum(hidden, 0), 1))
    depth = np.float32(canvas.between(0.45, 0.62))
    tint = _rgb(1.0, 0.96, 0.88)  # the sky lights the shadow
    canvas.color *= 1 - (shadow * depth)[..., None] * tint


# --- scenes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rectangle:
    """A rectangle in a rotated frame around the middle of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def sides(self) -> _Vector:
        return self.right - self.left, self.bottom - self.top

    def inset(self, margin: float) -> "_Rectangle":
        return _Rectangle(self.left + margin, self.top + margin, self.right - margin, self.bottom - margin)

    def placed(self, axis: _Vector) -> tuple[_Vector, float, float]:
        """Centre in the picture, and half the sides along and across the axis."""
        u, v = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        width, height = self.sides
        return (128 + axis[0] * u - axis[1] * v, 128 + axis[1] * u + axis[0] * v), width / 2, height / 2


def _partition(
    canvas: _Canvas, rectangle: _Rectangle, largest: float, gaps: Sequence[float], depth: int = 0
) -> tuple[list[_Rectangle], list[tuple[_Rectangle, int]]]:
    """Split a rectangle until no side is longer than `largest`, with gaps by depth; returns leaves and gaps."""
    width, height = rectangle.sides
    if max(width, height) <= largest * canvas.between(0.8, 1.25):
        return [rectangle], []
    half_gap = gaps[min(depth, len(gaps) - 1)] / 2
    share = canvas.between(0.36, 0.64)
    if width > height:
        cut = rectangle.left + width * share
        first = _Rectangle(rectangle.left, rectangle.top, cut - half_gap, rectangle.bottom)
        gap = _Rectangle(cut - half_gap, rectangle.top, cut + half_gap, rectangle.bottom)
        second = _Rectangle(cut + half_gap, rectangle.top, rectangle.right, rectangle.bottom)
    else:
        cut = rectangle.top + height * share
        first = _Rectangle(rectangle.left, rectangle.top, rectangle.right, cut - half_gap)
        gap = _Rectangle(rectangle.left, cut - half_gap, rectangle.right, cut + half_gap)
        second = _Rectangle(rectangle.left, cut + half_gap, rectangle.right, rectangle.bottom)
    leaves, lines = [], [(gap, depth)] if half_gap > 0 else []
    for part in (first, second):
        more_leaves, more_lines = _partition(canvas, part, largest, gaps, depth + 1)
        leaves += more_leaves
        lines += more_lines
    return leaves, lines


def _assign(
    canvas: _Canvas, parcels: Sequence[_Rectangle], axis: _Vector, wanted: Sequence[str], kinds: Sequence[str]
) -> list[str]:
    """A kind for each parcel; the parcels nearest to the middle get the wanted kinds, in a random order."""
    chosen = [canvas.pick(kinds) for _ in parcels]

    def way(index: int) -> float:
        (x, y), _, _ = parcels[index].placed(axis)
        return max(abs(x - 128), abs(y - 128))

    middle = sorted(range(len(parcels)), key=way)[: len(wanted)]
    rest = list(wanted)
    for index in middle:
        chosen[index] = rest.pop(int(canvas.rng.integers(len(rest))))
    return chosen


def _parcel(canvas: _Canvas, parcel: _Rectangle, axis: _Vector, ragged: float) -> tuple[_Region, np.ndarray]:
    """The region around a parcel, and the signed distance to its edge there (negative inside)."""
    centre, half_along, half_across = parcel.placed(axis)
    region = canvas.window(centre, half_along + half_across)
    along, across = canvas.frame(region, axis, centre)
    distance = np.maximum(np.abs(along) - np.float32(half_along), np.abs(across) - np.float32(half_across))
    return region, distance + canvas.medium[region] * np.float32(ragged)


def _fill(canvas: _Canvas, parcel: _Rectangle, axis: _Vector, kind: str) -> None:
    """Cover a parcel with its ground."""
    region, distance = _parcel(canvas, parcel, axis, {"forest": 4.0, "bare": 3.0, "field": 0.4}.get(kind, 0.0))
    alpha = canvas.cover(distance, 1.5)
    if kind == "field":
        rows = axis if canvas.chance(0.5) else (-axis[1], axis[0])
        canvas.paint(region, canvas.cover(distance - np.float32(0.8), 1.5), _field(canvas, region, rows), AGRICULTURE)
    elif kind == "bare":
        canvas.paint(region, alpha, _bare(canvas, region), BARREN)
    elif kind == "paved":
        canvas.paint(region, alpha, _paved(canvas, region), BACKGROUND)
    else:
        canvas.paint(region, alpha, _grass(canvas, region), BACKGROUND)
        if kind == "forest":
            canvas.trees[region][distance < 0] = 1
        elif kind == "park":
            canvas.trees[region][(distance < np.float32(-4)) & (canvas.coarse[region] > 0)] = 1


def _draw_rural(canvas: _Canvas, complete: bool) -> None:
    """Parcels of land, perhaps a river or a lake, a winding road and a farm."""
    axis = canvas.direction()
    canvas.color[:] = _grass(canvas, canvas.full)
    land = _Rectangle(-190, -190, 190, 190)
    parcels, _ = _partition(canvas, land, canvas.between(62, 105), (canvas.pick((0.0, 2.5, 4.0)),))
    kinds = ("field",) * 11 + ("grass",) * 4 + ("forest",) * 4 + ("bare",) * 2
    wanted = ["field", "field", "forest"] + ["bare", "grass"] * (complete or canvas.chance(0.5))
    hedges = canvas.chance(0.6)
    for parcel, kind in zip(parcels, _assign(canvas, parcels, axis, wanted, kinds), strict=True):
        _fill(canvas, parcel, axis, kind)
        if hedges and kind != "forest" and canvas.chance(0.5):
            region, distance = _parcel(canvas, parcel, axis, 0.5)
            canvas.trees[region][np.abs(distance) < np.float32(2.5)] = 0.4
        elif kind == "grass":
            region, distance = _parcel(canvas, parcel, axis, 0.0)
            canvas.trees[region][distance < np.float32(-3)] = 0.05
    if canvas.chance(0.5):  # woods that grew by themselves
        canvas.trees[canvas.coarse > np.float32(canvas.between(0.75, 1.1))] = 1

    slope, side = canvas.direction(), canvas.pick((-1, 1))
    shift = canvas.between(25, 70) * side
    if complete or canvas.chance(0.7):
        middle = (128 - slope[1] * shift, 128 + slope[0] * shift)
        _draw_water(canvas, canvas.pick(("river", "lake")), middle)
    across = canvas.between(10, 50) * -side
    centre = (128 - slope[1] * across, 128 + slope[0] * across)
    dirt = canvas.chance(0.55)
    _draw_winding_road(canvas, canvas.between(4, 6) if dirt else canvas.between(6, 9), dirt, centre, slope)
    if canvas.chance(0.3):
        _draw_winding_road(canvas, canvas.between(3.5, 5), True, centre, (-slope[1], slope[0]))

    built = 0
    for attempt in range(40 if complete else 8):
        if complete and built >= 3:
            break
        if attempt % 4 == 0:  # a farm beside the road
            way, off = canvas.between(-80, 80), canvas.between(18, 40) * canvas.pick((-1, 1))
            farm = (centre[0] + slope[0] * way - slope[1] * off, centre[1] + slope[1] * way + slope[0] * off)
            turn = canvas.pick((axis, slope))
            yard = canvas.window(farm, 34)
            along, over = canvas.frame(yard, turn, farm)
            distance = np.sqrt(along * along + over * over) - np.float32(24) + canvas.medium[yard] * np.float32(5)
            free = canvas.labels[yard] != ROAD
            free &= canvas.labels[yard] != WATER
            ground = _grass(canvas, yard) if canvas.chance(0.6) else _paved(canvas, yard)
            canvas.paint(yard, canvas.cover(distance, 3.0) * free, ground, BACKGROUND)
            canvas.trees[yard][(distance < 0) & free] = 0.12
        spot = (farm[0] + canvas.between(-22, 22), farm[1] + canvas.between(-22, 22))
        half = (canvas.between(7, 15), canvas.between(4.5, 7.5))
        inside = canvas.label_at(spot) is not None
        built += _draw_building(canvas, spot, turn, half, canvas.pick(("gable", "gable", "hip", "flat"))) and inside


def _draw_urban(canvas: _Canvas, complete: bool) -> None:
    """Blocks between streets, filled with houses, halls, parks and building sites; perhaps water."""
    axis = canvas.direction()
    canvas.color[:] = _paved(canvas, canvas.full)
    widths = (canvas.between(12, 16), canvas.between(8, 12), canvas.between(6.5, 8.5))
    town = _Rectangle(-190, -190, 190, 190)
    blocks, streets = _partition(canvas, town, canvas.between(70, 110), widths)
    kinds = ("houses",) * 8 + ("halls",) * 4 + ("park",) * 3 + ("grass",) * 2 + ("bare",) * 2 + ("field",)
    wanted = ["houses", canvas.pick(("halls", "houses"))] + ["park", "bare"] * (complete or canvas.chance(0.35))
    chosen = _assign(canvas, blocks, axis, wanted, kinds)
    for block, kind in zip(blocks, chosen, strict=True):
        ground = {"houses": canvas.pick(("grass", "grass", "paved")), "halls": "paved"}.get(kind, kind)
        _fill(canvas, block.inset(canvas.between(1.2, 2.5)), axis, ground)
        if ground in ("grass", "park"):
            region, distance = _parcel(canvas, block, axis, 0.0)
            lawn = (distance < np.float32(-3)) & (canvas.trees[region] == 0)
            canvas.trees[region][lawn] = canvas.between(0.04, 0.2)
    if complete or canvas.chance(0.45):
        corner = canvas.direction()
        far = canvas.between(60, 95)
        middle = (128 + corner[0] * far, 128 + corner[1] * far)
        _draw_water(canvas, "lake" if canvas.chance(0.5) else "river", middle)
    for street, depth in sorted(streets, key=lambda item: -item[1]):
        _draw_street(canvas, street, axis, major=depth <= 1)
    for block, kind in zip(blocks, chosen, strict=True):
        if kind in ("houses", "halls"):
            _build_block(canvas, block, axis, kind)


def _build_block(canvas: _Canvas, block: _Rectangle, axis: _Vector, kind: str) -> None:
    """Divide a block into lots and put a building on most of them."""
    inner = block.inset(3.5)
    lots, lanes = _partition(
        canvas, inner, canvas.between(22, 34) if kind == "houses" else canvas.between(42, 70), (1.5,)
    )
    style = canvas.pick(("gable", "hip", "flat"))
    full = canvas.between(0.55, 0.95)
    for lot in lots:
        if not canvas.chance(full):
            continue
        centre, half_along, half_across = lot.placed(axis)
        half = (half_along * canvas.between(0.55, 0.85), half_across * canvas.between(0.5, 0.85))
        if min(half) < 3:
            continue
        lean = canvas.between(-0.06, 0.06) if kind == "houses" else 0.0
        length = math.sqrt(1 + lean * lean)
        turned = ((axis[0] - axis[1] * lean) / length, (axis[1] + axis[0] * lean) / length)
        chosen = "flat" if kind == "halls" else canvas.pick((style, style, "gable", "hip"))
        _draw_building(canvas, centre, turned, half, chosen)
    for lane, _ in lanes if kind == "halls" else ():  # rows of parked cars
        centre, half_along, half_across = lane.placed(axis)
        upright = half_across > half_along
        turned = axis if upright else (-axis[1], axis[0])
        for place in range(int(max(half_along, half_across) / 2)):
            way = (place * 4 - max(half_along, half_across) + 2) * (-1 if upright else 1)
            spot = (centre[0] + (turned[1] * way), centre[1] - (turned[0] * way))
            if canvas.chance(0.5) and canvas.label_at(spot) == BACKGROUND:
                _draw_box(canvas, spot, turned, (canvas.between(2.6, 3.4), 1.3), canvas.pick(_CARS), BACKGROUND, 1.5)


# --- the camera ------------------------------------------------------------------------------------------------------


def _blur(color: np.ndarray) -> np.ndarray:
    """A 3 x 3 binomial blur with repeated borders."""
    for axis in (0, 1):
        padded = np.pad(color, [(1, 1) if axis == k else (0, 0) for k in range(3)], mode="edge")
        before, after = (padded[:-2], padded[2:]) if axis == 0 else (padded[:, :-2], padded[:, 2:])
        color = color / 2 + (before + after) / 4
    return color


def _photograph(canvas: _Canvas, border: bool) -> tuple[np.ndarray, np.ndarray]:
    """Light, haze, blur, tone and sensor noise; a border without data where the picture was turned."""
    color = np.asarray(canvas.color)
    color = color + np.float32(canvas.between(0.4, 0.9)) * (_blur(color) - color)
    gradient = canvas.frame(canvas.full, canvas.direction())[0] * np.float32(canvas.between(0, 0.12) / 128)
    warmth = canvas.between(-0.06, 0.06)
    gain = canvas.between(1.05, 1.55)
    balance = _rgb(gain * (1 + warmth), gain * (1 + canvas.between(-0.02, 0.02)), gain * (1 - warmth))
    grey = (color[..., 0] + color[..., 1] + color[..., 2]) / 3
    color = color + np.float32(canvas.between(0.12, 0.4)) * (grey[..., None] - color)
    color = color * (1 + gradient)[..., None] * balance
    haze = np.float32(canvas.between(0, 0.22)) * (1 + canvas.noise(110) * np.float32(0.4))
    color = color + haze[..., None] * (_rgb(0.66, 0.70, 0.74) - color)
    color = np.minimum(np.maximum(color, 0), 1)
    curve = np.float32(canvas.between(-0.1, 0.35))
    color = color + curve * color * (1 - color)
    strength = np.float32(canvas.between(0.006, 0.022))
    noise = np.stack([canvas.pixel_noise() for _ in range(3)], axis=-1)
    color = color + strength * (noise + canvas.pixel_noise()[..., None])
    image = np.rint(np.minimum(np.maximum(color, 0), 1) * 255).astype(np.uint8)
    labels = canvas.labels.copy()
    if border:
        tilt = canvas.between(-0.12, 0.12)
        length = math.sqrt(1 + tilt * tilt)
        along, across = canvas.frame(canvas.full, (1 / length, tilt / length))
        reach = np.float32(128 - canvas.between(1, 6))
        outside = (along * canvas.pick((-1, 1)) > reach) | (across * canvas.pick((-1, 1)) > reach)
        image[outside] = 0
        labels[outside] = NO_DATA
    return image, labels
