import numpy as np
import torch
from PIL import Image

from mmseg_ext.engine.hooks.train_pictures_hook import packed_image


def weights(runner):
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def test_training_pictures_leave_the_run_as_it_was(run_tiny, tmp_path):
    with_pictures = run_tiny(tmp_path / "a", [{"type": "mmseg_ext.TrainPicturesHook", "num_images": 3}])
    without = run_tiny(tmp_path / "b", [])
    assert torch.equal(weights(with_pictures), weights(without))
    picture = np.asarray(Image.open(tmp_path / "a" / "pictures" / "training_crops.png"))
    assert picture.shape[1] > 3 * 256  # three crops, 256 pixels high, in a row
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_packed_images_become_rgb():
    bgr_CHW = np.arange(3, dtype=np.uint8).reshape(3, 1, 1)
    assert packed_image(bgr_CHW, bgr_to_rgb=True).tolist() == [[[2, 1, 0]]]
    assert packed_image(bgr_CHW, bgr_to_rgb=False).tolist() == [[[0, 1, 2]]]
    assert packed_image(np.full((1, 1, 1), 7, np.uint8), bgr_to_rgb=False).tolist() == [[[7, 7, 7]]]
