"""The real logs, against the values that were read off them by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmseg_ext.tables.metric_names import best_evaluation
from mmseg_ext.tables.records import Run
from mmseg_ext.tables.run_reading import read_runs
from mmseg_ext.tables.score_rows import share_names


@pytest.fixture(scope="module")
def runs(real_logs: Path) -> dict[str, Run]:
    return {run.label: run for run in read_runs([real_logs])}


def _scores(run: Run) -> tuple[float, int | None, float, float, float]:
    best, last = best_evaluation(run.evaluations, "mIoU"), run.evaluations[-1]
    assert best is not None
    return best.metrics["mIoU"], best.step, *(last.metrics[name] for name in ("mIoU", "mAcc", "aAcc"))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("phreg_ade20k", (48.75, 38000, 48.66, 61.57, 81.76)),
        ("phreg_voc21", (84.99, 14000, 84.61, 92.75, 96.57)),
        ("mtp_json/spacenet_train_rvsa-b-mae", (79.29, 40000, 79.28, 86.91, 95.92)),
        ("repvit_0x/repvit_m1_1_ade20k", (40.6, 40000, 40.6, 51.78, 79.53)),
        ("repvit_0x/repvit_m1_5_ade20k", (43.72, 36000, 43.6, 55.07, 80.83)),
        ("repvit_0x/repvit_m2_3_ade20k", (46.06, 40000, 46.06, 57.36, 81.77)),
    ],
)
def test_scores(runs: dict[str, Run], label: str, expected: tuple[float, ...]) -> None:
    assert _scores(runs[label]) == pytest.approx(expected)


def test_ade20k_in_full(runs: dict[str, Run]) -> None:
    run = runs["phreg_ade20k"]
    assert (run.name, run.settings.dataset, run.state) == ("ade20k_cfg", "ade20", "finished")
    assert (run.done, run.planned, len(run.evaluations)) == (40000, 40000, 20)
    assert (run.started, run.memory, run.num_gpus, run.seed) == ("2025-05-13 16:29:48", 4433.0, 1, 1166086730)
    assert (run.settings.backbone, run.settings.head) == ("DistileedDINOv2", "BNHead")
    assert (run.settings.crop, run.settings.batch_size, run.settings.labels) == ("518x518", 8, "all")
    last = run.evaluations[-1]
    scores = dict(zip(last.class_names, last.class_values["IoU"], strict=True))
    assert len(scores) == 150
    assert (scores["wall"], scores["land"], scores["flag"]) == (74.4, 0.12, 48.69)


def test_text_log_alone_says_the_same(real_logs: Path, runs: dict[str, Run], tmp_path: Path) -> None:
    for label, stamp in (("phreg_ade20k", "20250513_162948"), ("phreg_voc21", "20250514_061427")):
        folder = tmp_path / label / stamp
        folder.mkdir(parents=True)
        (folder / f"{stamp}.log").write_bytes((real_logs / label / stamp / f"{stamp}.log").read_bytes())
        (run,) = read_runs([tmp_path / label])
        assert _scores(run) == pytest.approx(_scores(runs[label]))
        assert [(item.step, item.metrics) for item in run.evaluations] == [
            (item.step, pytest.approx(item.metrics)) for item in runs[label].evaluations
        ]
        assert run.state == "finished"


def test_classes_of_old_and_new_logs_are_the_same(runs: dict[str, Run]) -> None:
    old = runs["repvit_0x/repvit_m1_1_ade20k"].evaluations[-1].class_names
    new = runs["phreg_ade20k"].evaluations[-1].class_names
    assert sorted(old) == sorted(new)
    assert share_names(tuple(new)) is new


def test_old_logs(runs: dict[str, Run]) -> None:
    run = runs["repvit_0x/repvit_m2_3_ade20k"]
    assert (run.name, run.settings.dataset, run.num_gpus) == ("fpn_repvit_m6_ade20k_40k", "ade20", 8)
    assert (run.settings.batch_size, run.settings.crop, run.state) == (4, "512x512", "finished")


def test_broken_and_test_logs(runs: dict[str, Run]) -> None:
    broken = runs["mtp_json/spacenet_test_test-rvsa-b-mae"]
    assert (broken.evaluations, broken.tests, broken.state) == ([], [], "unfinished")
    assert "1 line does not parse" in broken.warnings[0]
    tested = runs["mtp_json/spacenet_test_test-intern-xl-imp"]
    assert (tested.state, tested.tests[0].metrics["mIoU"]) == ("tested", 79.08)
    without = runs["mtp_json/loveda_rvsa-b-mae-mtp"]
    assert (without.evaluations, without.done, without.settings.dataset) == ([], 80000, "loveda")
