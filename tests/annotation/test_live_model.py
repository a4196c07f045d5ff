"""The model that is fitted as points come, against the components that it is made of."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from served import make_images

from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.live_model import LiveModel, model_config
from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.annotation.prediction_loop import PredictionLoop
from mmseg_ext.annotation.quality import estimate_quality, predict_held_out
from mmseg_ext.errors import UserError
from mmseg_ext.features.completion import complete_image
from mmseg_ext.features.point_features import PointFeatures, join_points

SIZE = (64, 96)


def small_config(**head):
    config = model_config("efficientnet-lite0")
    config["backbone"].update(checkpoint=None, out_indices=(1, 2))  # strides 4 and 8: nothing is averaged
    config["decode_head"].update(head)
    return config


@pytest.fixture
def model(tmp_path):
    return LiveModel(2, small_config(), scale=SIZE[::-1], cache_dir=tmp_path / "cache")


def make_image(seed=0):
    image = np.random.default_rng(seed).integers(0, 60, (*SIZE, 3), dtype=np.uint8)
    image[:, : SIZE[1] // 2, 1] += 150
    return image


POSITIONS = np.array([[5, 5], [40, 20], [10, 70], [60, 90]])
LABELS = np.array([0, 0, 1, 1])


def test_it_is_the_completion_of_labels(model):
    """At its own size and without averaged maps, an image is predicted as completed labels are."""
    image = make_image()
    labelled = model.look_at(model.extract(image), POSITIONS, LABELS)
    assert model.fit([labelled])
    labels_HW = np.full(SIZE, 255, np.uint8)
    labels_HW[tuple(POSITIONS.T)] = LABELS
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=torch.from_numpy(labels_HW)[None]), metainfo={"img_shape": SIZE, "ori_shape": SIZE}
    )
    batch = {"inputs": [torch.from_numpy(image.transpose(2, 0, 1).copy())], "data_samples": [sample]}
    model.segmentor.estimate_areas = False
    (expected,) = model.segmentor.look_at(batch)
    order = np.lexsort(POSITIONS.T[::-1])
    assert torch.allclose(labelled.network_PF[order], expected.network_PF, atol=1e-4)
    assert torch.allclose(labelled.descriptors_PD[order], expected.descriptors_PD, atol=1e-4)
    classes_HW, _ = complete_image(model.segmentor, batch, expected)
    found = model.log_probabilities(model.extract(image), labelled)
    enlarged = torch.nn.functional.interpolate(found.exp(), size=SIZE, mode="bilinear")[0]
    is_clear_HW = (enlarged[0] - enlarged[1]).abs().numpy() > 1e-3
    assert is_clear_HW.mean() > 0.9
    assert np.array_equal(enlarged.argmax(0).numpy()[is_clear_HW], classes_HW[is_clear_HW])


def test_features_are_read_again(model):
    image = make_image()
    made = model.extract(image, SIZE, "a")
    found = model.find_features("a", SIZE)
    assert model.find_features("b", SIZE) is None
    assert found.input_size == made.input_size == SIZE
    assert all(torch.equal(one.float(), other) for one, other in zip(found.maps, made.maps, strict=True))


def test_points_count_in_the_image_itself(model):
    """A point of a larger image falls on the same place of its features."""
    image = make_image()
    large = image.repeat(3, 0).repeat(3, 1)
    found = model.extract(large)
    assert found.input_size == SIZE
    assert found.image_size == (3 * SIZE[0], 3 * SIZE[1])
    here = model.look_at(found, 3 * POSITIONS + 1, LABELS)
    there = model.look_at(found._replace(image_size=SIZE), POSITIONS, LABELS)
    assert torch.allclose(here.positions_P2, there.positions_P2, atol=1e-5)
    assert torch.allclose(here.network_PF, there.network_PF, atol=1e-4)


def test_one_class_is_not_fitted_to(model):
    features = model.extract(make_image())
    assert not model.fit([])
    assert not model.fit([model.look_at(features, POSITIONS, np.zeros(4))])
    assert model.fit([model.look_at(features, POSITIONS, LABELS)])
    assert not model.fit([])


def test_colour_and_texture_alone(tmp_path):
    model = LiveModel(2, model_config("trees"), scale=SIZE[::-1])
    features = model.extract(make_image())
    assert len(features.maps) == 1
    labelled = model.look_at(features, POSITIONS, LABELS)
    assert model.fit([labelled])
    for image in (None, labelled):
        grid = model.log_probabilities(features, image)[0].exp().numpy()
        assert np.allclose(grid.sum(0), 1, atol=1e-5)
        assert (grid[0, :, : grid.shape[2] // 2 - 1] > 0.5).mean() > 0.9
        assert (grid[0, :, grid.shape[2] // 2 + 1 :] < 0.5).mean() > 0.9


def test_other_models():
    config = model_config("dinov3_vits16")
    assert config["backbone"] == {"type": "mmseg_ext.DINO", "arch": "dinov3_vits16", "frozen": True}
    assert config["data_preprocessor"]["mean"] == [123.675, 116.28, 103.53]
    assert model_config("efficientnet-lite2", "a.pth")["backbone"]["checkpoint"] == "a.pth"
    with pytest.raises(UserError, match="Expected `arch` to be one of"):
        LiveModel(2, model_config("resnet9000"))


def made_points(num_images=6, num_points=12, noise=0.5):
    """Points of two classes, whose first feature tells them apart as well as the noise lets it."""
    rng = np.random.default_rng(0)
    parts = []
    for image in range(num_images):
        labels_P = torch.arange(num_points) % 2
        values = labels_P[:, None] + noise * torch.from_numpy(rng.normal(size=(num_points, 9)))
        parts.append(
            PointFeatures(
                values.float(), values.float(), labels_P, torch.ones(num_points), torch.full_like(labels_P, image)
            )
        )
    return join_points(parts)


def test_each_point_is_predicted_without_its_image(model):
    points = made_points()
    head = model.segmentor.decode_head
    folds = [points.images_P < 3, points.images_P >= 3]
    found = predict_held_out(head, points, folds)
    wrong = points._replace(labels_P=torch.where(folds[0], 1 - points.labels_P, points.labels_P))
    assert torch.equal(predict_held_out(head, wrong, folds)[folds[0]], found[folds[0]])  # its own labels do not matter


def test_quality_says_how_good_and_when_it_is_enough(model):
    names, classes = [f"{n}.png" for n in range(6)], ("land", "water")
    head = model.segmentor.decode_head
    easy = estimate_quality(head, made_points(noise=0.01), names, classes)
    assert (easy.num_points, easy.num_images) == (72, 6)
    assert easy.mean[0] == 100
    assert [value for value, _, _ in easy.classes] == [100, 100]
    assert easy.is_enough
    hard = estimate_quality(head, made_points(noise=3.0), names, classes)
    assert 20 < hard.mean.low < hard.mean.value < hard.mean.high < 90
    assert not hard.is_enough
    assert estimate_quality(head, made_points(num_images=2, num_points=30), names, classes) is None
    assert estimate_quality(head, made_points(num_images=3, num_points=4), names, classes) is None


def test_the_loop_survives_a_model_that_cannot_be_built(tmp_path):
    folder = ImageFolder(make_images(tmp_path / "images"))
    database = PointDatabase(tmp_path / "points.sqlite", ["land", "water"])

    def fail():
        raise UserError("Expected weights, found none.")

    loop = PredictionLoop(folder, database, np.zeros((2, 3)), fail)
    loop.start()
    loop._thread.join(timeout=30)
    assert loop.progress()["model"] == "failed"
    assert "Expected weights, found none." in loop.progress()["error"]
    database.add(folder.names[0], 1, 1, 0)
    assert loop.next_spot(0)["image"] == 0  # suggestions go on, by an even spread
    loop.stop()
    database.close()
