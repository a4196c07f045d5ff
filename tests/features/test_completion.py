"""Labels completed from the points of an image, by hand-made models and by fitted ones."""

import numpy as np
import pytest
import torch
from test_feature_segmentor import build, make_batch

from mmseg_ext.features.completion import add_place, complete_image, enlarge_labels, multiply_models
from mmseg_ext.features.feature_maps import sample_maps
from mmseg_ext.features.label_points import weigh_points
from mmseg_ext.points.areas import describe_pixels

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def log_of(*probabilities):
    return torch.tensor(probabilities).log().view(1, -1, 1, 1)


def test_the_own_model_weighs_more_with_more_points():
    pooled, own = (0.6, 0.3, 0.1), (0.2, 0.7, 0.1)
    for num_points, weight in ((0, 0.0), (20, 0.5), (60, 0.75)):
        found = multiply_models(log_of(*pooled), log_of(*own), num_points, torch.ones(3, dtype=bool)).exp().flatten()
        product = (np.array(pooled) * np.array(own) ** weight) ** (1 / (1 + weight))
        np.testing.assert_allclose(found.numpy(), product / product.sum(), rtol=1e-5)


def test_on_a_class_without_a_point_the_pooled_model_decides():
    pooled, own = log_of(0.5, 0.3, 0.2), log_of(0.9, 0.1, 1e-12)
    shown_C = torch.tensor([True, True, False])
    found = multiply_models(pooled, own, 20, shown_C).exp().flatten()
    expected = np.array([0.5 * (0.9 * 0.8) ** 0.5, 0.3 * (0.1 * 0.8) ** 0.5, 0.2 * 0.2**0.5]) ** (1 / 1.5)
    np.testing.assert_allclose(found.numpy(), expected / expected.sum(), rtol=1e-5)
    found = multiply_models(pooled, own, 20, shown_C, shows_all_classes=True).exp().flatten()
    expected = np.array([0.5 * 0.9**0.5, 0.3 * 0.1**0.5, 0]) ** (1 / 1.5)
    np.testing.assert_allclose(found.numpy(), expected / expected.sum(), rtol=1e-5)


def test_labels_and_confidence_are_those_of_all_enlarged_probabilities():
    probabilities = torch.rand(1, 7, 5, 6, generator=torch.Generator().manual_seed(0)).softmax(1)
    labels_HW, confidence_HW = enlarge_labels(probabilities, (13, 17))
    enlarged = torch.nn.functional.interpolate(probabilities, size=(13, 17), mode="bilinear")
    best, classes = enlarged.max(1)
    assert (labels_HW == classes[0].numpy()).all()
    np.testing.assert_allclose(confidence_HW, best[0].numpy(), rtol=1e-6)


def test_the_place_is_that_of_the_pixels():
    image_HWC = np.zeros((48, 64, 3), np.uint8)
    with_place = add_place(torch.zeros(1, 9, 6, 8), (48, 64))
    positions_P2 = torch.tensor([[10, 20], [30, 40]])
    found = sample_maps([with_place], positions_P2, (48, 64))[:, 9:]
    unit = describe_pixels(image_HWC)[..., 9:]
    expected = np.array([unit[y, x] for y, x in positions_P2.tolist()])
    np.testing.assert_allclose(found.numpy(), expected + 0.5 * 80 / 64, rtol=1e-5)


def look(segmentor, seeds, **settings):
    images = [segmentor.look_at(make_batch(seed, **settings)[0])[0] for seed in seeds]
    segmentor.fit(images)
    return images, weigh_points(images, segmentor.decode_head.num_classes)


@pytest.mark.parametrize("with_trees", [True, False])
def test_the_halves_of_images_are_found(with_trees):
    segmentor = build()
    if not with_trees:
        head = {"type": "mmseg_ext.LightHead", "num_classes": 2}
        segmentor = build(decode_head={**head, "classifiers": [{"type": "mmseg_ext.LogisticRegression", "C": 0.01}]})
    images, weights = look(segmentor, range(4))
    for seed in range(4):
        batch, truth_HW = make_batch(seed)
        labels_HW, confidence_HW = complete_image(segmentor, batch, images[seed], weights[seed])
        assert labels_HW.dtype == np.uint8
        assert (labels_HW == truth_HW).mean() > 0.95
        assert 0.5 <= confidence_HW.min() <= confidence_HW.max() <= 1


def test_with_balanced_classes_few_own_points_are_not_outvoted():
    head = {"type": "mmseg_ext.LightHead", "num_classes": 2, "classifiers": [{"type": "mmseg_ext.ExtraTrees"}]}
    shares = []
    for class_weight in (None, "balanced"):
        segmentor = build(decode_head={**head, "class_weight": class_weight})
        look(segmentor, range(4))
        batch, truth_HW = make_batch(7, num_points=200)
        labels_HW = batch["data_samples"][0].gt_sem_seg.data[0]
        rows, columns = torch.nonzero(labels_HW == 1, as_tuple=True)
        labels_HW[rows[3:], columns[3:]] = 255
        (image,) = segmentor.look_at(batch)
        _, probable_HW = complete_image(segmentor, make_batch(7)[0], image)
        shares.append(probable_HW[truth_HW == 1].mean())
    assert shares[1] > shares[0]


def test_an_image_of_one_class_is_of_that_class_where_its_points_show_all_classes():
    segmentor = build()
    look(segmentor, range(4))
    batch, truth_HW = make_batch(7, num_points=40)
    labels_HW = batch["data_samples"][0].gt_sem_seg.data
    labels_HW[labels_HW == 1] = 255
    (image,) = segmentor.look_at(batch)
    found_HW, _ = complete_image(segmentor, make_batch(7)[0], image, None, shows_all_classes=True)
    assert (found_HW == 0).all()
    found_HW, _ = complete_image(segmentor, make_batch(7)[0], image, None)
    assert (found_HW == truth_HW).mean() > 0.9


def test_an_image_without_a_point_gets_what_the_pooled_model_predicts():
    segmentor = build()
    look(segmentor, range(4))
    batch, _ = make_batch(9)
    labels_HW, _ = complete_image(segmentor, batch, None)
    (sample,) = segmentor.test_step(make_batch(9)[0])
    assert (labels_HW == sample.pred_sem_seg.data[0].numpy()).mean() > 0.99
