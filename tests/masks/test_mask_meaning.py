"""Random masks of every kind: what the loaders make of them against what the check before training says of them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_ext.data_check.file_facts import UnreadableFileError, read_mask_facts
from mmseg_ext.data_check.judge import LabelSpec, judge_mask
from mmseg_ext.errors import UserError
from mmseg_ext.masks.index_masks import IndexMeaning
from mmseg_ext.transforms import (
    LoadAnnotations,
    LoadBinarizedColorAnnotations,
    LoadBinaryAnnotations,
    LoadColorAnnotations,
    LoadGroupedColorAnnotations,
)

PURE = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 255), (0, 0, 255)]
NEAR = [*PURE, (0, 0, 1), (1, 1, 1), (200, 130, 127), (2, 2, 2), (44, 44, 44)]
LABEL_MAP = {0: 1, 1: 255, 2: 0}
LOADERS = {
    "index": (LoadAnnotations(), None),
    "index, cv2": (LoadAnnotations(imdecode_backend="cv2"), None),
    "index, zero reduced": (LoadAnnotations(), LABEL_MAP),
    "0/255": (LoadBinaryAnnotations("0/255"), None),
    "0/1": (LoadBinaryAnnotations("0/1"), None),
    "colour": (LoadColorAnnotations(PURE[1:4], ignore_colors=PURE[:1]), None),
    "colour, chosen": (LoadColorAnnotations([PURE[1], (1, 1, 1), PURE[0]], 9, PURE[2:], "ignore"), LABEL_MAP),
    "grouped": (LoadGroupedColorAnnotations([PURE[:1], PURE[1:3], [(1, 1, 1)]], unknown="ignore"), LABEL_MAP),
    "grouped, strict": (LoadGroupedColorAnnotations([PURE[:2], PURE[2:]]), None),
    "binarised": (LoadBinarizedColorAnnotations(PURE[1:4], ignore_colors=[*PURE[:1], "#FFFF00"]), None),
    "binarised, low": (LoadBinarizedColorAnnotations(PURE[:3], unknown="ignore", threshold=1), LABEL_MAP),
}


def numbers(rng, low=0):
    """Few values, so that many masks hold allowed ones alone."""
    choices = [[0, 255], [0, 1], [0, 1, 255], [0, 1, 2, 255], [1], [0, 44, 200], [0, 256, 300, 65000], [low, 1]]
    return rng.choice(choices[rng.integers(len(choices))], (5, 7))


def write_random_mask(folder, rng):
    """Write a mask of a random kind of file."""
    kind = rng.choice(["1", "L", "P", "P short", "I;16", "I", "F", "RGB", "RGBA", "LA", "16-bit RGB", "GIF", "noise"])
    path = folder / {"I": "m.tif", "F": "m.tif", "GIF": "m.gif", "noise": "m.jpg"}.get(kind, "m.png")
    colors = np.array(NEAR, np.uint8)[rng.permutation(len(NEAR))[: rng.integers(1, 6)]]
    indices = rng.integers(0, len(colors), (5, 7))
    if kind in ("P", "P short"):
        image = Image.frombytes("P", (7, 5), indices.astype(np.uint8).tobytes())
        image.putpalette(colors[: 2 if kind == "P short" else None].ravel().tolist())
    elif kind == "GIF":
        image = Image.fromarray(numbers(rng).astype(np.uint8))
    elif kind == "RGBA":
        alpha = rng.integers(0, 256, (5, 7, 1))
        image = Image.fromarray(np.concatenate([colors[indices], alpha], 2).astype(np.uint8))
    elif kind == "LA":
        image = Image.fromarray(numbers(rng).astype(np.uint8)).convert("LA")
    elif kind == "16-bit RGB":
        cv2.imwrite(str(path), (colors[indices][..., ::-1] * np.uint16(257)).astype(np.uint16))
        return path
    elif kind == "F":
        image = Image.fromarray((numbers(rng, -1) + rng.choice([0, 0, 0.5])).astype(np.float32))
    elif kind in ("RGB", "noise"):
        image = Image.fromarray(colors[indices])
    else:
        dtype = {"1": bool, "L": np.uint8, "I;16": np.uint16, "I": np.int32}[kind]
        image = Image.fromarray(numbers(rng, -3 if kind == "I" else 0).astype(dtype))
    image.save(path)
    return path


def load(loader, path, label_map, reduce_zero_label):
    entry = {"label_map": label_map, "reduce_zero_label": reduce_zero_label}
    labels_HW = loader.transform({"seg_map_path": str(path), "seg_fields": [], **entry})["gt_seg_map"]
    assert labels_HW.dtype == np.uint8
    labels, counts = np.unique(labels_HW, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def check(loader, path, label_map, reduce_zero_label):
    """The labels that the check counts, or None where it finds a problem; it knows of no classes."""
    if hasattr(loader, "mask_meaning"):
        meaning, backend = loader.mask_meaning(label_map), "pillow"
    else:
        meaning = IndexMeaning(reduce_zero_label, tuple((label_map or {}).items()))
        backend = loader.imdecode_backend
    try:
        facts = read_mask_facts(str(path), backend)
    except UnreadableFileError:
        return None
    report = judge_mask(str(path), facts, meaning, LabelSpec((), allow_palette=True))
    return None if report.problems else report.counts


@pytest.mark.parametrize("name", LOADERS)
def test_the_loader_and_the_check_agree(tmp_path, name):
    loader, label_map = LOADERS[name]
    reduce_zero_label = name == "index, zero reduced"
    num_refused = 0
    for seed in range(150):
        path = write_random_mask(tmp_path, np.random.default_rng(seed))
        try:
            loaded = load(loader, path, label_map, reduce_zero_label)
        except UserError:
            loaded = None
            num_refused += 1
        if hasattr(loader, "reduce_zero_label"):
            loader.reduce_zero_label = None  # it keeps that of its first sample
        assert check(loader, path, label_map, reduce_zero_label) == loaded, (seed, Image.open(path))
    assert num_refused < 145
    assert num_refused > 5 or "ignore" in getattr(loader, "unknown", "")


def test_only_the_first_values_are_listed():
    listed = IndexMeaning().list_values({v: v for v in range(1, 8)})
    assert listed == "1 (1 pixel), 2 (2 pixels), 3 (3 pixels), 4 (4 pixels), 5 (5 pixels) and 2 more"
