"""The same colours as stock, bit for bit, and what stock spoils."""

import cv2
import numpy as np
import pytest
from drop_in_pairs import build, compare, loaded, photo, run
from mmseg.datasets.transforms import PhotoMetricDistortion as StockPhotoMetricDistortion

from mmseg_ext.errors import UserError
from mmseg_ext.transforms import PhotoMetricDistortion
from mmseg_ext.transforms.photo_metric_distortion import apply_linear, linear_table

pytestmark = pytest.mark.usefixtures("mmseg_scope")


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


@pytest.mark.parametrize("step", ["brightness", "contrast", "saturation", "hue", "convert"])
def test_the_steps_of_a_subclass_are_called_as_by_stock(step):
    def mirrored(self, img, *args, **kwargs):
        return getattr(stock, step)(self, img, *args, **kwargs)[:, ::-1]

    stock = StockPhotoMetricDistortion
    theirs, ours = (type("Mirrored", (base,), {step: mirrored})() for base in (stock, PhotoMetricDistortion))
    plain = PhotoMetricDistortion()
    changed = 0
    for seed in range(20):
        expected, state = run(theirs, loaded(24, 32, seed), seed)
        found, our_state = run(ours, loaded(24, 32, seed), seed)
        np.testing.assert_array_equal(found["img"], expected["img"])
        assert our_state == state
        changed += not np.array_equal(run(plain, loaded(24, 32, seed), seed)[0]["img"], found["img"])
    assert changed
