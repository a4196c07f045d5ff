"""The drop-ins against the stock transforms: the same arrays, types and metadata, the same random numbers drawn."""

import copy

import numpy as np
import pytest
from drop_in_pairs import DROP_INS, assert_same, build, compare, loaded, patches, photo, run, sample, train_pipeline
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS

from mmseg_ext import transforms
from mmseg_ext.transforms import RandomResize, Resize

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def test_every_drop_in_bears_the_stock_name_and_is_a_stock_transform():
    for name in DROP_INS:
        ours, stock = getattr(transforms, name), TRANSFORMS.get(name)
        assert ours is not stock
        assert issubclass(ours, stock)
        assert TRANSFORMS.get(f"mmseg_ext.{name}") is ours
        assert MMENGINE_TRANSFORMS.get(name) is not ours


def test_whole_pipeline_on_small_images(pairs):
    compare(train_pipeline((128, 64), (48, 40)), lambda seed: sample(pairs["small"][seed % 5]))


@pytest.mark.parametrize(("size", "num_seeds"), [("ade20k", 12), ("loveda", 6)])
def test_whole_pipeline_in_real_sizes(pairs, size, num_seeds):
    compare(train_pipeline((2048, 512), (512, 512)), lambda seed: sample(pairs[size][0]), range(num_seeds))


def test_whole_pipeline_on_the_real_dubai_images(dubai_root):
    images = sorted(dubai_root.glob("tile_*/images/*.jpg"))[::7]
    assert len(images) == 8
    steps = train_pipeline((2048, 768), (192, 192))
    steps[1] = {
        "type": "mmseg_ext.LoadColorAnnotations",
        "palette": ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"],
        "ignore_colors": ["#9B9B9B"],
        "unknown": "ignore",
    }
    masks = [image.parents[1] / "masks" / f"{image.stem}.png" for image in images]
    compare(steps, lambda seed: sample((str(images[seed]), str(masks[seed])), reduce_zero_label=False), range(8))


def test_validation_and_test_time_augmentation(pairs):
    validation = [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "scale": (96, 96), "keep_ratio": True},  # the size of one of the images
        {"type": "LoadAnnotations"},
        {"type": "PackSegInputs"},
    ]
    compare(validation, lambda seed: sample(pairs["small"][seed]), range(5))
    for prefix in ("", "mmseg_ext."):
        choices = [
            [{"type": f"{prefix}Resize", "scale_factor": ratio, "keep_ratio": True} for ratio in (0.5, 1.0, 1.75)],
            [{"type": f"{prefix}RandomFlip", "prob": prob, "direction": "horizontal"} for prob in (0.0, 1.0)],
            [{"type": f"{prefix}LoadAnnotations"}],
            [{"type": f"{prefix}PackSegInputs"}],
        ]
        steps = [{"type": f"{prefix}LoadImageFromFile"}, {"type": "TestTimeAug", "transforms": choices}]
        out = run(Compose(steps), sample(pairs["small"][0]), 0)[0]
        if not prefix:
            expected = out
    assert len(expected["inputs"]) == 6
    for key in ("inputs", "data_samples"):
        for mine, theirs in zip(out[key], expected[key], strict=True):
            assert_same(mine, theirs)


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": (128, 64), "keep_ratio": True},
        {"scale": (60, 44)},
        {"scale": (56, 40)},  # the size it has
        {"scale": 48},
        {"scale_factor": 1.0, "keep_ratio": True},
        {"scale_factor": (0.5, 2.0)},
        {"scale": (60, 44), "backend": "pillow"},
        {"scale": (60, 44), "interpolation": "bicubic"},
    ],
)
def test_resize(settings):
    boxes = np.array([[1.0, 2.0, 30.0, 20.0]])
    compare({"type": "Resize", **settings}, lambda seed: loaded(40, 56, seed, gt_bboxes=boxes), range(3))


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": (128, 64), "ratio_range": (0.5, 2.0), "keep_ratio": True},
        {"scale": [(60, 40), (90, 80)], "keep_ratio": False},
        {"scale": (128, 64), "ratio_range": (0.5, 2.0), "resize_type": "Resize"},
    ],
)
def test_random_resize(settings):
    compare({"type": "RandomResize", **settings}, lambda seed: loaded(40, 56, seed % 3))


@pytest.mark.parametrize("crop_size", [(24, 32), 48, (100, 20), (200, 200)])
@pytest.mark.parametrize("settings", [{}, {"cat_max_ratio": 0.75}, {"cat_max_ratio": 0.3, "ignore_index": 3}])
def test_random_crop(crop_size, settings):
    compare({"type": "RandomCrop", "crop_size": crop_size, **settings}, lambda seed: loaded(64, 80, seed), range(70))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int32, np.uint16])
@pytest.mark.parametrize("values", [[3], [255], [3, 255], [3, 4], None])
def test_random_crop_of_few_labels(dtype, values):
    def make(seed):
        labels = patches(64, 80, seed, values).astype(dtype)
        return loaded(64, 80, seed, gt_seg_map=labels)

    compare({"type": "RandomCrop", "crop_size": (30, 30), "cat_max_ratio": 0.75}, make, range(20))


def test_random_crop_takes_the_list_that_the_command_line_gives():
    crop = build({"type": "RandomCrop", "crop_size": [24, 32]}, ours=True)
    assert crop(loaded(64, 80, 0))["img_shape"] == (24, 32)


@pytest.mark.parametrize(
    "settings",
    [
        {"prob": 0.5},
        {"prob": 1.0, "direction": "vertical"},
        {"prob": [0.3, 0.3, 0.3], "direction": ["horizontal", "vertical", "diagonal"]},
        {"prob": 0.5, "swap_seg_labels": [(1, 2), (3, 7)]},
    ],
)
def test_random_flip(settings):
    boxes = np.array([[1.0, 2.0, 30.0, 20.0]])
    compare({"type": "RandomFlip", **settings}, lambda seed: loaded(20, 24, seed % 4, gt_bboxes=boxes))


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 5, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int64, bool])
def test_flip_and_pack_arrays_of_any_kind(channels, dtype):
    shape = (5, 7) if channels is None else (5, 7, channels)
    image = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    steps = [{"type": "RandomFlip", "prob": 1.0, "direction": "diagonal"}]
    if dtype != np.uint16:
        steps += [{"type": "PackSegInputs"}]
    labels = patches(5, 7, 0).astype(np.int64)
    compare(steps, lambda seed: loaded(5, 7, seed, img=image, gt_seg_map=labels), range(1))


def test_pack_every_field():
    edges, depth = patches(20, 24, 1), photo(20, 24, 1)[..., 0].astype(np.float32)
    fields = {"gt_edge_map": edges, "gt_depth_map": depth, "scale_factor": (1.0, 2.0), "flip": True, "more": 1}
    compare({"type": "PackSegInputs"}, lambda seed: loaded(20, 24, seed, **fields), range(2))
    compare(
        {"type": "PackSegInputs", "meta_keys": ("img_path", "more")}, lambda seed: loaded(20, 24, seed, **fields), [0]
    )
    compare({"type": "PackSegInputs"}, lambda seed: {"img": photo(20, 24, 1), "img_path": "x"}, [0])
    compare({"type": "PackSegInputs"}, lambda seed: {"img_path": "x"}, [0])


def test_packed_samples_share_no_memory(pairs):
    """Several samples of a batch live at once; none is written over by a later one."""
    step = build(train_pipeline((128, 64), (48, 40)), ours=True)
    packed = [run(step, sample(pairs["small"][n % 5]), n)[0] for n in range(10)]
    kept = copy.deepcopy(packed)
    for n in range(10, 40):
        run(step, sample(pairs["small"][n % 5]), n)
    for mine, before in zip(packed, kept, strict=True):
        assert_same(mine, before)
    places = [out["inputs"].data_ptr() for out in packed]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("scale", [(56, 40), (28, 20)])
def test_resize_drops_the_axis_of_one_channel_as_stock_does(scale):
    def gray(seed):
        return {**loaded(40, 56, seed), "img": photo(40, 56, seed)[..., :1]}

    out = compare({"type": "Resize", "scale": scale, "keep_ratio": False}, gray, range(2))
    assert out["img"].shape == scale[::-1]


def test_random_resize_is_built_outside_of_mmsegs_scope():
    with DefaultScope.overwrite_default_scope("mmengine"):
        step = RandomResize(scale=(64, 48), ratio_range=(1.0, 1.0), keep_ratio=True)
    assert type(step.resize) is Resize
    assert step(loaded(40, 56, 0))["img"].shape == (46, 64, 3)
