import numpy as np
import pytest
import torch
from PIL import Image

HOOK = {"type": "mmseg_ext.PointPicturesHook", "num_images": 2, "height": 96}


def weights(runner):
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def read(folder):
    return np.asarray(Image.open(folder / "pictures" / "training_points.png"))


def test_points_and_prediction_leave_the_run_as_it_was(run_tiny, point_pipeline, tmp_path):
    options = {"train_dataloader.dataset.pipeline": point_pipeline, "train_cfg.val_interval": 2}
    with_pictures = run_tiny(tmp_path / "a", [HOOK], **options)
    without = run_tiny(tmp_path / "b", [], **options)
    assert torch.equal(weights(with_pictures), weights(without))
    picture = read(tmp_path / "a")
    assert picture.shape[0] > 2 * 96  # two rows
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize("num_points", [1, 20])
def test_every_point_is_drawn(run_tiny, point_pipeline, tmp_path, num_points, monkeypatch):
    from mmseg_ext.engine.hooks import point_pictures_hook

    drawn = []
    draw = point_pictures_hook.draw_points
    monkeypatch.setattr(point_pictures_hook, "draw_points", lambda *a: drawn.append(a[1]) or draw(*a))
    point_pipeline[2]["num_points"] = num_points
    run_tiny(
        tmp_path / "a", [HOOK], **{"train_dataloader.dataset.pipeline": point_pipeline, "train_cfg.val_interval": 4}
    )
    assert [int((labels != 255).sum()) for labels in drawn] == [num_points] * 2


def test_the_legend_names_the_classes_alone(run_tiny, point_pipeline, tmp_path, monkeypatch):
    from mmseg_ext.engine.hooks import point_pictures_hook

    named = []
    legend = point_pictures_hook.legend
    monkeypatch.setattr(point_pictures_hook, "legend", lambda *a: named.append(a[0]) or legend(*a))
    options = {"train_dataloader.dataset.pipeline": point_pipeline, "train_cfg.val_interval": 4}
    runner = run_tiny(tmp_path / "a", [HOOK], **options)
    assert named == [runner.train_dataloader.dataset.metainfo["classes"]]


def test_a_run_on_all_labels_gets_none(run_tiny, tmp_path):
    run_tiny(tmp_path / "a", [HOOK], **{"train_cfg.val_interval": 4})
    assert not (tmp_path / "a" / "pictures" / "training_points.png").exists()
