"""The dataset on disk: drawn where it is absent, finished where it was interrupted, else left alone."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from mmseg_ext.datasets.synthetic_aerial.png import encode_png, png_length
from mmseg_ext.datasets.synthetic_aerial.scene import draw_scene
from mmseg_ext.errors import UserError
from mmseg_ext.files import find_json, replace_file

_GENERATOR = "mmseg_ext synthetic aerial"
REVISION = 1  # raise it whenever the drawing changes, so that datasets drawn before are drawn anew

_SPLITS = ("Train", "Val", "Test")
_SCENES = ("Rural", "Urban")


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
    arguments = {"generator": _GENERATOR, "revision": REVISION, **counts, "size": size, "seed": seed}
    record_path = root / "dataset.json"
    samples = list(_list_samples(root, (num_train, num_val, num_test)))

    found = _read_record(root, record_path)
    if found == {**arguments, "complete": True} and all(sample.is_written(size) for sample in samples):
        return root

    _write_record(record_path, {**arguments, "complete": False})
    _remove_stale(root, samples)
    console = Console(stderr=True)
    for sample in track(
        samples, "Drawing aerial pictures", console=console, transient=True, disable=not console.is_terminal
    ):
        is_first = sample.key[-1] == 0
        image, labels = draw_scene(sample.scene.lower(), size, (seed, *sample.key), complete=is_first)
        replace_file(sample.image, encode_png(image), sync=False)
        if sample.mask is not None:
            replace_file(sample.mask, encode_png(labels), sync=False)
    _write_record(record_path, {**arguments, "complete": True})
    return root


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
        return all(p.is_file() and p.stat().st_size == png_length(size, channels) for p, channels in files)


def _list_samples(root: Path, counts: Sequence[int]) -> Iterator[_Sample]:
    number = 0
    for split_index, (split, count) in enumerate(zip(_SPLITS, counts, strict=True)):
        for scene_index, scene in enumerate(_SCENES):
            folder = root / split / scene
            for index in range(count):
                mask = folder / "masks_png" / f"{number}.png" if split != "Test" else None
                key = (split_index, scene_index, index)
                yield _Sample(scene, key, folder / "images_png" / f"{number}.png", mask)
                number += 1


def _read_record(root: Path, record_path: Path) -> dict[str, object] | None:
    """The record of a dataset of ours, None where nothing stands yet."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    found = find_json(record_path)
    if not isinstance(found, dict) or found.get("generator") != _GENERATOR:
        raise UserError(
            f"Expected `root` to be absent, empty or a dataset generated before, got {root}, which holds something "
            "else and is left untouched. Name another folder, or empty this one."
        )
    return found


def _write_record(record_path: Path, record: dict[str, object]) -> None:
    replace_file(record_path, json.dumps(record, indent=2) + "\n")


def _remove_stale(root: Path, samples: Sequence[_Sample]) -> None:
    """Remove the numbered pictures of a dataset of other arguments, and nothing else."""
    expected = {path for sample in samples for path in (sample.image, sample.mask)}
    for split in _SPLITS:
        for scene in _SCENES:
            for kind in ("images_png", "masks_png"):
                for path in (root / split / scene / kind).glob("*.png"):
                    if path.stem.isdigit() and path not in expected:
                        path.unlink()
