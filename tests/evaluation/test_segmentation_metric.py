"""The metric in mmengine's hands: scalars, file, errors, several processes."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmseg.evaluation import IoUMetric
from sklearn.metrics import confusion_matrix
from two_processes import run_two_processes

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import SegmentationMetric
from mmseg_ext.evaluation.boundary_iou import count_boundary
from mmseg_ext.registry import METRICS

CLASSES = ("land", "water", "road", "roof")


@pytest.fixture
def run(tmp_path):
    """A logger with a file and a message hub of this test's own."""
    (tmp_path / "log").mkdir()
    MMLogger.get_instance(tmp_path.name, log_file=str(tmp_path / "log" / "run.log"))
    hub = MessageHub.get_instance(tmp_path.name)
    hub.update_info("loop_stage", "val")
    return hub


def sample(found, labels, name="masks/1.png"):
    return {
        "img_path": name.replace("masks", "images"),
        "seg_map_path": name,
        "pred_sem_seg": {"data": torch.as_tensor(found)[None]},
        "gt_sem_seg": {"data": torch.as_tensor(labels)[None]},
    }


def random_samples(count=3, absent=None, seed=0):
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        labels, found = rng.integers(0, 4, (2, 10 + i, 12))
        found = np.where(rng.random(labels.shape) < 0.5, labels, found)
        labels[rng.random(labels.shape) < 0.2] = 255
        if absent is not None:
            labels[labels == absent], found[found == absent] = 255, (absent + 1) % 4
        samples.append(sample(found, labels))
    return samples


def evaluate(metric, samples, classes=CLASSES, batch_size=2):
    metric.dataset_meta = {"classes": classes}
    for i in range(0, len(samples), batch_size):
        metric.process({}, samples[i : i + batch_size])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize("absent", [None, 2])
@pytest.mark.parametrize("seed", range(3))
def test_means_equal_stocks(seed, absent):
    samples = random_samples(seed=seed, absent=absent)
    ours = evaluate(SegmentationMetric(metrics=["mDice"], matrix_file=None), samples)
    stock = evaluate(IoUMetric(iou_metrics=["mIoU", "mDice"]), samples)
    for name in ("aAcc", "mIoU", "mAcc", "mDice"):
        assert ours[name] == pytest.approx(float(stock[name]), abs=0.011)  # both are rounded to two digits
        assert 20 < ours[name] < 100


def test_scalars_are_those_asked_for_and_each_class():
    samples = random_samples(absent=2)
    scalars = evaluate(SegmentationMetric(matrix_file=None), samples)
    per_class = [f"{score}.{name}" for score in ("IoU", "Acc") for name in CLASSES]
    assert list(scalars) == ["aAcc", "mIoU", "mAcc", *per_class]
    assert all(type(v) is float for v in scalars.values())
    stock = IoUMetric.total_area_to_metrics(
        *(
            sum(areas)
            for areas in zip(
                *(
                    IoUMetric.intersect_and_union(s["pred_sem_seg"]["data"], s["gt_sem_seg"]["data"], 4, 255)
                    for s in samples
                ),
                strict=True,
            )
        )
    )
    for score in ("IoU", "Acc"):
        ours = [scalars[f"{score}.{name}"] for name in CLASSES]
        assert np.isnan(ours).tolist() == [False, False, True, False]
        np.testing.assert_allclose(ours, 100 * stock[score], atol=0.0051)
    more = evaluate(SegmentationMetric(metrics=("mFscore", "mRecall", "mPrecision"), matrix_file=None), samples)
    assert list(more)[:6] == ["aAcc", "mIoU", "mAcc", "mFscore", "mRecall", "mPrecision"]
    assert more["mRecall"] == more["mAcc"] == scalars["mAcc"]


def test_present_and_never_predicted_counts_zero_and_absent_is_left_out():
    labels, found = [[0, 0, 1, 1, 255]], [[0, 0, 0, 0, 3]]
    scalars = evaluate(SegmentationMetric(metrics=["mFscore", "mDice"], matrix_file=None), [sample(found, labels)])
    assert scalars["mFscore"] == scalars["mDice"] == 33.33
    assert scalars["mIoU"] == 25.0
    assert scalars["IoU.water"] == 0.0
    assert np.isnan(scalars["IoU.road"])
    assert np.isnan(scalars["IoU.roof"])  # predicted at an ignored pixel only
    assert scalars["aAcc"] == scalars["mAcc"] == 50.0


@pytest.mark.parametrize(
    ("found", "labels", "parts"),
    [
        ([[0, 1]], [[0, 4]], ["labels in 0..3", "[4] at 1 pixels"]),
        ([[0, 200]], [[0, 1]], ["predictions in 0..3", "[200] at 1 pixels"]),
        ([[0, 1, 2]], [[0, 1]], ["shape (1, 2)", "(1, 3)"]),
    ],
)
def test_values_out_of_range_name_the_file(found, labels, parts):
    metric = SegmentationMetric(matrix_file=None)
    metric.dataset_meta = {"classes": CLASSES}
    good = sample([[0]], [[0]], name="masks/good.png")
    with pytest.raises(UserError) as caught:
        metric.process({}, [good, sample(found, labels, name="masks/bad.png")])
    for part in ("masks/bad.png: ", *parts):
        assert part in str(caught.value)
    nameless = sample(found, labels)
    del nameless["seg_map_path"]
    with pytest.raises(UserError, match=r"images/1\.png: "):
        metric.process({}, [nameless])


def test_another_ignore_index():
    scalars = evaluate(SegmentationMetric(ignore_index=3, matrix_file=None), [sample([[0, 1, 1]], [[0, 1, 3]])])
    assert scalars["aAcc"] == scalars["mIoU"] == 100.0


def test_the_matrix_is_written_into_the_log_folder(tmp_path, run):
    samples = random_samples()
    metric = SegmentationMetric()
    evaluate(metric, samples)
    truth, found = (
        np.concatenate([s[key]["data"].numpy().ravel() for s in samples]) for key in ("gt_sem_seg", "pred_sem_seg")
    )
    expected = confusion_matrix(truth[truth != 255], found[truth != 255], labels=range(4))
    path = tmp_path / "log" / "confusion_matrix.json"
    assert json.loads(path.read_text()) == {"classes": list(CLASSES), "iteration": None, "matrix": expected.tolist()}
    np.testing.assert_array_equal(metric.confusion_CC, expected)
    assert metric.confusion_CC.dtype == np.int64
    # The next evaluation starts anew and replaces the file.
    run.update_info("iter", 99)
    evaluate(metric, [sample([[0, 1]], [[0, 0]])])
    record = json.loads(path.read_text())
    assert record["iteration"] == 100
    assert record["matrix"] == [[1, 1, 0, 0], [0] * 4, [0] * 4, [0] * 4]


def test_a_test_leaves_the_matrix_of_the_validation_alone(tmp_path, run):
    run.update_info("iter", 99)
    evaluate(SegmentationMetric(), [sample([[0, 1]], [[0, 0]])])
    before = {p.name: p.read_bytes() for p in (tmp_path / "log").glob("confusion_matrix.*")}
    run.pop_info("loop_stage")  # as mmengine's Runner does after training
    evaluate(SegmentationMetric(), [sample([[0, 0]], [[0, 0]])])
    assert {p.name: p.read_bytes() for p in (tmp_path / "log").glob("confusion_matrix.*")} == before
    assert len(before) == 3
    assert sorted(p.name for p in (tmp_path / "log").glob("*_test.*")) == [
        "confusion_matrices_test.npz",
        "confusion_matrix_test.json",
        "confusion_matrix_test.npz",
        "confusion_matrix_test.png",
    ]
    assert json.loads((tmp_path / "log" / "confusion_matrix_test.json").read_text())["matrix"][0] == [2, 0, 0, 0]


def test_other_places_for_the_matrix(tmp_path, run):
    samples = [sample([[0]], [[0]])]
    evaluate(SegmentationMetric(matrix_file=None), samples)
    assert [p.name for p in (tmp_path / "log").iterdir()] == ["run.log"]
    evaluate(SegmentationMetric(matrix_file="fold_1.json"), samples)
    evaluate(SegmentationMetric(matrix_file=str(tmp_path / "elsewhere" / "m.json")), samples)
    assert json.loads((tmp_path / "log" / "fold_1.json").read_text())["matrix"][0] == [1, 0, 0, 0]
    assert json.loads((tmp_path / "elsewhere" / "m.json").read_text())["classes"] == list(CLASSES)


def test_without_a_log_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MMLogger.get_instance("test_without_a_log_file")
    assert evaluate(SegmentationMetric(), [sample([[0]], [[0]])])["aAcc"] == 100.0
    assert list(tmp_path.iterdir()) == []


def test_samples_without_labels_are_left_out():
    unlabelled = sample([[3, 3]], [[0, 0]])
    del unlabelled["gt_sem_seg"]
    metric = SegmentationMetric(matrix_file=None)
    assert evaluate(metric, [unlabelled, sample([[0, 1]], [[0, 0]])])["aAcc"] == 50.0
    assert evaluate(metric, [unlabelled]) == {}


def test_a_validation_without_labels_has_all_scalars_and_none_is_a_number(run, tmp_path):
    unlabelled = sample([[3, 3]], [[0, 0]])
    labelled = {**unlabelled, "cross_entropy": {"sum": 1.0, "num_pixels": 2}}
    expected = evaluate(SegmentationMetric("mBIoU", matrix_file=None), [labelled])
    del unlabelled["gt_sem_seg"]
    scalars = evaluate(SegmentationMetric("mBIoU"), [unlabelled])
    assert list(scalars) == list(expected)
    assert "val_loss" in scalars
    assert all(np.isnan(v) for v in scalars.values())
    assert "No image has labels: nothing to score." in (tmp_path / "log" / "run.log").read_text()
    assert [p.name for p in (tmp_path / "log").iterdir()] == ["run.log"]
    ignored = sample([[0, 1]], [[255, 255]])
    ignored["cross_entropy"] = {"sum": 0.0, "num_pixels": 0}
    assert np.isnan(evaluate(SegmentationMetric(), [ignored])["val_loss"])
    run.pop_info("loop_stage")
    assert evaluate(SegmentationMetric("mBIoU"), [unlabelled]) == {}


def test_all_ignored_is_not_a_number():
    scalars = evaluate(SegmentationMetric(matrix_file=None), [sample([[0, 1]], [[255, 255]])])
    assert len(scalars) == 3 + 2 * len(CLASSES)
    assert all(np.isnan(v) for v in scalars.values())


def test_one_mean_may_be_a_string_and_the_usual_ones_may_be_named():
    samples = random_samples()
    expected = evaluate(SegmentationMetric(["mDice"], matrix_file=None), samples)
    assert evaluate(SegmentationMetric("mDice", matrix_file=None), samples) == expected
    named = SegmentationMetric(["mDice", "mIoU", "aAcc", "mAcc", "mDice"], matrix_file=None)
    assert evaluate(named, samples) == expected
    assert list(evaluate(SegmentationMetric("mIoU", matrix_file=None), samples))[:4] == [
        *list(expected)[:3],
        "IoU.land",
    ]
    with pytest.raises(UserError, match="got 'mdice'"):
        SegmentationMetric("mdice")


def test_unknown_metrics_are_refused():
    with pytest.raises(
        UserError, match=r"`metrics` to be one of .*'mDice', 'mFscore', 'mPrecision', 'mRecall', 'mBIoU'"
    ) as caught:
        METRICS.build({"type": "mmseg_ext.SegmentationMetric", "metrics": ["mDice", "mIoU2"]})
    assert "mIoU2" in str(caught.value)
    with pytest.raises(UserError, match=r"`boundary_width` to be a number between 0 and 1, exclusive, got 2"):
        SegmentationMetric(boundary_width=2)


# --- boundaries -------------------------------------------------------------------------------------------------------


def test_boundary_iou_is_summed_over_the_images():
    samples = random_samples(absent=2)
    counts = np.zeros((2, 4), int)
    for s in samples:
        counts += count_boundary(s["pred_sem_seg"]["data"][0].numpy(), s["gt_sem_seg"]["data"][0].numpy(), 4, 0.1)
    scalars = evaluate(SegmentationMetric(metrics=["mBIoU"], boundary_width=0.1, matrix_file=None), samples)
    expected = np.where(counts[1] > 0, 100 * counts[0] / np.maximum(counts[1], 1), np.nan)
    assert 0 < np.nanmin(expected) < np.nanmax(expected) < 100
    np.testing.assert_allclose([scalars[f"BIoU.{name}"] for name in CLASSES], expected, atol=0.0051)
    assert scalars["mBIoU"] == pytest.approx(np.nanmean(expected), abs=0.0051)
    assert list(scalars)[3] == "mBIoU"
    assert "mBIoU" not in evaluate(SegmentationMetric(matrix_file=None), samples)


def test_boundary_iou_of_nothing_is_not_a_number():
    scalars = evaluate(SegmentationMetric(metrics=["mBIoU"], matrix_file=None), [sample([[0, 1]], [[255, 255]])])
    assert np.isnan(scalars["mBIoU"])
    assert np.isnan(scalars["BIoU.land"])


# --- the loss ---------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_all_labelled_pixels():
    samples = [sample([[0, 1]], [[0, 1]]) for _ in range(3)]
    for s, (total, pixels) in zip(samples, ((3.0, 1), (1.0, 7), (0.0, 0)), strict=True):
        s["cross_entropy"] = {"sum": total, "num_pixels": pixels}
    assert evaluate(SegmentationMetric(matrix_file=None), samples)["val_loss"] == 0.5
    assert "val_loss" not in evaluate(SegmentationMetric(matrix_file=None), [sample([[0, 1]], [[0, 1]])])
    assert "val_loss" not in evaluate(SegmentationMetric(matrix_file=None), samples[2:])


# --- several processes ------------------------------------------------------------------------------------------------


def score_share(rank, store, folder, num_images):
    """Score every second image in one of two processes, as mmengine's sampler deals them out."""
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    samples = random_samples(num_images)
    for i, s in enumerate(samples):
        s["cross_entropy"] = {"sum": float(i), "num_pixels": i + 1}
    if num_images > 2:
        del samples[1]["gt_sem_seg"]
    indices = (list(range(num_images)) * 2)[: -(-num_images // 2) * 2][rank::2]
    metric = SegmentationMetric(metrics=["mBIoU"], matrix_file=None, collect_dir=str(Path(folder) / "parts"))
    metric.dataset_meta = {"classes": CLASSES}
    for index in indices:
        metric.process({}, [samples[index]])
    scalars = metric.evaluate(num_images)
    (Path(folder) / f"{rank}.json").write_text(json.dumps(scalars))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("num_images", [1, 5, 6])
def test_two_processes_score_every_image_once(tmp_path, num_images):
    run_two_processes(score_share, f"file://{tmp_path / 'store'}", str(tmp_path), num_images)
    samples = random_samples(num_images)
    for i, s in enumerate(samples):
        s["cross_entropy"] = {"sum": float(i), "num_pixels": i + 1}
    if num_images > 2:
        del samples[1]["gt_sem_seg"]
    expected = evaluate(SegmentationMetric(metrics=["mBIoU"], matrix_file=None), samples)
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found == pytest.approx(expected, nan_ok=True)


def test_what_is_kept_does_not_grow_with_the_images():
    metric = SegmentationMetric(metrics=["mBIoU"], matrix_file=None)
    metric.dataset_meta = {"classes": CLASSES}
    sizes = []
    for _ in range(3):
        metric.process({}, random_samples(10))
        sizes.append(len(pickle.dumps(vars(metric))))
    assert sizes[0] == sizes[2]
