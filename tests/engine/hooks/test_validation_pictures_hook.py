import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_ext.engine.hooks.validation_pictures_hook import (
    ValidationPicturesHook,
    labels_at_budget,
    path_below,
    picture_name,
)
from mmseg_ext.errors import UserError
from mmseg_ext.points.sampling import keep_points, seed_of_sample


def test_validation_pictures_are_the_same_images_each_time_and_show_the_budget(
    run_tiny, tmp_path, tiny_data, point_pipeline
):
    hook = {"type": "mmseg_ext.ValidationPicturesHook", "num_images": 2, "height": 64}
    run_tiny(tmp_path / "all", [hook])
    folder = tmp_path / "all" / "pictures"
    names = sorted(p.name for p in (folder / "validation").iterdir())
    images = sorted(tiny_data.glob("Val/Urban/images_png/*.png")) + sorted(tiny_data.glob("Val/Rural/images_png/*.png"))
    assert names == sorted(picture_name(str(p), str(tiny_data)) for p in (images[0], images[-1]))
    assert names[0].startswith("Val_Rural_images_png_")
    one = Image.open(folder / "validation" / names[0])
    both = Image.open(folder / "validation.png")
    assert both.width >= one.width
    assert both.height > 2 * one.height

    run_tiny(tmp_path / "points", [hook], **{"train_dataloader.dataset.pipeline": point_pipeline})
    with_budget = Image.open(tmp_path / "points" / "pictures" / "validation" / names[0])
    assert with_budget.width > one.width  # one more column


def test_the_points_shown_are_those_of_the_budget():
    labels_HW = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.uint8)
    step = {"type": "mmseg_ext.SamplePoints", "num_points": 3, "seed": 5, "resample": True}
    config = Config({"train_dataloader": {"dataset": {"data_root": "root", "pipeline": [step]}}})
    title, points_HW = labels_at_budget(config, "root/Val/a.png", labels_HW)
    assert title == "3 points"
    assert (points_HW == keep_points(labels_HW, 3, seed_of_sample(5, "Val/a.png"))).all()
    everything = Config({"train_dataloader": {"dataset": {"pipeline": [{"type": "LoadAnnotations"}]}}})
    assert labels_at_budget(everything, "root/Val/a.png", labels_HW) is None


def test_names_are_relative_to_the_data_root_where_they_lie_below_it():
    assert path_below("root/Val/a.png", "root").as_posix() == "Val/a.png"
    assert path_below("elsewhere/a.png", "root").as_posix() == "elsewhere/a.png"
    assert path_below("a.png", None).as_posix() == "a.png"
    assert picture_name("1/2/3/4/5/a.jpg", None) == "3_4_5_a.png"


@pytest.mark.parametrize(
    "kwargs",
    [{"num_images": -1}, {"height": 0}, {"hardest": -1}, {"min_pixels": 0}],
    ids=lambda kwargs: next(iter(kwargs)),
)
def test_numbers_out_of_range_are_refused(kwargs):
    with pytest.raises(UserError, match=f"expected `{next(iter(kwargs))}` to be"):
        ValidationPicturesHook(**kwargs)
