"""The metric in mmengine's hands: scalars, errors, several processes, little memory."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, precision_score, recall_score
from two_processes import run_two_processes

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import ThresholdMetric
from mmseg_ext.evaluation.summing_metric import last_image_is_padding
from mmseg_ext.registry import METRICS


@pytest.fixture
def validating():
    MessageHub.get_instance("threshold_metric").update_info("loop_stage", "val")


def random_samples(count=5, seed=0):
    torch.manual_seed(seed)
    samples = []
    for i in range(count):
        labels = (torch.rand(1, 8 + i, 9) < 0.3).long()
        probability = (torch.randn(labels.shape) + 2 * labels - 1.5).sigmoid()
        labels[torch.rand(labels.shape) < 0.1] = 255
        samples.append(
            {
                "img_path": f"images/{i}.png",
                "seg_map_path": f"masks/{i}.png",
                "seg_logits": {"data": probability},
                "pred_sem_seg": {"data": (probability > 0.3).float()},
                "gt_sem_seg": {"data": labels},
            }
        )
    return samples


def evaluate(metric, samples, batch_size=2):
    for i in range(0, len(samples), batch_size):
        metric.process({}, samples[i : i + batch_size])
    return metric.evaluate(len(samples))


def test_scalars_are_those_of_scikit_learn_at_the_best_threshold(validating):
    samples = random_samples()
    metric = METRICS.build({"type": "mmseg_ext.ThresholdMetric", "num_bins": 64})
    scalars = evaluate(metric, samples)
    probability = torch.cat([s["seg_logits"]["data"].ravel() for s in samples])
    truth = torch.cat([s["gt_sem_seg"]["data"].ravel() for s in samples])
    probability, truth = probability[truth != 255].numpy(), truth[truth != 255].numpy()
    threshold = scalars["binary/threshold"]
    assert jaccard_score(truth, probability > threshold) == max(
        jaccard_score(truth, probability > t / 64) for t in range(64)
    )
    found = probability > threshold
    expected = {
        "IoU": jaccard_score(truth, found),
        "F1": f1_score(truth, found),
        "precision": precision_score(truth, found),
        "recall": recall_score(truth, found),
        "mIoU": jaccard_score(truth, found, average="macro"),
        "AP": average_precision_score(truth, np.ceil(probability * 64)),
    }
    assert scalars == {
        "binary/threshold": threshold,
        **{f"binary/{name}": pytest.approx(100 * value, abs=0.0051) for name, value in expected.items()},
    }
    assert metric.curve.threshold_T[metric.chosen] == threshold
    # The next validation starts anew.
    again = random_samples(seed=1)
    assert evaluate(metric, again) == evaluate(ThresholdMetric(num_bins=64), again) != scalars


def test_outside_of_validation_nothing_is_chosen():
    metric = ThresholdMetric()
    assert list(evaluate(metric, random_samples())) == ["binary/AP"]
    assert metric.chosen is None
    assert metric.curve is not None


def test_without_foreground_nothing_is_chosen(validating):
    samples = random_samples(1)
    samples[0]["gt_sem_seg"]["data"].zero_()
    for _ in range(2):  # the second time without labels
        scalars = evaluate(ThresholdMetric(), samples)
        assert list(scalars) == [f"binary/{name}" for name in ("IoU", "F1", "precision", "recall", "mIoU", "AP")]
        assert all(np.isnan(score) for score in scalars.values())
        samples[0].pop("gt_sem_seg", None)


def test_a_test_without_labels_has_nothing_to_score():
    samples = random_samples(1)
    del samples[0]["gt_sem_seg"]
    assert evaluate(ThresholdMetric(), samples) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seg_logits": None}, "Set `keep_logits=True`"),
        ({"seg_logits": {"data": torch.zeros(2, 8, 9)}}, "head of one channel for ThresholdMetric, got 2 channels"),
        ({"seg_logits": {"data": torch.full((1, 8, 9), -2.0)}}, r"masks/0\.png: Expected probabilities"),
        ({"gt_sem_seg": {"data": torch.full((1, 8, 9), 7)}}, r"masks/0\.png: Expected labels 0 and 1 .*got \[7\]"),
    ],
)
def test_what_cannot_be_scored_is_an_error(change, message):
    (sample,) = random_samples(1)
    sample.update(change)
    with pytest.raises(UserError, match=message):
        ThresholdMetric().process({}, [{key: value for key, value in sample.items() if value is not None}])


def test_settings_that_make_no_sense():
    with pytest.raises(UserError, match="`criterion` to be one of 'IoU', 'F1', 'mIoU', got 'acc'"):
        ThresholdMetric("acc")
    with pytest.raises(UserError, match="power of two, such as 1024, got 1000"):
        ThresholdMetric(num_bins=1000)


def test_what_is_kept_does_not_grow_with_the_images():
    metric, sizes = ThresholdMetric(), []
    for _ in range(3):
        metric.process({}, random_samples(4))
        sizes.append(len(pickle.dumps(vars(metric))))
    assert sizes[0] == sizes[2]


def score_share(rank, store, folder, num_images):
    """Score every second image in one of two processes, as mmengine's sampler deals them out."""
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    samples = random_samples(num_images)
    indices = (list(range(num_images)) * 2)[: -(-num_images // 2) * 2][rank::2]
    assert last_image_is_padding(len(indices), num_images) == (rank == 1 and num_images % 2 == 1)
    metric = ThresholdMetric(collect_dir=str(Path(folder) / "parts"))
    scalars = evaluate_share(metric, [samples[i] for i in indices], num_images)
    (Path(folder) / f"{rank}.json").write_text(json.dumps(scalars))
    torch.distributed.destroy_process_group()


def evaluate_share(metric, samples, size):
    metric.process({}, samples)
    return metric.evaluate(size)


@pytest.mark.parametrize("num_images", [1, 5, 6])
def test_two_processes_score_every_image_once(tmp_path, num_images, validating):
    run_two_processes(score_share, f"file://{tmp_path / 'store'}", str(tmp_path), num_images)
    expected = evaluate(ThresholdMetric(), random_samples(num_images))
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)] == [expected, expected]
