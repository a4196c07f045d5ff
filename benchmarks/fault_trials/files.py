"""Changed files of every kind that people hand over: read, or refused in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fault_trials.trials import ROOT, change_bytes, expect_one_line, run_tool

sys.path.insert(0, str(ROOT / "tests" / "tables"))

CLASSES = ["field", "water", "road"]
SIZE = (6, 8)


def write_folder_dataset(root: Path, image_suffix: str = ".png", num_images: int = 3) -> None:
    """Write images with index masks into root/images and root/masks."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for index in range(num_images):
        image = Image.fromarray(generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
        image.save(root / "images" / f"{index}{image_suffix}")
        Image.fromarray(generator.integers(0, 3, SIZE, dtype=np.uint8)).save(root / "masks" / f"{index}.png")


def build_dataset(root: Path, image_suffix: str = ".png") -> Any:
    """The dataset of :func:`write_folder_dataset`, loaded by our transforms."""
    from mmseg.datasets import BaseSegDataset

    return BaseSegDataset(
        data_root=str(root),
        data_prefix={"img_path": "images", "seg_map_path": "masks"},
        img_suffix=image_suffix,
        metainfo={"classes": CLASSES, "palette": [[0, 0, 0]] * 3},
        pipeline=[{"type": "mmseg_ext.LoadImageFromFile"}, {"type": "mmseg_ext.LoadAnnotations"}],
        serialize_data=False,
    )


def write_runs(folder: Path) -> None:
    """Write the work dirs of two finished runs."""
    from made_logs import MadeRun

    for name, score in (("fcn_r18_1xb4-200_loveda-64x64", 42.5), ("fpn_r18_1xb4-200_loveda-64x64", 44.0)):
        MadeRun(name=name, scores=((100, 40.0), (200, score))).write(folder)


def read_images(number: int) -> None:
    """What the check of a dataset passes can be loaded; what it does not pass is a problem of one line."""
    from mmseg_ext.data_check import check_dataset

    suffix = (".jpg", ".png", ".tif", ".bmp", ".webp")[number % 5]
    write_folder_dataset(Path(), suffix)
    changed = Path("masks/1.png") if number % 4 == 0 else Path(f"images/1{suffix}")
    changed.write_bytes(change_bytes(changed.read_bytes(), number))
    dataset = build_dataset(Path(), suffix)
    report = check_dataset(dataset, use_cache=False, num_workers=1)
    for problem in [*report.errors, *report.warnings]:
        expect_one_line(str(problem))
    if not report.errors:
        for index in range(len(dataset)):
            dataset[index]


def read_text(number: int) -> None:
    """Files of points, areas, statistics, weights and configs are read or refused in one line."""
    from mmseg_ext.errors import UserError

    kind = list(TEXTS)[number % len(TEXTS)]
    write, read = TEXTS[kind]
    Path(kind).write_bytes(change_bytes(write().encode(), number))
    try:
        read(Path(kind))
    except UserError as error:
        expect_one_line(str(error))


def read_logs(number: int) -> None:
    """Tables are written whatever one of the logs holds."""
    write_runs(Path("runs"))
    files = sorted(path for path in Path("runs").rglob("*") if path.suffix in (".log", ".json", ".py"))
    changed = files[number % len(files)]
    changed.write_bytes(change_bytes(changed.read_bytes(), number))
    run_tool("extract_tables.py", "runs", "--out", "out", "--html", "--no-cache", "--per-class", allowed=(0,))
    assert len(list(Path("out").iterdir())) >= 2, "no table"


def _read_points(path: Path) -> object:
    from mmseg_ext.points.point_files import read_points

    return read_points(path)


def _read_areas(path: Path) -> object:
    from mmseg_ext.points.areas import read_areas

    return read_areas(path)


def _read_statistics(path: Path) -> object:
    from mmseg_ext.statistics.dataset_statistics import read_statistics

    return read_statistics(path)


def _read_weights(path: Path) -> object:
    from mmseg_ext.statistics.class_weights import read_class_weights

    return read_class_weights(f"{path}:median_frequency")


def _read_config(path: Path) -> object:
    from mmseg_ext.stack import read_dumped_config

    return read_dumped_config(path)


def _points_csv() -> str:
    return "# seed: 0\nimage,x,y,class\n" + "".join(",".join(map(str, point)) + "\n" for point in POINTS)


def _points_json_lines() -> str:
    rows = [dict(zip(("image", "x", "y", "class"), point, strict=True)) for point in POINTS]
    return "".join(json.dumps(row) + "\n" for row in [{"about": {"seed": 0}}, *rows])


def _areas() -> str:
    return json.dumps({"classes": CLASSES, "images": {"a/1.jpg": [0.2, 0.3, 0.5], "b/2.jpg": [1.0, 0.0, 0.0]}})


def _statistics() -> str:
    import numpy as np

    from mmseg_ext.statistics.dataset_statistics import ImageStatistics, summarize

    images = {f"{index}.jpg": ImageStatistics(*SIZE, np.array([10, index, 2])) for index in range(3)}
    return json.dumps(summarize(images, CLASSES))


def _config() -> str:
    return "model = dict(type='EncoderDecoder', depth=[18, None])\nmax_iters = 100\n"


POINTS = [("a/1.jpg", 3, 4, "field"), ("a/1.jpg", 5, 0, "water"), ("b/ü 2.jpg", 120, 7, "road")]
TEXTS: dict[str, tuple[Callable[[], str], Callable[[Path], object]]] = {
    "points.csv": (_points_csv, _read_points),
    "points.jsonl": (_points_json_lines, _read_points),
    "areas.json": (_areas, _read_areas),
    "statistics.json": (_statistics, _read_statistics),
    "weights.json": (_statistics, _read_weights),
    "config.py": (_config, _read_config),
}
"""How each kind of text file is written, and read."""
