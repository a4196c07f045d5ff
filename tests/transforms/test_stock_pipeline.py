"""The stock augmentation pipeline of the base configs: every number, the order, and the same result as mmseg's own."""

import random
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest
import torch
from comparisons import assert_same_classes
from mmcv.transforms import LoadImageFromFile, RandomFlip, RandomResize
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs, PhotoMetricDistortion, RandomCrop
from mmseg.registry import DATASETS, MODELS, TRANSFORMS

from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial

CONFIGS = Path(__file__).parents[2] / "configs"
IMAGENET_MEAN, IMAGENET_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
TRAIN = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "RandomResize", "scale": (2048, 512), "ratio_range": (0.5, 2.0), "keep_ratio": True},
    {"type": "RandomCrop", "crop_size": (512, 512), "cat_max_ratio": 0.75},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PhotoMetricDistortion"},
    {"type": "PackSegInputs"},
]
# As mmseg's own configs: LoveDA's images of 1024 × 1024 are validated as they are.
VALIDATION_SCALE = {"loveda": (1024, 1024), "ade20k": (2048, 512)}

pytestmark = pytest.mark.usefixtures("mmseg_scope")


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """Five images of 96 × 96, LoveDA's layout, some with a border of label 0."""
    root = tmp_path_factory.mktemp("stock") / "loveda"
    return generate_synthetic_aerial(root, num_train=5, num_val=2, num_test=0, size=96, seed=1)


def base(name):
    return Config.fromfile(CONFIGS / "_base_" / "datasets" / f"{name}.py")


def plain(steps):
    return [dict(step) for step in steps]


def stock_name(name):
    """The stock transform that a drop-in stands for: it has the same arguments and results, tested in test_drop_ins."""
    assert name.removeprefix("mmseg_ext.") in {*(step["type"] for step in TRAIN), "Resize"}
    assert name.startswith("mmseg_ext."), "the base configs use the drop-ins"
    return name.removeprefix("mmseg_ext.")


def as_stock(steps):
    return [{**step, "type": stock_name(step["type"])} for step in steps]


def loveda(data_root, split):
    settings = base("loveda")[f"{split}_dataloader"].dataset
    return DATASETS.build({**settings, "data_root": str(data_root)})


def preprocessor(**settings):
    model = Config.fromfile(CONFIGS / "_base_" / "models" / "fpn_r18w32.py").model
    return MODELS.build({**model.data_preprocessor, **settings})


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)


def of_type(pipeline, kind):
    return next(t for t in pipeline.transforms if isinstance(t, kind))


@pytest.mark.parametrize("name", VALIDATION_SCALE)
def test_every_number_and_the_order(name):
    config = base(name)
    assert as_stock(config.train_dataloader.dataset.pipeline) == TRAIN
    validation = [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", "scale": VALIDATION_SCALE[name], "keep_ratio": True},
        {"type": "LoadAnnotations"},
        {"type": "PackSegInputs"},
    ]
    for split in ("val", "test"):
        loader = config[f"{split}_dataloader"]
        assert as_stock(loader.dataset.pipeline) == validation
        assert loader.batch_size == 1
        assert loader.sampler == {"type": "DefaultSampler", "shuffle": False}
        evaluators = config[f"{split}_evaluator"]
        first, *more = evaluators if isinstance(evaluators, list) else [evaluators]
        assert first == {"type": "mmseg_ext.SegmentationMetric"}
        assert all(metric["type"] == "mmseg_ext.OriginalResolutionMetric" for metric in more)
    assert config.train_dataloader.batch_size == 4
    assert config.train_dataloader.sampler == {"type": "InfiniteSampler", "shuffle": True}


@pytest.mark.parametrize("name", VALIDATION_SCALE)
def test_test_time_augmentation_is_six_scales_by_two_flips(name):
    load, augment = base(name).tta_pipeline
    assert as_stock([load]) == [{"type": "LoadImageFromFile"}]
    scales, flips, labels, pack = augment.transforms
    assert [(stock_name(s.type), s.scale_factor, s.keep_ratio) for s in scales] == [
        ("Resize", ratio, True) for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    ]
    assert [(stock_name(f.type), f.prob, f.direction) for f in flips] == [
        ("RandomFlip", 0.0, "horizontal"),
        ("RandomFlip", 1.0, "horizontal"),
    ]
    assert [stock_name(s.type) for s in (*labels, *pack)] == ["LoadAnnotations", "PackSegInputs"]


@pytest.mark.parametrize("factor", [1, 4])
def test_ade20k_differs_by_its_factor_alone(factor):
    config = base("ade20k")
    for split, folder in (("train", "train"), ("val", "val"), ("test", "val")):
        dataset = DATASETS.build({**config[f"{split}_dataloader"].dataset, "factor": factor, "lazy_init": True})
        assert (dataset.factor, dataset.split, dataset.reduce_zero_label) == (factor, folder, True)
        suffix = "" if factor == 1 else f"_ds_{factor}"
        assert dataset.data_root == f"data/ade/ADEChallengeData2016{suffix}"


def test_numbers_that_the_configs_leave_to_the_stock_defaults():
    built = Compose(plain(TRAIN))
    resize = of_type(built, RandomResize).resize
    assert (resize.interpolation, resize.keep_ratio) == ("bilinear", True)
    distortion = of_type(built, PhotoMetricDistortion)
    assert distortion.brightness_delta == 32
    assert (distortion.contrast_lower, distortion.contrast_upper) == (0.5, 1.5)
    assert (distortion.saturation_lower, distortion.saturation_upper) == (0.5, 1.5)
    assert distortion.hue_delta == 18
    crop = of_type(built, RandomCrop)
    assert (crop.crop_size, crop.cat_max_ratio, crop.ignore_index) == ((512, 512), 0.75, 255)
    flip = of_type(built, RandomFlip)
    assert (flip.prob, flip.direction) == (0.5, "horizontal")
    assert of_type(built, LoadAnnotations).reduce_zero_label is None  # the dataset decides


def test_crop_of_a_single_class_is_tried_ten_times_more():
    crop = TRANSFORMS.build(TRAIN[3])
    sample = {"img": np.zeros((600, 700, 3), np.uint8), "gt_seg_map": np.zeros((600, 700), np.uint8)}
    with mock.patch("numpy.random.randint", wraps=np.random.randint) as draw:
        crop.crop_bbox(sample)
    assert draw.call_count == 2 * (1 + 10)  # a row and a column each


@pytest.mark.parametrize("seed", range(8))
def test_built_pipeline_equals_stock_transforms_built_by_hand(data_root, seed):
    dataset = loveda(data_root, "train")
    info = dataset.get_data_info(seed % len(dataset))
    stock = [
        LoadImageFromFile(),
        LoadAnnotations(),
        RandomResize(scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
        RandomCrop(crop_size=(512, 512), cat_max_ratio=0.75),
        RandomFlip(prob=0.5),
        PhotoMetricDistortion(32, (0.5, 1.5), (0.5, 1.5), 18),
        PackSegInputs(),
    ]
    seed_everything(seed)
    ours = dataset.prepare_data(seed % len(dataset))
    seed_everything(seed)
    for step in stock:
        info = step(info)
    assert torch.equal(ours["inputs"], info["inputs"])
    assert torch.equal(ours["data_samples"].gt_sem_seg.data, info["data_samples"].gt_sem_seg.data)
    metainfo = dict(ours["data_samples"].metainfo)
    assert metainfo.pop("img_name") == Path(metainfo["img_path"]).relative_to(data_root).as_posix()
    assert metainfo == info["data_samples"].metainfo
    assert ours["inputs"].dtype == torch.uint8


def test_images_are_resized_bilinearly_and_labels_by_nearest_neighbour(data_root):
    dataset = loveda(data_root, "train")
    sample = dataset.get_data_info(0)
    for step in dataset.pipeline.transforms[:2]:
        sample = step(sample)
    image, labels = sample["img"], sample["gt_seg_map"]
    np.random.seed(3)
    ratio = np.random.random_sample() * 1.5 + 0.5
    size = (int(96 * int(512 * ratio) / 96 + 0.5),) * 2
    np.random.seed(3)
    resized = dataset.pipeline.transforms[2](sample)
    assert resized["img"].shape[:2] == size
    np.testing.assert_array_equal(resized["img"], cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))
    np.testing.assert_array_equal(resized["gt_seg_map"], cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))


def test_zero_is_ignored_and_the_classes_move_down_by_one(data_root):
    dataset = loveda(data_root, "val")
    seen = set()
    for index in range(len(dataset)):
        mask = cv2.imread(dataset.get_data_info(index)["seg_map_path"], cv2.IMREAD_UNCHANGED).astype(int)
        labels = dataset[index]["data_samples"].gt_sem_seg.data.squeeze(0).numpy()
        np.testing.assert_array_equal(labels, np.where(mask == 0, 255, mask - 1))
        seen |= set(np.unique(mask).tolist())
    assert {1, 2, 3, 4, 5, 6, 7} <= seen


def test_preprocessor_normalises_and_pads_at_the_bottom_right():
    settings = Config.fromfile(CONFIGS / "_base_" / "models" / "fpn_r18w32.py").model.data_preprocessor
    assert (settings.mean, settings.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert settings.bgr_to_rgb
    assert (settings.pad_val, settings.seg_pad_val) == (0, 255)

    height, width = 40, 50
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = rng.integers(0, 7, (height, width), dtype=np.uint8)
    packed = TRANSFORMS.build({"type": "PackSegInputs"})(
        {"img": image, "gt_seg_map": labels, "img_path": "", "ori_shape": (height, width), "img_shape": (height, width)}
    )
    batch = preprocessor(size=(64, 64))(pseudo_collate([packed]), training=True)
    out = batch["inputs"][0].numpy()
    expected = (image[..., ::-1].astype(np.float64) - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(out[:, :height, :width], expected.transpose(2, 0, 1), atol=1e-5)
    assert not out[:, height:].any()
    assert not out[:, :, width:].any()  # 0 after the normalisation
    truth = batch["data_samples"][0].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(truth[:height, :width], labels)
    assert (truth[height:] == 255).all()
    assert (truth[:, width:] == 255).all()


def test_validation_sees_the_whole_image_and_scores_at_the_original_size(data_root):
    dataset = loveda(data_root, "val")
    sample = dataset[0]
    assert tuple(sample["inputs"].shape[1:]) == (1024, 1024)  # all of the 96 × 96 pixels, enlarged
    image = cv2.imread(dataset.get_data_info(0)["img_path"])
    whole = cv2.resize(image, (1024, 1024), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(sample["inputs"].numpy().transpose(1, 2, 0), whole)
    assert sample["data_samples"].ori_shape == (96, 96)
    assert tuple(sample["data_samples"].gt_sem_seg.data.shape) == (1, 96, 96)


def test_logits_are_upsampled_before_argmax():
    settings = Config.fromfile(CONFIGS / "_base_" / "models" / "fpn_r18w32.py").model
    settings.decode_head.num_classes = 7
    settings.backbone.norm_cfg = settings.decode_head.norm_cfg = {"type": "BN"}
    torch.manual_seed(0)
    model = MODELS.build(settings).eval()
    original, resized = (90, 120), (48, 64)
    image = np.random.default_rng(0).integers(0, 256, (*resized, 3), dtype=np.uint8)
    packed = TRANSFORMS.build({"type": "PackSegInputs"})(
        {"img": image, "img_path": "", "ori_shape": original, "img_shape": resized}
    )
    batch = pseudo_collate([packed])
    with torch.no_grad():
        result = model.test_step(batch)[0]
        inputs = model.data_preprocessor(batch, training=False)["inputs"]
        logits = model.decode_head(model.neck(model.backbone(inputs)))
        for size in (resized, original):
            logits = torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    prediction = result.pred_sem_seg.data
    assert tuple(prediction.shape) == (1, *original)
    torch.testing.assert_close(result.seg_logits.data, logits[0])
    assert_same_classes(prediction[0], logits[0])
    assert len(prediction.unique()) > 1
