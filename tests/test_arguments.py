"""Every argument of every component is checked: the named cases, and 40 values for each argument."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import nn

from mmseg_ext import registry
from mmseg_ext.arguments import constructor_signature
from mmseg_ext.errors import UserError
from mmseg_ext.stock_annotations import STOCK_ANNOTATIONS

KINDS = [kind for kind in vars(registry).values() if isinstance(kind, registry.Registry)]
for kind in KINDS:
    kind.import_from_location()
COMPONENTS = {name: component for kind in KINDS for name, component in kind.module_dict.items()}
NAN, INF = float("nan"), float("inf")
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
NEEDED = {
    "BinaryMaskDataset": {"data_root": "data"},
    "CleanUp": {"steps": [], "metrics": []},
    "DINO": {"arch": "vit_tiny_patch16_dinov3"},
    "DownsampledADE20KDataset": {"factor": 2},
    "EncoderDecoder": SEGMENTOR,
    "LayerDecayOptimWrapperConstructor": {"optim_wrapper_cfg": {"type": "OptimWrapper", "optimizer": {"lr": 1.0}}},
    "LinearHead": {"in_channels": 3, "num_classes": 2, "norm_cfg": {"type": "BN"}},
    "LoadBinarizedColorAnnotations": {"palette": ["#FF0000"]},
    "LoadColorAnnotations": {"palette": ["#FF0001"]},
    "LoadGroupedColorAnnotations": {"groups": [["#FF0000"]]},
    "LoadPointAnnotations": {"file": "points.csv"},
    "MLflowVisBackend": {"save_dir": "runs"},
    "MultiScaleDeformableAttention": {"embed_dims": 8},
    "OneCycleLR": {
        "optimizer": torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "initial_lr": 1.0, "max_lr": 1.0, "min_lr": 0.1}], lr=1.0),
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


def arguments_of(name):
    parameters = constructor_signature(COMPONENTS[name].__mro__, STOCK_ANNOTATIONS).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_no_value_of_an_argument_ends_in_another_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("points.csv").write_text("image,x,y,class\na.png,0,0,0\n")
    component, needed = COMPONENTS[name], NEEDED.get(name, {})
    if name.endswith("Dataset"):
        needed = {**needed, "lazy_init": True}
    accepted, failed = [], []
    with DefaultScope.overwrite_default_scope("mmseg"):
        for argument in arguments_of(name):
            for value in VALUES:
                try:
                    component(**{**deepcopy(needed), argument: value})
                except UserError as error:
                    failed += [str(error)] if "\n" in str(error) else []
                except Exception as error:
                    failed.append(f"{argument}={value!r}: {error!r}")
                else:
                    accepted += [argument] if isinstance(value, bytes | complex) else []
    assert not failed
    assert not accepted, "arguments without a type"
