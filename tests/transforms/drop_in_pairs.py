"""A drop-in and the stock transform on the same samples and seeds, and images and masks to run them on."""

import copy
import random

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.structures import BaseDataElement
from mmseg.registry import TRANSFORMS
from PIL import Image

SEEDS = range(200)
DROP_INS = (
    "LoadImageFromFile",
    "LoadAnnotations",
    "RandomResize",
    "Resize",
    "RandomCrop",
    "RandomFlip",
    "PhotoMetricDistortion",
    "PackSegInputs",
)


def photo(height, width, seed):
    """An image with soft slopes, edges and noise: (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(soft + rng.integers(-20, 21, soft.shape), 0, 255).astype(np.uint8)


def patches(height, width, seed, values=None):
    """A mask of blocks: (H, W) uint8; 0, 254 and 255 among its values."""
    rng = np.random.default_rng(seed)
    values = [0, 1, 2, 3, 7, 149, 150, 254, 255] if values is None else values
    coarse = rng.choice(np.array(values, dtype=np.uint8), (height // 16 + 1, width // 16 + 1))
    return np.kron(coarse, np.ones((16, 16), dtype=np.uint8))[:height, :width]


def write_pair(folder, name, height, width, seed, suffix=".jpg"):
    image, mask = folder / f"{name}{suffix}", folder / f"{name}_mask.png"
    Image.fromarray(photo(height, width, seed)).save(image)
    Image.fromarray(patches(height, width, seed)).save(mask)
    return str(image), str(mask)


def sample(pair, **fields):
    info = {"img_path": pair[0], "seg_map_path": pair[1], "label_map": None, "reduce_zero_label": True}
    return {**info, "seg_fields": [], **fields}


def loaded(height, width, seed, **fields):
    """A sample whose image and labels are there already."""
    shape = (height, width)
    return {
        "img_path": "x.jpg",
        "img": photo(height, width, seed),
        "gt_seg_map": patches(height, width, seed),
        "img_shape": shape,
        "ori_shape": shape,
        "seg_fields": ["gt_seg_map"],
        **fields,
    }


def run(step, results, seed):
    """The result, and the state of both random generators afterwards."""
    random.seed(seed)
    np.random.seed(seed)
    out = step(results)
    state = np.random.get_state()
    return out, (state[1].tolist(), state[2:], random.getstate())


def assert_same(ours, stock, where="sample"):
    if isinstance(stock, BaseDataElement):
        assert_same(ours.metainfo, stock.metainfo, where)
        assert_same(dict(ours.items()), dict(stock.items()), where)
    elif isinstance(stock, dict):
        assert sorted(ours) == sorted(stock), where
        for key in stock:
            assert_same(ours[key], stock[key], f"{where}.{key}")
    elif isinstance(stock, torch.Tensor):
        assert (ours.dtype, ours.shape, ours.stride()) == (stock.dtype, stock.shape, stock.stride()), where
        assert torch.equal(ours, stock), where
    elif isinstance(stock, np.ndarray):
        assert ours.dtype == stock.dtype, where
        assert ours.flags.writeable, where
        np.testing.assert_array_equal(ours, stock, err_msg=where)
    else:
        assert type(ours) is type(stock), where
        assert ours == stock, where


def build(config, ours):
    """A transform or, of a list, a pipeline: of the stock types or of the drop-ins."""
    if isinstance(config, list):
        return Compose([build(step, ours) for step in config])
    name = config["type"]
    kind = f"mmseg_ext.{name}" if ours and name in DROP_INS else name
    return TRANSFORMS.build({**config, "type": kind})


def compare(config, make_sample, seeds=SEEDS):
    """Run both on 200 seeds; returns the last of our results."""
    stock, ours = build(config, ours=False), build(config, ours=True)
    out = None
    for seed in seeds:
        results = make_sample(seed)
        expected, state_after = run(stock, copy.deepcopy(results), seed)
        out, our_state_after = run(ours, copy.deepcopy(results), seed)
        assert_same(out, expected)
        assert our_state_after == state_after
    return out


def train_pipeline(scale, crop_size):
    return [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations"},
        {"type": "RandomResize", "scale": scale, "ratio_range": (0.5, 2.0), "keep_ratio": True},
        {"type": "RandomCrop", "crop_size": crop_size, "cat_max_ratio": 0.75},
        {"type": "RandomFlip", "prob": 0.5},
        {"type": "PhotoMetricDistortion"},
        {"type": "PackSegInputs"},
    ]
