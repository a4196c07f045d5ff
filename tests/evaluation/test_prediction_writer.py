"""Predictions as files: what is written is read back."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import PredictionWriter
from mmseg_ext.registry import METRICS


def sample(path, prediction):
    return {"img_path": str(path), "pred_sem_seg": {"data": torch.as_tensor(prediction)[None]}}


def read(path):
    with Image.open(path) as file:
        return np.array(file)


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_files_bear_the_path_below_the_data_root(tmp_path):
    rng = np.random.default_rng(0)
    predictions = {f"/data/Test/{scene}/images_png/1.png": rng.integers(0, 7, (5, 8)) for scene in ("Urban", "Rural")}
    writer = METRICS.build(
        {"type": "mmseg_ext.PredictionWriter", "output_dir": str(tmp_path / "out"), "data_root": "/data/Test/"}
    )
    writer.process({}, [sample(p, v) for p, v in predictions.items()])
    assert writer.evaluate(2) == {}
    assert files_in(tmp_path / "out") == ["Rural/images_png/1.png", "Urban/images_png/1.png"]
    for path, prediction in predictions.items():
        written = read(tmp_path / "out" / path.removeprefix("/data/Test/"))
        assert written.dtype == np.uint8
        np.testing.assert_array_equal(written, prediction)  # from 0, nothing added


def test_without_data_root_files_bear_the_bare_name(tmp_path):
    writer = PredictionWriter(str(tmp_path))
    writer.process({}, [sample("/a/b/one.jpg", [[1, 2], [3, 0]]), sample("/a/two.tar.jpg", [[4, 4]])])
    assert writer.evaluate(2) == {}
    assert files_in(tmp_path) == ["one.png", "two.tar.png"]
    assert read(tmp_path / "one.png").tolist() == [[1, 2], [3, 0]]
    assert read(tmp_path / "two.tar.png").tolist() == [[4, 4]]


def test_many_classes_are_written_with_16_bits(tmp_path):
    writer = PredictionWriter(str(tmp_path))
    writer.process({}, [sample("many.png", [[0, 255, 256, 40000]]), sample("few.png", [[0, 255]])])
    assert read(tmp_path / "many.png").tolist() == [[0, 255, 256, 40000]]
    assert read(tmp_path / "few.png").tolist() == [[0, 255]]
    assert read(tmp_path / "few.png").dtype == np.uint8


@pytest.mark.parametrize("names", [("/a/x/1.png", "/a/y/1.png"), ("/a/1.png", "/a/1.jpg")])
def test_two_images_for_one_file_are_an_error(tmp_path, names):
    writer = PredictionWriter(str(tmp_path))
    writer.process({}, [sample(n, [[1]]) for n in names])
    with pytest.raises(UserError, match="Expected one image for") as caught:
        writer.evaluate(2)
    for part in (*names, str(tmp_path / "1.png"), "`data_root`"):
        assert part in str(caught.value)


def test_the_same_image_twice_is_none(tmp_path):
    """A sampler of several processes repeats images to fill its last batch."""
    writer = PredictionWriter(str(tmp_path))
    writer.process({}, [sample("/a/1.png", [[1]]), sample("/a/1.png", [[1]])])
    assert writer.evaluate(2) == {}
    assert files_in(tmp_path) == ["1.png"]


def test_an_image_outside_of_the_data_root_is_an_error(tmp_path):
    writer = PredictionWriter(str(tmp_path / "out"), data_root="/data/Test")
    with pytest.raises(UserError, match="Expected images below PredictionWriter") as caught:
        writer.process({}, [sample("/data/Val/1.png", [[1]])])
    for part in ("'/data/Test'", "/data/Val/1.png"):
        assert part in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_sigmoid_channel_is_written_as_class_indices(tmp_path, dtype):
    writer = PredictionWriter(str(tmp_path))
    writer.process({}, [sample("1.png", torch.tensor([[0, 1]], dtype=dtype))])
    assert read(tmp_path / "1.png").tolist() == [[0, 1]]


@pytest.mark.parametrize("name", ["../../x.png", "a/../../x.png", "/elsewhere/x.png"])
def test_an_image_outside_of_the_data_root_is_not_written_outside_of_the_folder(tmp_path, name):
    root = tmp_path / "data"
    writer = PredictionWriter(str(tmp_path / "out"), str(root))
    with pytest.raises(UserError, match="Expected images below PredictionWriter"):
        writer.process({}, [sample(f"{root}/{name}" if name[0] != "/" else name, [[1]])])
    assert files_in(tmp_path) == []
    writer.process({}, [sample(f"{root}/a/../b.png", [[1]])])
    assert files_in(tmp_path) == ["out/b.png"]
