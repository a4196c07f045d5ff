"""Every argument of every component is checked: the named cases, and 40 values for each argument."""

import inspect
import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmseg.datasets.transforms import Resize as StockResize
from torch import nn

from mmseg_ext import registry
from mmseg_ext.arguments import ArgumentError, PositiveInt, checked, constructor_signature, describe, fits
from mmseg_ext.datasets import DownsampledADE20KDataset, DubaiAerialDataset
from mmseg_ext.errors import UserError
from mmseg_ext.models.losses import PartialCrossEntropyLoss
from mmseg_ext.stock_annotations import STOCK_ANNOTATIONS
from mmseg_ext.transforms import PointAwareRandomCrop, RandomCrop, Resize, SamplePoints

KINDS = [kind for kind in vars(registry).values() if isinstance(kind, registry.Registry)]
for kind in KINDS:
    kind.import_from_location()
COMPONENTS = {
    name: component
    for kind in KINDS
    for name, component in kind.module_dict.items()
    if component.__module__.startswith("mmseg_ext.")
}
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


def arguments_of(name):
    parameters = constructor_signature(COMPONENTS[name].__mro__, STOCK_ANNOTATIONS).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SamplePoints(num_points=NAN),
            "SamplePoints: expected `num_points` to be a positive int, got nan (float)",
        ),
        (
            lambda: SamplePoints(num_points=True),
            "SamplePoints: expected `num_points` to be a positive int, got True (bool)",
        ),
        (
            lambda: SamplePoints(20, ignore_index="255"),
            "SamplePoints: expected `ignore_index` to be an int, got '255' (str)",
        ),
        (
            lambda: PointAwareRandomCrop(8, ignore_index="abc"),
            "PointAwareRandomCrop: expected `ignore_index` to be an int, got 'abc' (str)",
        ),
        (
            lambda: PartialCrossEntropyLoss(class_weight=[1.0, INF]),
            "PartialCrossEntropyLoss: expected `class_weight` to be a list (each item a non-negative number), a string "
            "or None, got [1.0, inf] (list)",
        ),
        (
            lambda: DubaiAerialDataset(split=["train"]),
            "DubaiAerialDataset: expected `split` to be one of 'train', 'val', 'all', got ['train'] (list)",
        ),
        (
            lambda: DownsampledADE20KDataset(4, pipeline=NAN),
            "DownsampledADE20KDataset: expected `pipeline` to be a list (each item a config, a dict with a `type` or "
            "Callable), got nan (float)",
        ),
        (
            lambda: SamplePoints(num_point=20),
            "SamplePoints: unexpected argument `num_point`. Did you mean `num_points`?",
        ),
        (lambda: SamplePoints(), "SamplePoints: missing a required argument: 'num_points'"),
        (
            lambda: RandomCrop(crop_size=(8, 8, 8)),
            "a positive int or a list (a positive int, a positive int), got (8, 8, 8)",
        ),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(call, message):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert message in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_what_a_dataset_passes_by_itself_is_no_argument():
    with pytest.raises(UserError, match="DownsampledADE20KDataset: unexpected argument `seg_map_suffix`"):
        DownsampledADE20KDataset(2, seg_map_suffix=".tif")
    with pytest.raises(UserError, match="unexpected argument `has_masks`"):
        registry.DATASETS.build({"type": "mmseg_ext.LoveDADataset", "has_masks": False})


def test_what_configs_give_is_taken():
    crop = RandomCrop(ConfigDict(size=[8, 9])["size"], cat_max_ratio=1)
    assert (crop.crop_size, RandomCrop(np.int64(7)).crop_size) == ((8, 9), (7, 7))
    assert SamplePoints(np.int64(20), data_root=None, resample=np.bool_(True)).resample
    assert Resize(scale_factor=[0.5, np.float32(2)]).scale_factor == (0.5, 2.0)
    assert PartialCrossEntropyLoss(np.array([1, 2])).class_weight_C.tolist() == [1, 2]
    assert fits(ConfigDict(a=1), dict[str, int])
    assert not fits({"a": "1"}, dict[str, int])
    assert fits(10**400, float)


@registry.Registry("component", scope="test_arguments").register_module()
class _NotOfThePackage:
    def __init__(self, count: int) -> None:
        self.count = count


class _Derived(SamplePoints):
    def __init__(self, number: int, **kwargs: object) -> None:
        super().__init__(num_points=number, **kwargs)


def test_classes_go_on_being_what_they_are():
    points = SamplePoints(20)
    assert pickle.loads(pickle.dumps(points)).num_points == 20
    assert "num_points" in inspect.signature(SamplePoints).parameters
    assert Config({"step": {"type": "mmseg_ext.SamplePoints", "num_points": 20}}).pretty_text
    assert _NotOfThePackage("3").count == "3"
    assert (_Derived(3, seed=1).num_points, _Derived(3, seed=1).seed) == (3, 1)
    with pytest.raises(UserError, match=r"_Derived: unexpected argument `sead`\. Did you mean `seed`"):
        _Derived(3, sead=1)


def test_a_base_class_between_ours_and_the_stock_one_still_takes_its_turn():
    class Between(StockResize):
        def __init__(self, *args, mark=0, **kwargs):
            self.mark = mark
            super().__init__(*args, **kwargs)

    class Mixed(Resize, Between):
        pass

    assert (Mixed((8, 9), None, True, mark=3).mark, Mixed((8, 9), None, True).keep_ratio) == (3, True)
    with pytest.raises(UserError, match="Mixed: expected `keep_ratio` to be True or False, got 1"):
        Mixed((8, 9), None, 1)


def test_functions_are_checked_too():
    @checked
    def repeat(text: str, count: PositiveInt | None = None) -> str:
        return text * (count or 1)

    assert (repeat("a"), repeat("a", None), repeat("a", count=3)) == ("a", "a", "aaa")
    with pytest.raises(UserError, match="repeat: expected `count` to be a positive int or None, got 0"):
        repeat("a", 0)
    assert describe(tuple[int, ...]) == "a list (each item an int)"


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
