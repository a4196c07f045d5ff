"""The drop-ins against the stock transforms: the same arrays, types and metadata, the same random numbers drawn."""

import copy
import random
import warnings

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.structures import BaseDataElement
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_ext import transforms
from mmseg_ext.errors import UserError
from mmseg_ext.masks.png_decoding import GRAY, RGB, decode_plain_png
from mmseg_ext.transforms.photo_metric_distortion import apply_linear, linear_table

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

pytestmark = pytest.mark.usefixtures("mmseg_scope")


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


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Files in small sizes, first, and in those of ADE20K (JPEG) and LoveDA (PNG), last."""
    folder = tmp_path_factory.mktemp("pairs")
    sizes = [(40, 56), (64, 48), (33, 71), (96, 96)]
    small = [write_pair(folder, f"small{n}", *size, seed=n) for n, size in enumerate(sizes)]
    small += [write_pair(folder, "smallpng", 50, 60, seed=9, suffix=".png")]
    return {
        "small": small,
        "ade20k": [write_pair(folder, "ade", 512, 683, seed=5)],
        "loveda": [write_pair(folder, "loveda", 1024, 1024, seed=6, suffix=".png")],
    }


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
    ("suffix", "mode"),
    [
        *((suffix, mode) for suffix in (".png", ".bmp", ".webp") for mode in ("RGB", "L", "P")),
        (".jpg", "RGB"),
        (".jpg", "L"),
    ],
)
def test_images_of_every_kind(tmp_path, suffix, mode):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(photo(37, 51, 1)).convert(mode).save(path)
    settings = [{}, {"to_float32": True}, {"color_type": "grayscale"}, {"color_type": "unchanged"}]
    settings += [{"imdecode_backend": "pillow"}, {"backend_args": {"backend": "local"}}]
    for setting in settings:
        compare({"type": "LoadImageFromFile", **setting}, lambda seed: {"img_path": str(path)}, range(1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_images_that_a_camera_has_turned(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"image{suffix}"
    Image.fromarray(photo(20, 30, 1)).save(path, exif=exif)
    compare({"type": "LoadImageFromFile"}, lambda seed: {"img_path": str(path)}, range(1))


def test_pngs_that_hold_more_than_pixels(tmp_path):
    """Transparency of one colour, gamma, an animation, interlacing: as OpenCV reads them."""
    image = Image.fromarray(photo(20, 30, 1))
    gray = Image.fromarray(patches(20, 30, 1))
    interlaced = cv2.imencode(".png", photo(20, 30, 1))[1].tobytes()
    variants = {
        "transparent": lambda path: image.save(path, transparency=(10, 20, 30)),
        "animated": lambda path: image.save(path, save_all=True, append_images=[image.rotate(90)]),
        "gray": lambda path: gray.save(path, transparency=3),
        "plain": lambda path: path.write_bytes(interlaced),
    }
    for name, save in variants.items():
        path = tmp_path / f"{name}.png"
        save(path)
        compare({"type": "LoadImageFromFile"}, lambda seed, path=path: {"img_path": str(path)}, range(1))
    plain = (tmp_path / "plain.png").read_bytes()
    assert decode_plain_png(plain, RGB) is not None
    assert decode_plain_png(plain, GRAY) is None
    for name in ("transparent", "animated", "gray"):
        content = (tmp_path / f"{name}.png").read_bytes()
        assert decode_plain_png(content, RGB) is None
        assert decode_plain_png(content, GRAY) is None
    for damaged in (plain[:-60], plain[:100], plain[:20], b"", plain[:200] + b"?" + plain[201:]):
        assert decode_plain_png(damaged, RGB) is None


@pytest.mark.parametrize("filter_name", ["NONE", "SUB", "UP", "AVG", "PAETH", "ALL"])
def test_png_of_every_filter(filter_name):
    name = "ALL_FILTERS" if filter_name == "ALL" else f"FILTER_{filter_name}"
    flags = [cv2.IMWRITE_PNG_FILTER, getattr(cv2, f"IMWRITE_PNG_{name}")]
    for seed, (height, width) in enumerate([(1, 1), (1, 7), (9, 1), (37, 51)]):
        image, mask = photo(height, width, seed), patches(height, width, seed)
        rgb = decode_plain_png(cv2.imencode(".png", image, flags)[1].tobytes(), RGB)
        np.testing.assert_array_equal(rgb[..., ::-1], image)
        gray = decode_plain_png(cv2.imencode(".png", mask, flags)[1].tobytes(), GRAY)
        np.testing.assert_array_equal(gray, mask)
        assert gray.flags.writeable
        assert gray.flags.c_contiguous


def test_images_that_are_missing_or_damaged(tmp_path):
    path = tmp_path / "image.png"
    for content in (None, b"", b"no image", b"\x89PNG\r\n\x1a\n and no more"):
        if content is not None:
            path.write_bytes(content)
        ours = build({"type": "LoadImageFromFile"}, ours=True)
        if content is None:
            with pytest.raises(FileNotFoundError, match=r"image\.png"):
                ours({"img_path": str(path)})
        else:
            with pytest.raises(UserError, match=r"image\.png"):
                ours({"img_path": str(path)})
        if not content:
            for kind in (False, True):
                assert build({"type": "LoadImageFromFile", "ignore_empty": True}, kind)({"img_path": str(path)}) is None


@pytest.mark.parametrize("reduce_zero_label", [False, True])
@pytest.mark.parametrize("label_map", [None, {0: 2, 1: 0, 2: 255, 149: 1}, {1: 2, 2: 1}, {0: 0}, {300: 1}])
@pytest.mark.parametrize("backend", ["pillow", "cv2"])
def test_masks_with_their_tables(pairs, reduce_zero_label, label_map, backend):
    fields = {"reduce_zero_label": reduce_zero_label, "label_map": label_map}
    config = {"type": "LoadAnnotations", "imdecode_backend": backend}
    compare(config, lambda seed: sample(pairs["small"][seed], **fields), range(5))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [*((mode, suffix) for mode in ("1", "P", "I;16") for suffix in (".png", ".tif")), ("I", ".tif")],
)
def test_masks_of_every_kind(tmp_path, mode, suffix):
    path = tmp_path / f"mask{suffix}"
    values = patches(33, 47, 3) > 3 if mode == "1" else patches(33, 47, 3)
    if mode == "P":
        mask = Image.fromarray(values)
        mask = mask.convert("P")
        mask.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
        values = np.array(mask)
    else:
        mask = Image.fromarray(values.astype({"1": bool, "I;16": np.uint16, "I": np.int32}[mode]))
    assert mask.mode == mode
    mask.save(path)
    out = compare({"type": "LoadAnnotations"}, lambda seed: sample(("x", str(path)), reduce_zero_label=False), range(1))
    np.testing.assert_array_equal(out["gt_seg_map"], values)


def test_reduce_zero_label_that_contradicts_the_dataset(pairs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = build({"type": "LoadAnnotations", "reduce_zero_label": True}, ours=True)
    with pytest.raises(UserError, match="reduce_zero_label=False"):
        step(sample(pairs["small"][0], reduce_zero_label=False))


@pytest.mark.parametrize(
    ("pixels", "parts"),
    [
        (np.full((6, 8, 3), 7, np.uint8), ["one value a pixel", "(6, 8, 3)", "LoadColorAnnotations"]),
        (np.full((6, 8, 4), 7, np.uint8), ["one value a pixel", "(6, 8, 4)"]),
        (np.full((6, 8), 300, np.uint16), ["0..255", "300..300"]),
        (np.full((6, 8), 1.5, np.float32), ["integers", "float32"]),
    ],
)
def test_masks_that_stock_garbles_are_refused(tmp_path, pixels, parts):
    path = tmp_path / "mask.tif"
    Image.fromarray(pixels).save(path)
    stock = build({"type": "LoadAnnotations"}, ours=False)
    stock(sample(("x", str(path)), reduce_zero_label=False))  # without a word
    with pytest.raises(UserError) as caught:
        build({"type": "LoadAnnotations"}, ours=True)(sample(("x", str(path)), reduce_zero_label=False))
    for part in (str(path), *parts):
        assert part in str(caught.value)


@pytest.mark.parametrize("backend", ["pillow", "cv2"])
@pytest.mark.parametrize("content", [b"", b"no mask", b"\x89PNG\r\n\x1a\n and no more"])
def test_a_damaged_mask_is_named(tmp_path, content, backend):
    path = tmp_path / "mask.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"mask\.png"):
        build({"type": "LoadAnnotations", "imdecode_backend": backend}, ours=True)(sample(("x", str(path))))


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1)])
def test_a_mask_of_one_row_keeps_its_shape(tmp_path, shape):
    Image.fromarray(np.full(shape, 3, np.uint8)).save(tmp_path / "mask.png")
    out = build({"type": "LoadAnnotations"}, ours=True)(sample(("x", str(tmp_path / "mask.png"))))
    assert out["gt_seg_map"].shape == shape


@pytest.mark.parametrize(
    ("pixels", "name", "parts"),
    [
        (np.dstack([photo(6, 8, 1), np.arange(48, dtype=np.uint8).reshape(6, 8)]), "a.tif", ["4 bands"]),
        (np.full((6, 8), 3000, np.uint16), "a.png", ["uint16"]),
        (np.full((6, 8, 3), 3000, np.uint16), "a.tif", ["uint16"]),
    ],
)
def test_images_that_stock_cuts_down_are_refused(tmp_path, pixels, name, parts):
    path = tmp_path / name
    assert cv2.imwrite(str(path), pixels)
    assert build({"type": "LoadImageFromFile"}, ours=False)({"img_path": str(path)})["img"].shape == (6, 8, 3)
    with pytest.raises(UserError) as caught:
        build({"type": "LoadImageFromFile"}, ours=True)({"img_path": str(path)})
    for part in (str(path), "color_type='unchanged'", *parts):
        assert part in str(caught.value)
    compare({"type": "LoadImageFromFile", "color_type": "unchanged"}, lambda seed: {"img_path": str(path)}, range(1))


def test_the_transparency_of_a_png_is_left_out_as_in_stock(tmp_path):
    path = tmp_path / "glass.png"
    assert cv2.imwrite(str(path), np.dstack([photo(6, 8, 1), np.arange(48, dtype=np.uint8).reshape(6, 8)]))
    compare({"type": "LoadImageFromFile"}, lambda seed: {"img_path": str(path)}, range(1))


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


@pytest.mark.parametrize("width", [33, 64, 128])  # rows of whole vectors are scaled in another way than others
def test_photo_metric_distortion(width):
    compare({"type": "PhotoMetricDistortion"}, lambda seed: loaded(24, width, seed))
    extreme = {"brightness_delta": 255, "contrast_range": (0.0, 3.0), "saturation_range": (0.0, 3.0), "hue_delta": 170}
    compare({"type": "PhotoMetricDistortion", **extreme}, lambda seed: loaded(24, width, seed))


@pytest.mark.parametrize("shape", [(9, 64), (9, 64, 3), (64, 11, 3), (5, 21, 3)])
def test_scaling_gives_what_the_table_says(shape):
    generator = np.random.default_rng(0)
    scaled = 0
    for alpha, beta in [
        (1.0, 0.0),
        (1.0, -7.0),
        (1.0, 7.25),
        (0.5, 0.0),  # every second product is a whole number
        (0.0, 3.0),
        (3.0, -255.0),
        *((alpha, 0.0) for alpha in generator.uniform(0.5, 1.5, 100)),
        *((1.0, beta) for beta in generator.uniform(-32, 32, 100)),
    ]:
        values = generator.integers(0, 256, shape, dtype=np.uint8)
        before = values.copy()
        table = linear_table(alpha, beta)
        assert np.array_equal(apply_linear(values, alpha, beta), table[values]), (alpha, beta)
        part = np.repeat(values, 2, axis=0)[::2]  # rows that do not lie together
        assert np.array_equal(apply_linear(part, alpha, beta), table[values]), (alpha, beta)
        assert np.array_equal(values, before)
        scaled += np.array_equal(
            cv2.convertScaleAbs(np.arange(256, dtype=np.uint8), None, alpha, beta - 0.5).ravel(), table
        )
    assert scaled > 100


def test_photo_metric_distortion_of_two_million_colours():
    """Every second value of each channel, through saturation alone, hue alone and both."""
    steps = np.arange(1, 256, 2, dtype=np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(2048, 1024, 3)
    compare({"type": "PhotoMetricDistortion"}, lambda seed: {"img": colors}, (0, 2, 9))


def test_photo_metric_distortion_leaves_its_input_alone():
    step = build({"type": "PhotoMetricDistortion"}, ours=True)
    for seed in range(20):
        results = loaded(24, 33, 0)
        image = results["img"]
        run(step, results, seed)
        np.testing.assert_array_equal(image, photo(24, 33, 0))


@pytest.mark.parametrize(
    "image", [photo(6, 8, 1).astype(np.float32), np.dstack([photo(6, 8, 1)] * 2)[..., :4], photo(6, 8, 1)[..., 0]]
)
def test_photo_metric_distortion_refuses_what_stock_spoils(image):
    with pytest.raises(UserError, match=r"uint8 image \(H, W, 3\).*road\.jpg"):
        build({"type": "PhotoMetricDistortion"}, ours=True)({"img": image, "img_path": "road.jpg"})


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
