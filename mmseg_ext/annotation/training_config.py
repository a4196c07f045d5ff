"""The config that trains on clicked points."""

import os
from collections.abc import Sequence
from pathlib import Path

from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.engine.leaf_config import format_leaf


def training_config(
    path: str | Path, folder: ImageFolder, points_file: str | Path, classes: Sequence[str], colors: Sequence[str]
) -> str:
    """Return the text of a config that fits to the points of four fifths of the images, and scores those of the rest.

    Args:
        path: Where it is to be written.
        folder: The images.
        points_file: The points.
        classes: Names of the classes.
        colors: Colour of each, as '#rrggbb'.
    """
    title = f"Light heads on frozen features, fitted to the points of {Path(points_file).name}"
    dataset = {
        "data_root": os.path.abspath(folder.root),
        "images": "**",
        "masks": None,
        "classes": classes,
        "palette": colors,
        "labels": {"file": os.path.abspath(points_file), "allow_empty": True},
    }
    splits = {"train": {"split": "train"}, "val": {"split": "val"}}
    return format_leaf(Path(path), "features", title, dataset, splits, len(classes), "tools/annotate.py")
