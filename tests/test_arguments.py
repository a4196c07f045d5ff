"""Every argument of every component is checked: the named cases, and 40 values for each argument."""

import inspect
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config, ConfigDict
from mmseg.datasets.transforms import Resize as StockResize

from mmseg_ext import registry
from mmseg_ext.arguments import ArgumentError, PositiveInt, checked, describe, fits
from mmseg_ext.datasets import DownsampledADE20KDataset, DubaiAerialDataset
from mmseg_ext.errors import UserError
from mmseg_ext.models.losses import PartialCrossEntropyLoss
from mmseg_ext.transforms import PointAwareRandomCrop, RandomCrop, Resize, SamplePoints

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from fault_trials.arguments import COMPONENTS, INF, NAN, arguments_of, try_values


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
    for argument in arguments_of(name):
        try_values(name, argument)
