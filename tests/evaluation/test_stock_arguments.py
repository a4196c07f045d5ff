"""SegmentationMetric with the arguments of mmseg's IoUMetric, against IoUMetric."""

import copy

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import SegmentationMetric

CLASSES = ("land", "water", "road", "roof")


def samples_of(seed=0, reduce_zero_label=False):
    """Three images; every class is true and predicted somewhere, so that stock's means are the usual ones."""
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(3):
        labels, found = rng.integers(0, 4, (2, 10 + index, 12))
        labels[rng.random(labels.shape) < 0.2] = 255
        samples.append(
            {
                "img_path": f"folder_{index}/{index}.jpg",
                "reduce_zero_label": reduce_zero_label,
                "pred_sem_seg": {"data": torch.as_tensor(found)[None]},
                "gt_sem_seg": {"data": torch.as_tensor(labels)[None]},
            }
        )
    return samples


def evaluate(metric, samples, classes=CLASSES):
    metric.dataset_meta = {"classes": classes}
    metric.process({}, copy.deepcopy(samples))
    return metric.evaluate(len(samples))


@pytest.mark.parametrize(
    "arguments",
    [
        {"iou_metrics": ["mIoU"]},
        {"iou_metrics": "mDice"},
        {"iou_metrics": ["mIoU", "mDice", "mFscore"]},
        {"iou_metrics": ["mFscore"], "beta": 2},
        {"iou_metrics": ["mFscore"], "beta": 0.5, "prefix": "seg"},
    ],
)
def test_the_scores_of_stock_are_among_ours(arguments):
    stock, ours = (evaluate(kind(**arguments), samples_of()) for kind in (IoUMetric, SegmentationMetric))
    assert stock.keys() <= ours.keys()
    for name, value in stock.items():
        assert ours[name] == pytest.approx(float(value), abs=0.011), name


@pytest.mark.parametrize("nan_to_num", [0, 1, -1])
def test_a_class_without_a_score_counts_as_nan_to_num(nan_to_num):
    arguments = {"iou_metrics": ["mIoU", "mDice"], "nan_to_num": nan_to_num}
    more = (*CLASSES, "nowhere")
    stock, ours = (evaluate(kind(**arguments), samples_of(), more) for kind in (IoUMetric, SegmentationMetric))
    for name in ("mIoU", "mAcc", "mDice"):
        assert ours[name] == pytest.approx(float(stock[name]), abs=0.011)
    assert ours["IoU.nowhere"] == 100 * nan_to_num
    assert ours["mIoU"] != evaluate(SegmentationMetric(), samples_of(), more)["mIoU"]


@pytest.mark.parametrize("reduce_zero_label", [False, True])
@pytest.mark.parametrize("format_only", [False, True])
def test_predictions_are_written_as_by_stock(tmp_path, reduce_zero_label, format_only):
    samples, scores = samples_of(reduce_zero_label=reduce_zero_label), {}
    for kind in (IoUMetric, SegmentationMetric):
        folder = tmp_path / kind.__name__
        scores[kind] = evaluate(kind(output_dir=str(folder), format_only=format_only), samples)
    for index, sample in enumerate(samples):
        stock, ours = (np.asarray(Image.open(tmp_path / kind.__name__ / f"{index}.png")) for kind in scores)
        np.testing.assert_array_equal(ours, stock)
        np.testing.assert_array_equal(ours, sample["pred_sem_seg"]["data"][0] + reduce_zero_label)
    assert [bool(found) for found in scores.values()] == [not format_only] * 2


def test_only_formatting_needs_no_labels_and_a_folder(tmp_path):
    samples = samples_of()
    for sample in samples:
        del sample["gt_sem_seg"]
    assert evaluate(SegmentationMetric(output_dir=str(tmp_path), format_only=True), samples) == {}
    assert len(list(tmp_path.glob("*.png"))) == 3
    with pytest.raises(UserError, match=r"Expected `output_dir`.*format_only=True"):
        SegmentationMetric(format_only=True)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"iou_metrics": ["mIoU2"]}, "`iou_metrics` to be"), ({"beta": 0}, "`beta`")]
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        SegmentationMetric(**arguments)


@pytest.mark.parametrize("metrics", ["mIoU", ["mIoU"], "mDice", ["aAcc", "mDice"]])
def test_metrics_may_be_one_name_and_name_what_is_always_there(metrics):
    scores = evaluate(SegmentationMetric(metrics=metrics), samples_of())
    means = [name for name in scores if "." not in name]
    assert means == ["aAcc", "mIoU", "mAcc", *(["mDice"] if "mDice" in metrics else [])]


def test_a_class_predicted_and_never_true_counts_0_in_the_f_score():
    """The second difference to stock that docs/scores.md names; the first is a class true and never predicted."""
    sample = {
        "img_path": "1.png",
        "pred_sem_seg": {"data": torch.tensor([[[0, 0, 0, 1]]])},
        "gt_sem_seg": {"data": torch.tensor([[[0, 0, 0, 0]]])},
    }
    stock, ours = (
        evaluate(kind(iou_metrics=["mFscore"]), [sample], CLASSES[:2]) for kind in (IoUMetric, SegmentationMetric)
    )
    assert float(stock["mFscore"]) == pytest.approx(85.71)
    assert ours["mFscore"] == pytest.approx(85.71 / 2, abs=0.01)
