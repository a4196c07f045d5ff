"""Wrong arguments of every component: accepted, or refused in one line."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import nn

from mmseg_ext import registry
from mmseg_ext.arguments import constructor_signature
from mmseg_ext.errors import UserError
from mmseg_ext.stock_annotations import STOCK_ANNOTATIONS

NAN, INF = float("nan"), float("inf")

KINDS = [kind for kind in vars(registry).values() if isinstance(kind, registry.Registry)]
for kind in KINDS:
    kind.import_from_location()
COMPONENTS = {
    name: component
    for kind in KINDS
    for name, component in kind.module_dict.items()
    if component.__module__.startswith("mmseg_ext.")
}
VALUES = [
    *(None, True, False, 0, 1, -1, 3, 0.5, -0.5, 1.5, NAN, INF, -INF, 1j),
    *("", "abc", "255", "nan", b"abc", [], [1], [0, 1], [-1, 2], ["a"], [None], [NAN], [[1, 2], [3, 4]], [{}]),
    *((1, 2), (0.5, 1.5), {}, {"a": 1}, {1: "a"}, set(), object(), int, np.int64(3), np.float32(0.5), np.array([1, 2])),
    *(np.zeros(()), Path("abc"), torch.zeros(2)),
]
HEAD = {"in_channels": [3], "in_index": [0], "channels": 4, "num_classes": 2, "norm_cfg": {"type": "BN"}}
SEGMENTOR = ConfigDict(
    {
        "backbone": {"type": nn.Identity},
        "decode_head": {"type": "mmseg_ext.LinearHead", "in_channels": 3, "num_classes": 2, "norm_cfg": {"type": "BN"}},
    }
)
NEEDED: dict[str, Any] = {
    "BinaryMaskDataset": {"data_root": "data"},
    "CleanUp": {"steps": [], "metrics": []},
    "DINO": {"arch": "vit_tiny_patch16_dinov3"},
    "DownsampledADE20KDataset": {"factor": 2},
    "EncoderDecoder": SEGMENTOR,
    "LayerDecayOptimWrapperConstructor": {"optim_wrapper_cfg": {"type": "OptimWrapper", "optimizer": {"lr": 1.0}}},
    "LinearHead": {"in_channels": 3, "num_classes": 2, "norm_cfg": {"type": "BN"}},
    "FolderDataset": {"data_root": "data", "classes": ["a", "b"]},
    "FeatureSegmentor": {**SEGMENTOR, "decode_head": {"type": "mmseg_ext.LightHead", "num_classes": 2}},
    "LightHead": {"num_classes": 2},
    "LoadBinarizedColorAnnotations": {"palette": ["#FF0000"]},
    "LoadColorAnnotations": {"palette": ["#FF0001"]},
    "LoadGroupedColorAnnotations": {"groups": [["#FF0000"]]},
    "LoadPointAnnotations": {"file": "points.csv"},
    "MLflowVisBackend": {"save_dir": "runs"},
    "MultiScaleDeformableAttention": {"embed_dims": 8},
    "OneCycleLR": {
        "optimizer": torch.optim.SGD(
            [{"params": [nn.Parameter(torch.zeros(1))], "initial_lr": 1.0, "max_lr": 1.0, "min_lr": 0.1}], lr=1.0
        ),
        "eta_max": 1.0,
        "total_steps": 9,
    },
    "OriginalResolutionMetric": {"load_labels": {"type": "mmseg_ext.LoadAnnotations"}},
    "PointAwareRandomCrop": {"crop_size": 8},
    "PointFCNHead": {**HEAD, "channels": 3, "in_channels": 3, "in_index": 0, "num_convs": 1},
    "PointFPNHead": {**HEAD, "feature_strides": [4]},
    "PointLinearHead": {"in_channels": 3, "num_classes": 2, "norm_cfg": {"type": "BN"}},
    "PointUPerHead": HEAD,
    "PredictionWriter": {"output_dir": "predictions"},
    "RandomCrop": {"crop_size": 8},
    "RandomFlip": {"prob": 0.5},
    "RandomResize": {"scale": (8, 8)},
    "PointSafeResize": {"scale": (8, 8)},
    "Resize": {"scale": (8, 8)},
    "SMPBackbone": {"encoder_name": "resnet18"},
    "SamplePoints": {"num_points": 3},
    "SegTTAModel": {"module": {"type": "mmseg_ext.EncoderDecoder", **SEGMENTOR}},
    "SparseEncoderDecoder": SEGMENTOR,
    "UNetDecoder": {"in_channels": [3, 3], "channels": [2, 2], "norm_cfg": {"type": "BN"}},
    "WandbVisBackend": {"save_dir": "runs"},
    "WeighLabels": {"areas": "areas.json"},
}


def arguments_of(name: str) -> list[str]:
    """List the arguments of a component."""
    parameters = constructor_signature(COMPONENTS[name].__mro__, STOCK_ANNOTATIONS).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def try_values(name: str, argument: str) -> None:
    """Build a component with each value of one argument, in the current folder.

    Raises:
        AssertionError: Another error came than one of one line; or a value that no argument can have was accepted.
    """
    Path("points.csv").write_text("image,x,y,class\na.png,0,0,0\n")
    needed = {**NEEDED.get(name, {}), **({"lazy_init": True} if name.endswith("Dataset") else {})}
    with DefaultScope.overwrite_default_scope("mmseg"):
        for value in VALUES:
            what = f"{name}({argument}={value!r})"
            try:
                COMPONENTS[name](**{**deepcopy(needed), argument: value})
            except UserError as error:
                assert "\n" not in str(error), f"{what}: {error}"
            except Exception as error:
                raise AssertionError(f"{what}: {error!r}") from error
            else:
                assert not isinstance(value, bytes | complex), f"{what} is accepted: it has no type"


ARGUMENTS = [(name, argument) for name in sorted(COMPONENTS) for argument in arguments_of(name)]


def try_argument(number: int) -> None:
    """Try the values of one argument of one component."""
    try_values(*ARGUMENTS[number % len(ARGUMENTS)])
