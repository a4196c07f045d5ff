"""Datasets of a few pixels for the tests of the check."""

import numpy as np
from mmseg.datasets import BaseSegDataset
from PIL import Image

from mmseg_ext.data_check import check_dataset
from mmseg_ext.transforms import LoadColorAnnotations

CLASSES = ("field", "water", "road")
PALETTE = [(10, 20, 30), (40, 50, 60), (70, 80, 90)]
IMAGE = {"type": "LoadImageFromFile"}
INDEX = [IMAGE, {"type": "mmseg.LoadAnnotations"}]


def color_pipeline(palette=PALETTE, **kwargs):
    return [IMAGE, LoadColorAnnotations(palette, **kwargs)]


def build(root, pipeline=INDEX, cls=BaseSegDataset, **kwargs):
    kwargs.setdefault("metainfo", {"classes": CLASSES, "palette": [list(c) for c in PALETTE]})
    kwargs.setdefault("serialize_data", False)  # MMEngine collects garbage for it: half a second each
    prefix = {"img_path": "images", "seg_map_path": "masks"}
    return cls(data_root=str(root), data_prefix=kwargs.pop("data_prefix", prefix), pipeline=pipeline, **kwargs)


def check(root, *args, use_cache=False, allow_palette=False, **kwargs):
    return check_dataset(build(root, *args, **kwargs), use_cache=use_cache, allow_palette=allow_palette, num_workers=2)


def only(problems):
    assert len(problems) == 1, [str(p) for p in problems]
    return problems[0]


def write_image(path, size=(6, 8), mode="RGB"):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def write_mask(path, values, palette=None):
    mask = Image.fromarray(np.asarray(values, dtype=np.uint8))
    if palette is not None:
        mask = mask.convert("L")
        mask.putpalette([v for color in palette for v in color])
    mask.save(path)


def labels(*values, size=(6, 8)):
    """A mask of the first value with one pixel of each other."""
    mask = np.full(size, values[0], dtype=np.uint8)
    mask.ravel()[: len(values)] = values
    return mask
