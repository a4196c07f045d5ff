"""Scores at every threshold against scikit-learn."""

import csv
import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    jaccard_score,
    precision_recall_curve,
    precision_score,
    recall_score,
)

from mmseg_ext.errors import UserError
from mmseg_ext.scores.binary_threshold import ThresholdCurve, count_probabilities, draw_threshold_curve


def made_up(seed=0, size=4000):
    """Truth with a fifth of foreground and a tenth without a label, and probabilities that tell something about it."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < 0.2).astype(np.int64)
    logits = torch.from_numpy((rng.normal(size=size) + 2.5 * labels - 2).astype(np.float32))
    labels[rng.random(size) < 0.1] = 255
    return logits.sigmoid(), torch.from_numpy(labels)


def curve_of(probability, labels, num_bins=1024):
    return ThresholdCurve.of(count_probabilities(probability, labels, num_bins))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_scores_are_those_of_scikit_learn(dtype):
    probability, labels = made_up()
    probability = probability.to(dtype)
    curve = curve_of(probability, labels)
    scores = curve.scores()
    truth = labels[labels != 255].numpy()
    for t in (0, 1, 100, 511, 512, 700, 1023):
        threshold = float(curve.threshold_T[t])
        found = (probability > threshold)[labels != 255].numpy()
        expected = {
            "IoU": jaccard_score(truth, found),
            "F1": f1_score(truth, found),
            "precision": precision_score(truth, found, zero_division=np.nan),
            "recall": recall_score(truth, found),
            "mIoU": jaccard_score(truth, found, average="macro"),
        }
        assert {name: score[t] for name, score in scores.items()} == {
            name: pytest.approx(100 * value, nan_ok=True) for name, value in expected.items()
        }


def test_the_curve_is_that_of_scikit_learn():
    probability, labels = made_up(1)
    labelled = labels != 255
    curve = curve_of(probability, labels, 64)
    # scikit-learn's scores of probabilities rounded up to the bins; it takes what is at the threshold, too.
    rounded = np.ceil(probability[labelled].numpy() * 64)
    truth = labels[labelled].numpy()
    precision, recall, threshold = precision_recall_curve(truth, rounded)
    scores = curve.scores()
    places = threshold.astype(int) - 1
    assert len(places) > 50
    np.testing.assert_allclose(scores["precision"][places], 100 * precision[:-1])
    np.testing.assert_allclose(scores["recall"][places], 100 * recall[:-1])
    assert curve.average_precision() == pytest.approx(100 * average_precision_score(truth, rounded))


@pytest.mark.parametrize(("criterion", "score"), [("IoU", jaccard_score), ("F1", f1_score)])
def test_the_best_threshold_is_the_best_of_all(criterion, score):
    probability, labels = made_up(2)
    curve = curve_of(probability, labels, 128)
    labelled = labels != 255
    scores = [score(labels[labelled], probability[labelled] > t) for t in curve.threshold_T]
    best = curve.best(criterion)
    assert scores[best] == pytest.approx(max(scores))
    assert best == curve.best("IoU")  # F1 rises with IoU
    assert max(scores) > scores[64]  # better than 0.5
    means = [jaccard_score(labels[labelled], probability[labelled] > t, average="macro") for t in curve.threshold_T]
    assert means[curve.best("mIoU")] == pytest.approx(max(means))


def test_of_thresholds_that_are_as_good_the_middle_is_taken():
    curve = curve_of(torch.tensor([0.1, 0.2, 0.8, 0.9]), torch.tensor([0, 0, 1, 1]), 16)
    # From 0.25 (4/16), the first above 0.2, to 0.75 (12/16), the last below 0.8.
    assert curve.best() == 8
    assert curve.scores()["IoU"][[3, 4, 12, 13]].tolist() == [pytest.approx(200 / 3), 100, 100, 50]


def test_what_is_at_a_threshold_is_not_above_it():
    probability = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    curve = curve_of(probability, torch.ones(5, dtype=torch.long), 4)
    assert curve.confusion_T4[:, 0].tolist() == [int((probability > t).sum()) for t in (0, 0.25, 0.5, 0.75)]
    assert curve.confusion_T4[:, 0].tolist() == [4, 3, 2, 1]


def test_counts_of_pieces_add_up():
    probability, labels = made_up(3, 2**20 + 7)
    whole = count_probabilities(probability, labels)
    assert whole.dtype == np.int64
    assert whole.sum() == int((labels != 255).sum())
    parts = [count_probabilities(p, t) for p, t in zip(probability.split(300_000), labels.split(300_000), strict=True)]
    np.testing.assert_array_equal(sum(parts), whole)


def test_without_foreground_there_is_no_best():
    curve = curve_of(torch.tensor([0.2, 0.9]), torch.tensor([0, 0]))
    assert curve.best() is None
    assert np.isnan(curve.average_precision())
    assert curve.scores()["IoU"][0] == 0
    nothing = curve_of(torch.tensor([0.2]), torch.tensor([255]))
    assert nothing.best() is None
    assert all(np.isnan(score).all() for score in nothing.scores().values())


@pytest.mark.parametrize(
    ("probability", "labels", "message"),
    [
        ([0.5, 0.5], [0, 2], r"labels 0 and 1 \(or 255 where ignored\), got \[2\] at 1 pixels"),
        ([0.5, -3.0], [0, 1], "Are they logits"),
        ([0.5, float("nan")], [0, 1], "probabilities in 0..1"),
        ([0.5], [0, 1], r"shape \(2,\), got \(1,\)"),
    ],
)
def test_other_values_are_an_error(probability, labels, message):
    with pytest.raises(ValueError, match=message):
        count_probabilities(torch.tensor(probability), torch.tensor(labels))


def test_an_unknown_criterion_is_an_error():
    with pytest.raises(UserError, match="`criterion` to be one of 'IoU', 'F1', 'mIoU', got 'Dice'"):
        curve_of(*made_up()).best("Dice")


def test_the_numbers_as_csv_and_the_picture():
    curve = curve_of(*made_up(), 16)
    rows = list(csv.DictReader(io.StringIO(curve.as_csv())))
    assert [float(row["threshold"]) for row in rows] == (np.arange(16) / 16).tolist()
    np.testing.assert_allclose([float(row["IoU"]) for row in rows], curve.scores()["IoU"], atol=6e-5)
    names = ["true_positives", "false_positives", "false_negatives", "true_negatives"]
    assert list(rows[0])[-4:] == names
    assert [[int(row[name]) for name in names] for row in rows] == curve.confusion_T4.tolist()
    for chosen in (None, curve.best()):
        with Image.open(io.BytesIO(draw_threshold_curve(curve, chosen, "after 4 iterations"))) as picture:
            assert picture.size == (700, 420)
