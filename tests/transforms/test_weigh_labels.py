"""Labels that stand for areas, from the file to the sample."""

import numpy as np
import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.points.areas import format_areas
from mmseg_ext.transforms import PackSegInputs, WeighLabels

LABELS = np.full((10, 20), 255, np.uint8)
LABELS[0, :4] = 0
LABELS[1, :2] = 2


@pytest.fixture
def areas(tmp_path):
    path = tmp_path / "areas.json"
    path.write_text(format_areas({"a.png": np.array([0.2, 0.0, 0.8])}, ["x", "y", "z"], {}))
    return path


def sample(**results):
    return {"img_path": "/data/a.png", "img_name": "a.png", "gt_seg_map": LABELS.copy(), **results}


def test_a_label_stands_for_its_share_of_the_area(areas):
    weights = WeighLabels(str(areas))(sample())["label_weights"]
    assert weights.dtype == np.float32
    assert weights == pytest.approx([0.2 * 200 / 4, 0, 0.8 * 200 / 2])


def test_the_weights_are_packed(areas):
    results = WeighLabels(str(areas))(sample(img=np.zeros((10, 20, 3), np.uint8), seg_fields=["gt_seg_map"]))
    packed = PackSegInputs(meta_keys=("img_path",))(results)
    assert packed["data_samples"].label_weights.tolist() == results["label_weights"].tolist()
    assert "label_weights" not in PackSegInputs(meta_keys=("img_path",))(sample())["data_samples"]


def test_a_name_relative_to_the_data_root(areas):
    results = {"img_path": "/data/a.png", "gt_seg_map": LABELS}
    assert WeighLabels(str(areas), data_root="/data")(results)["label_weights"][0] == pytest.approx(10)
    with pytest.raises(UserError, match=r"WeighLabels\(data_root="):
        WeighLabels(str(areas))({"img_path": "/data/a.png", "gt_seg_map": LABELS})


def test_an_image_without_labels(areas):
    assert np.isfinite(WeighLabels(str(areas))(sample(gt_seg_map=np.full_like(LABELS, 255)))["label_weights"]).all()


def test_what_the_file_does_not_know_is_named(areas):
    transform = WeighLabels(str(areas))
    with pytest.raises(UserError, match=r"areas of 'b\.png'"):
        transform(sample(img_name="b.png"))
    with pytest.raises(UserError, match=r"area of class 3 in /data/a\.png"):
        transform(sample(gt_seg_map=np.full_like(LABELS, 3)))
    assert repr(transform) == f"WeighLabels(areas={str(areas)!r})"


def test_all_images_are_looked_up_before_training(areas):
    entries = [{"img_path": f"/data/{name}", "img_name": name} for name in ("a.png", "b.png", "c.png")]
    problems = WeighLabels(str(areas)).check_entries(entries)
    assert [p.path for p in problems] == ["/data/b.png", "/data/c.png"]
    (problem,) = WeighLabels("nowhere.json").check_entries(entries)  # one, not one an image
    assert "No areas at nowhere.json" in problem.what


def test_a_config_is_built_without_the_file():
    with pytest.raises(UserError, match="No areas at"):
        WeighLabels("nowhere.json")(sample())
