"""The matrix against scikit-learn, the scores against hand-computed numbers, scikit-learn and stock's IoUMetric."""

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from sklearn.metrics import confusion_matrix, f1_score, fbeta_score, jaccard_score, precision_score, recall_score

from mmseg_ext.scores.confusion_matrix import count_confusion, mean_scores, scores_of_classes

# Class 0 right twice, class 1 never predicted, class 2 nowhere, class 3 predicted once and never true.
HAND = np.array([[2, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def random_case(seed, num_classes=6, shape=(20, 30), ignored=0.2, right=0.6):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, num_classes, shape, generator=generator)
    found = torch.randint(0, num_classes, shape, generator=generator)
    found = torch.where(torch.rand(shape, generator=generator) < right, labels, found)
    labels[torch.rand(shape, generator=generator) < ignored] = 255
    return found, labels


def without_pixel(found, labels, label):
    """Make a class absent from the truth and from the prediction at labelled pixels."""
    labels[labels == label] = 255
    found[found == label] = (label + 1) % 6


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_scikit_learn(seed, dtype):
    found, labels = random_case(seed)
    confusion = count_confusion(found.to(dtype), labels.to(dtype), 6)
    assert confusion.dtype == torch.int64
    kept = labels != 255
    expected = confusion_matrix(labels[kept].numpy(), found[kept].numpy(), labels=range(6))
    np.testing.assert_array_equal(confusion.numpy(), expected)
    assert confusion.sum() == kept.sum() > 0


def test_counts_of_bytes_do_not_wrap():
    """With 20 classes a pair of classes has a number beyond 255."""
    found, labels = random_case(0, num_classes=20, ignored=0.0)
    confusion = count_confusion(found.byte(), labels.byte(), 20)
    expected = confusion_matrix(labels.flatten(), found.flatten(), labels=range(20))
    np.testing.assert_array_equal(confusion.numpy(), expected)


def test_counts_by_hand():
    labels = torch.tensor([[0, 0, 0, 1, 255, 255]])
    found = torch.tensor([[0, 0, 3, 0, 1, 77]])  # what is predicted at ignored pixels does not matter
    np.testing.assert_array_equal(count_confusion(found, labels, 4).numpy(), HAND)


@pytest.mark.parametrize("ignore_index", [-1, 0, 100])
def test_another_ignore_index(ignore_index):
    found, labels = random_case(0)
    kept = labels != 255
    if ignore_index == 0:
        kept &= labels != 0
    confusion = count_confusion(found, torch.where(kept, labels, ignore_index), 6, ignore_index)
    expected = confusion_matrix(labels[kept].numpy(), found[kept].numpy(), labels=range(6))
    np.testing.assert_array_equal(confusion.numpy(), expected)


def test_nothing_labelled_counts_nothing():
    nothing = torch.full((3, 4), 255)
    np.testing.assert_array_equal(count_confusion(torch.ones(3, 4, dtype=torch.long), nothing, 3), np.zeros((3, 3)))
    np.testing.assert_array_equal(count_confusion(nothing[:0], nothing[:0], 3), np.zeros((3, 3)))


def test_counts_beyond_float32_stay_exact():
    """Stock adds in float32, where 2^24 + 1 pixels are 2^24."""
    one = count_confusion(torch.tensor([0]), torch.tensor([0]), 2)
    total = one + one * 2**24
    assert total[0, 0].item() == 2**24 + 1
    assert torch.tensor([2.0**24]).add(1).item() == 2**24


@pytest.mark.parametrize(
    ("labels", "found", "parts"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 2], ["labels in 0..2", "[3] at 1 pixels"]),
        ([0, 1, 7, 3], [0, 1, 2, 2], ["labels in 0..2", "255 where ignored", "[3, 7] at 2 pixels"]),
        ([0, 1, -1, 255], [0, 1, 2, 2], ["labels in 0..2", "[-1] at 1 pixels"]),
        ([0, 1, 2, 255], [0, 3, 2, 9], ["predictions in 0..2", "[3] at 1 pixels"]),
        ([0, 1, 2, 255], [0, 5, 4, 9], ["predictions in 0..2", "[4, 5] at 2 pixels"]),
        ([0, 1, 2, 255], [0, -2, 1, 1], ["predictions in 0..2", "[-2] at 1 pixels"]),
    ],
)
def test_values_out_of_range_are_errors(labels, found, parts):
    with pytest.raises(ValueError, match="Expected") as caught:
        count_confusion(torch.tensor(found), torch.tensor(labels), 3)
    for part in parts:
        assert part in str(caught.value)


def test_shapes_that_differ_are_errors():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), got \(3, 2\)"):
        count_confusion(torch.zeros(3, 2, dtype=torch.long), torch.zeros(2, 3, dtype=torch.long), 3)


def test_scores_by_hand():
    scores = scores_of_classes(HAND)
    nan = float("nan")
    np.testing.assert_allclose(scores["IoU"], [50, 0, nan, 0])
    np.testing.assert_allclose(scores["Acc"], [200 / 3, 0, nan, nan])
    np.testing.assert_allclose(scores["Dice"], [200 / 3, 0, nan, 0])
    np.testing.assert_allclose(scores["Precision"], [200 / 3, 0, nan, 0])
    means = mean_scores(HAND)
    assert means == pytest.approx(
        {
            "aAcc": 50,
            "mIoU": 50 / 3,
            "mAcc": 100 / 3,
            "mDice": 200 / 9,
            "mFscore": 200 / 9,
            "mPrecision": 200 / 9,
            "mRecall": 100 / 3,
        }
    )


def test_a_class_present_and_never_predicted_counts_zero_in_the_mean_f_score():
    """Half the pixels are class 1 and all are called 0: F is 2/3 and 0, so 33.33; stock leaves class 1 out: 66.67."""
    labels = torch.tensor([[0, 0, 1, 1]])
    found = torch.zeros_like(labels)
    ours = mean_scores(count_confusion(found, labels, 2).numpy())
    assert ours["mFscore"] == pytest.approx(100 / 3)
    assert ours["mDice"] == pytest.approx(100 / 3)
    assert ours["mFscore"] == pytest.approx(100 * f1_score(labels[0], found[0], average="macro"))
    stock = IoUMetric(iou_metrics=["mFscore"])
    stock.dataset_meta = {"classes": ("a", "b")}
    stock.process({}, [{"pred_sem_seg": {"data": found}, "gt_sem_seg": {"data": labels}}])
    assert stock.evaluate(1)["mFscore"] == pytest.approx(66.67)


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_scikit_learn(seed):
    found, labels = random_case(seed)
    kept = labels != 255
    truth, prediction = labels[kept].numpy(), found[kept].numpy()
    confusion = count_confusion(found, labels, 6).numpy()
    scores = scores_of_classes(confusion)
    for name, score in (
        ("IoU", jaccard_score),
        ("Acc", recall_score),
        ("Dice", f1_score),
        ("Precision", precision_score),
    ):
        np.testing.assert_allclose(scores[name], 100 * score(truth, prediction, average=None))
    means = mean_scores(confusion)
    assert means["aAcc"] == pytest.approx(100 * (truth == prediction).mean())
    assert means["mIoU"] == pytest.approx(100 * jaccard_score(truth, prediction, average="macro"))
    assert means["mFscore"] == pytest.approx(100 * f1_score(truth, prediction, average="macro"))
    assert means["mRecall"] == means["mAcc"] == pytest.approx(100 * recall_score(truth, prediction, average="macro"))
    assert means["mPrecision"] == pytest.approx(100 * precision_score(truth, prediction, average="macro"))


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_stocks_where_stock_is_right(seed, absent):
    found, labels = random_case(seed)
    if absent:
        without_pixel(found, labels, 2)
    confusion = count_confusion(found, labels, 6).numpy()
    stock = IoUMetric.total_area_to_metrics(*IoUMetric.intersect_and_union(found, labels, 6, 255), ["mIoU", "mDice"])
    scores = scores_of_classes(confusion)
    for name in ("IoU", "Acc", "Dice"):
        np.testing.assert_allclose(scores[name], 100 * stock[name], rtol=1e-5)
        assert np.isnan(scores[name]).sum() == absent
    means = mean_scores(confusion)
    assert means["aAcc"] == pytest.approx(100 * float(stock["aAcc"]), rel=1e-5)
    for name in ("IoU", "Acc", "Dice"):
        assert means[f"m{name}"] == pytest.approx(100 * np.nanmean(stock[name]), rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_an_empty_matrix_is_not_a_number_and_warns_of_nothing():
    means = mean_scores(np.zeros((3, 3), dtype=np.int64))
    assert set(means) == {"aAcc", "mIoU", "mAcc", "mDice", "mFscore", "mPrecision", "mRecall"}
    assert all(np.isnan(v) for v in means.values())
    assert all(np.isnan(v).all() for v in scores_of_classes(np.zeros((3, 3), dtype=np.int64)).values())


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_f_score_equals_scikit_learn(beta):
    found, labels = random_case(0)
    kept = labels != 255
    confusion = count_confusion(found, labels, 6).numpy()
    expected = fbeta_score(labels[kept], found[kept], beta=beta, average=None)
    np.testing.assert_allclose(scores_of_classes(confusion, beta)["Fscore"], 100 * expected)
    assert mean_scores(confusion, beta)["mFscore"] == pytest.approx(100 * expected.mean())


def test_what_has_no_score_is_replaced():
    scores, kept = scores_of_classes(HAND, nan_to_num=0.5), scores_of_classes(HAND)
    for name, values in scores.items():
        np.testing.assert_array_equal(values, np.where(np.isnan(kept[name]), 50.0, kept[name]))
    assert mean_scores(HAND, nan_to_num=0.5)["mIoU"] == pytest.approx(scores["IoU"].mean())
