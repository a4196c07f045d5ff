"""Scores against original labels: enlarged logits, bounded memory, labels of either kind, and what is refused."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from comparisons import assert_same_classes, near_ties
from mmengine.logging import MessageHub, MMLogger
from PIL import Image
from sklearn.metrics import confusion_matrix

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import OriginalResolutionMetric, SegmentationMetric
from mmseg_ext.evaluation.original_resolution_metric import enlarge_prediction
from mmseg_ext.registry import METRICS

CLASSES = ("land", "water", "road")
INDEX = {"type": "LoadAnnotations"}

pytestmark = pytest.mark.usefixtures("mmseg_scope")


@pytest.fixture
def log(tmp_path):
    """A logger with a file of this test's own."""
    MMLogger.get_instance(tmp_path.name, log_file=str(tmp_path / "log" / "run.log"))
    MessageHub.get_instance(tmp_path.name)
    return tmp_path / "log" / "run.log"


@pytest.fixture(autouse=True)
def _folders(tmp_path):
    for name in ("log", "original/masks", "copy/masks"):
        (tmp_path / name).mkdir(parents=True)


def smooth_logits(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


@pytest.mark.parametrize("values_at_once", [1, 500, 10**9])
@pytest.mark.parametrize("size", [(20, 28), (21, 27), (5, 7), (40, 7)])
def test_enlarging_a_few_classes_at_a_time_equals_enlarging_all(size, values_at_once):
    logits = smooth_logits((7, 5, 7))
    enlarged = F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
    assert_same_classes(enlarge_prediction(logits, size, values_at_once), enlarged)


def test_half_precision_logits_are_enlarged_in_float32():
    logits = smooth_logits((4, 3, 3)).half()
    assert torch.equal(enlarge_prediction(logits, (9, 9)), enlarge_prediction(logits.float(), (9, 9)))


def test_memory_is_bounded_by_a_few_classes():
    logits = smooth_logits((64, 8, 8))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        enlarge_prediction(logits, (256, 256), values_at_once=2 * 256**2)
    held = peak = 0
    for event in [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]:
        held += event.nbytes()
        peak = max(peak, held)
    assert peak < 64 * 256**2 * 4 / 3  # all at once: 16.8 MB


def sample(tmp_path, logits, labels, name="1.png", **more):
    """A sample of a copy, whose original labels are written to disk."""
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "original" / "masks" / name)
    return {
        "seg_map_path": str(tmp_path / "copy" / "masks" / name),
        "pred_sem_seg": {"data": logits.argmax(0)[None]},
        "seg_logits": {"data": logits},
        "gt_sem_seg": {"data": torch.zeros(1, *logits.shape[1:], dtype=torch.long)},
        **more,
    }


def meta(tmp_path, **more):
    roots = {"copy": str(tmp_path / "copy"), "original": str(tmp_path / "original")}
    return {"classes": CLASSES, "original_labels": roots, "reduce_zero_label": False, "label_map": None, **more}


def evaluate(metric, samples, dataset_meta):
    metric.dataset_meta = dataset_meta
    for one in samples:
        metric.process({}, [one])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize("upsample", ["logits", "labels"])
def test_scores_equal_those_of_an_independent_count(tmp_path, log, upsample):
    rng = np.random.default_rng(0)
    truth, found, samples = [], [], []
    for n, (h, w) in enumerate([(3, 4), (5, 2)]):
        logits, labels = smooth_logits((3, h, w), seed=n), rng.choice([0, 1, 2, 255], (h * 4 - 1, w * 4 + 1))
        size = labels.shape
        if upsample == "logits":
            enlarged = F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
            labels[near_ties(enlarged).numpy()] = 255
            large = enlarged.argmax(0).numpy()
        else:
            rows, columns = (((np.arange(b) + 0.5) * a / b).astype(int) for a, b in zip((h, w), size, strict=True))
            large = logits.argmax(0).numpy()[np.ix_(rows, columns)]
        samples.append(sample(tmp_path, logits, labels, f"{n}.png"))
        truth.append(labels[labels != 255])
        found.append(large[labels != 255])
    metric = OriginalResolutionMetric(INDEX, upsample=upsample)
    scores = evaluate(metric, samples, meta(tmp_path))
    expected = confusion_matrix(np.concatenate(truth), np.concatenate(found), labels=range(3))
    np.testing.assert_array_equal(metric.confusion_CC, expected)
    hit, union = np.diag(expected), expected.sum(0) + expected.sum(1) - np.diag(expected)
    assert scores["original/mIoU"] == pytest.approx(100 * np.mean(hit / union), abs=0.01)
    assert set(scores) == {"original/aAcc", "original/mIoU", "original/mAcc"}
    assert "Against the original labels" in log.read_text()


def test_labels_are_loaded_as_the_dataset_says(tmp_path, log):
    labels = np.array([[0, 1, 2, 3]] * 4)
    logits = torch.zeros(3, 2, 2)
    logits[1] = 1
    metric = OriginalResolutionMetric(INDEX)
    evaluate(metric, [sample(tmp_path, logits, labels)], meta(tmp_path, reduce_zero_label=True))
    assert metric.confusion_CC.tolist() == [[0, 4, 0], [0, 4, 0], [0, 4, 0]]


def test_colour_masks_are_loaded_by_their_transform(tmp_path, log):
    palette = ["#FF0000", "#00FF00", "#0000FF"]
    metric = OriginalResolutionMetric({"type": "mmseg_ext.LoadColorAnnotations", "palette": palette})
    logits = torch.zeros(3, 1, 1)
    one = sample(tmp_path, logits, np.zeros((2, 2)))
    colors = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 255]]], np.uint8)
    Image.fromarray(colors).save(tmp_path / "original" / "masks" / "1.png")
    evaluate(metric, [one], meta(tmp_path))
    assert metric.confusion_CC.tolist() == [[1, 0, 0], [1, 0, 0], [2, 0, 0]]


def test_at_factor_1_the_labels_of_the_sample_are_scored(tmp_path, log):
    labels = torch.tensor([[[0, 1], [2, 255]]])
    one = {
        "seg_map_path": str(tmp_path / "nowhere.png"),
        "pred_sem_seg": {"data": torch.tensor([[[0, 1], [1, 1]]])},
        "gt_sem_seg": {"data": labels},
    }
    roots = {"copy": "data", "original": "data"}
    dataset_meta = {"classes": CLASSES, "original_labels": roots}
    own = evaluate(SegmentationMetric(matrix_file=None), [one], {"classes": CLASSES})
    scores = evaluate(OriginalResolutionMetric(INDEX), [one], dataset_meta)
    assert scores == {f"original/{name}": own[name] for name in ("aAcc", "mIoU", "mAcc")}


@pytest.mark.parametrize("change", ["other class", "no logits", "one channel"])
def test_classes_are_enlarged_where_they_are_not_the_greatest_logit(tmp_path, log, change):
    logits = smooth_logits((3, 2, 3))
    prediction = (logits.argmax(0) + 1) % 3 if change == "other class" else logits.argmax(0)
    labels = np.kron(prediction.numpy(), np.ones((4, 4), int))
    one = sample(tmp_path, logits, labels, pred_sem_seg={"data": prediction[None]})
    if change == "no logits":
        del one["seg_logits"]
    if change == "one channel":
        one["seg_logits"] = {"data": torch.zeros(1, 2, 3)}
    scores = evaluate(OriginalResolutionMetric(INDEX), [one, one], meta(tmp_path))
    assert scores["original/aAcc"] == 100.0
    assert log.read_text().count("its classes are enlarged") == 1


def test_nothing_is_scored_without_the_flag(tmp_path, log):
    one = sample(tmp_path, smooth_logits((3, 2, 2)), np.zeros((8, 8)))
    metric = OriginalResolutionMetric(INDEX)
    assert evaluate(metric, [one, one], {"classes": CLASSES}) == {}
    assert log.read_text().count("original_labels=False") == 1


def test_samples_without_labels_are_left_out(tmp_path, log):
    one = sample(tmp_path, smooth_logits((3, 2, 2)), np.zeros((8, 8)))
    del one["gt_sem_seg"]
    assert evaluate(OriginalResolutionMetric(INDEX), [one], meta(tmp_path)) == {}


def test_originals_that_do_not_fit_are_named(tmp_path, log):
    small = sample(tmp_path, smooth_logits((3, 4, 4)), np.zeros((3, 8)))
    with pytest.raises(UserError, match=r"original/masks/1\.png to be as large as .*copy/masks/1\.png"):
        evaluate(OriginalResolutionMetric(INDEX), [small], meta(tmp_path))
    wrong = sample(tmp_path, smooth_logits((3, 4, 4)), np.full((8, 8), 7))
    with pytest.raises(UserError, match=r"original/masks/1\.png: Expected labels in 0\.\.2"):
        evaluate(OriginalResolutionMetric(INDEX), [wrong], meta(tmp_path))


def test_it_builds_by_name_and_refuses_other_ways(tmp_path):
    metric = METRICS.build({"type": "mmseg_ext.OriginalResolutionMetric", "load_labels": INDEX, "metrics": ["mDice"]})
    assert metric.prefix == "original"
    with pytest.raises(UserError, match="`upsample` to be 'logits' or 'labels', got 'bicubic'"):
        OriginalResolutionMetric(INDEX, upsample="bicubic")
