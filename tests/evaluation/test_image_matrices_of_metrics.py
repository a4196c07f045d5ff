"""The confusion matrices of single images that metrics leave beside the log."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from two_processes import run_two_processes

from mmseg_ext.evaluation import SegmentationMetric, ThresholdMetric
from mmseg_ext.scores.confusion_matrix import count_confusion
from mmseg_ext.scores.image_matrices import read_image_matrices

CLASSES = ("land", "water", "road", "roof")


@pytest.fixture
def run(tmp_path):
    """A logger with a file and a message hub of this test's own, in validation after 40 iterations."""
    (tmp_path / "log").mkdir()
    MMLogger.get_instance(tmp_path.name, log_file=str(tmp_path / "log" / "run.log"))
    hub = MessageHub.get_instance(tmp_path.name)
    hub.update_info("loop_stage", "val")
    hub.update_info("iter", 39)
    return hub


def sample(found, labels, **names):
    return {
        **names,
        "pred_sem_seg": {"data": torch.as_tensor(found)[None]},
        "gt_sem_seg": {"data": torch.as_tensor(labels)[None]},
    }


def random_samples(count, seed=0, share=0.5):
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        labels, found = rng.integers(0, 4, (2, 10 + i, 12))
        found = np.where(rng.random(labels.shape) < share, labels, found)
        labels[rng.random(labels.shape) < 0.2] = 255
        samples.append(sample(found, labels, img_path=f"/data/tile_{i % 2}/{i}.png", img_name=f"tile_{i % 2}/{i}.png"))
    return samples


def evaluate(metric, samples, classes=CLASSES):
    metric.dataset_meta = {"classes": classes}
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def own_matrix(item):
    found, labels = (item[key]["data"][0] for key in ("pred_sem_seg", "gt_sem_seg"))
    return count_confusion(found, labels, len(CLASSES)).numpy()


def test_each_image_has_its_matrix_under_its_name(tmp_path, run):
    samples = random_samples(5)
    del samples[3]["gt_sem_seg"]
    metric = SegmentationMetric()
    evaluate(metric, samples)
    matrices = read_image_matrices(tmp_path / "log" / "confusion_matrices.npz")
    assert matrices.names == ("tile_0/0.png", "tile_1/1.png", "tile_0/2.png", "tile_0/4.png")
    assert (matrices.classes, matrices.iteration, matrices.prefix, matrices.is_test) == (CLASSES, 40, "", False)
    expected = [own_matrix(item) for item in samples if "gt_sem_seg" in item]
    np.testing.assert_array_equal(matrices.matrices(), expected)
    np.testing.assert_array_equal(matrices.matrices().sum(0), metric.confusion_CC)


def test_the_best_validation_stays_and_the_last_is_replaced(tmp_path, run):
    metric = SegmentationMetric()
    for iteration, share in ((10, 0.3), (20, 0.9), (30, 0.6), (40, 0.9)):
        run.update_info("iter", iteration - 1)
        evaluate(metric, random_samples(3, share=share))
    log = tmp_path / "log"
    assert read_image_matrices(log / "confusion_matrices.npz").iteration == 40
    assert read_image_matrices(log / "confusion_matrices_best.npz").iteration == 20  # the earliest of equals
    run.pop_info("loop_stage")
    evaluate(metric, random_samples(2, share=1.0))
    test = read_image_matrices(log / "confusion_matrices_test.npz")
    assert (test.is_test, len(test.names)) == (True, 2)
    assert read_image_matrices(log / "confusion_matrices_best.npz").iteration == 20
    assert not list(log.glob("*_test_best*"))


def test_another_scalar_says_which_is_the_best(tmp_path, run):
    metric = SegmentationMetric(best="IoU.water")
    for iteration, found in ((10, [[1, 0, 3]]), (20, [[0, 2, 3]])):  # the mean rises, water is lost
        run.update_info("iter", iteration - 1)
        evaluate(metric, [sample(found, [[1, 2, 3]], img_path="a.png")])
    assert read_image_matrices(tmp_path / "log" / "confusion_matrices_best.npz").iteration == 10


def test_images_without_a_name_are_known_by_their_place_below_their_common_folder(tmp_path, run):
    samples = [sample([[0]], [[0]], img_path=f"/mnt/x/data/{name}") for name in ("a/1.png", "b/1.png")]
    evaluate(SegmentationMetric(), samples)
    assert read_image_matrices(tmp_path / "log" / "confusion_matrices.npz").names == ("a/1.png", "b/1.png")


@pytest.mark.parametrize("settings", [{"matrix_file": None}, {"image_matrices_file": None}])
def test_they_can_be_turned_off(tmp_path, run, settings):
    evaluate(SegmentationMetric(**settings), random_samples(2))
    assert not list((tmp_path / "log").glob("confusion_matrices*"))


def threshold_samples(count=4):
    rng = np.random.default_rng(0)
    samples = []
    for i in range(count):
        labels = torch.from_numpy(rng.integers(0, 2, (1, 8, 9)))
        labels[0, 0, i] = 255
        probability = (0.3 * labels.clamp(max=1) + 0.7 * torch.from_numpy(rng.random((1, 8, 9)))).float()
        names = {"img_path": f"images/{i}.png"}
        samples.append({**names, "seg_logits": {"data": probability}, "gt_sem_seg": {"data": labels}})
    return samples


def test_those_of_a_threshold_are_at_the_one_that_is_chosen(tmp_path, run):
    metric = ThresholdMetric(num_bins=64)
    samples = threshold_samples()
    scalars = evaluate(metric, samples, ("rest", "roof"))
    matrices = read_image_matrices(tmp_path / "log" / "confusion_matrices_binary.npz")
    assert (matrices.names[1], matrices.classes, matrices.prefix) == ("images/1.png", ("rest", "roof"), "binary")
    for item, matrix in zip(samples, matrices.matrices(), strict=True):
        found = (item["seg_logits"]["data"] > scalars["binary/threshold"]).long()
        np.testing.assert_array_equal(matrix, count_confusion(found, item["gt_sem_seg"]["data"], 2).numpy())
    best = read_image_matrices(tmp_path / "log" / "confusion_matrices_binary_best.npz")
    np.testing.assert_array_equal(best.matrices(), matrices.matrices())
    (_, false), (missed, right) = matrices.matrices().sum(0)
    assert 100 * right / (right + false + missed) == pytest.approx(scalars["binary/IoU"], abs=0.01)
    run.pop_info("loop_stage")
    evaluate(metric, samples, ("rest", "roof"))
    assert not list((tmp_path / "log").glob("*_test.npz"))


def score_share(rank, store, folder, num_images):
    """Score every second image in one of two processes, as mmengine's sampler deals them out."""
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    samples = random_samples(num_images)
    indices = (list(range(num_images)) * 2)[: -(-num_images // 2) * 2][rank::2]
    metric = SegmentationMetric(
        matrix_file=str(Path(folder) / "m.json"),
        image_matrices_file=str(Path(folder) / "m.npz"),
        collect_dir=str(Path(folder) / "parts"),
    )
    metric.dataset_meta = {"classes": CLASSES}
    for index in indices:
        metric.process({}, [samples[index]])
    metric.evaluate(num_images)
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("num_images", [1, 5, 6])
def test_two_processes_keep_every_image_once_and_in_order(tmp_path, num_images):
    run_two_processes(score_share, f"file://{tmp_path / 'store'}", str(tmp_path), num_images)
    matrices = read_image_matrices(tmp_path / "m_test.npz")
    assert matrices.names == tuple(f"tile_{i % 2}/{i}.png" for i in range(num_images))
    np.testing.assert_array_equal(matrices.matrices(), [own_matrix(item) for item in random_samples(num_images)])
