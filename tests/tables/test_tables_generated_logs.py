"""Generated logs: every layout, generation and accident the readers know."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from made_logs import CLASSES, STAMP, MadeRun

from mmseg_ext.errors import UserError
from mmseg_ext.tables.records import Run
from mmseg_ext.tables.run_reading import read_runs

LATER = "20250103_030405"


def read_one(root: Path) -> Run:
    """Read the only run below a folder, as if a day had passed."""
    (run,) = read_runs([root], now=time.time() + 86400)
    return run


def scores(run: Run) -> list[tuple[int | None, float]]:
    return [(item.step, item.metrics["mIoU"]) for item in run.evaluations]


@pytest.mark.parametrize(
    ("text", "scalars"), [(True, True), (True, False), (False, True)], ids=["both", "text alone", "scalars alone"]
)
def test_either_log_suffices(tmp_path: Path, text: bool, scalars: bool) -> None:
    made = MadeRun()
    made.write(tmp_path, text=text, scalars=scalars)
    run = read_one(tmp_path)
    assert (run.name, run.settings.dataset, run.state) == (made.name, "loveda", "finished")
    assert (run.done, run.planned) == (200, 200)
    assert [(item.step, item.metrics) for item in run.evaluations] == [
        (100, {"aAcc": 60.0, "mIoU": 40.0, "mAcc": 50.0}),
        (200, {"aAcc": 62.5, "mIoU": 42.5, "mAcc": 52.5}),
    ]
    assert run.memory == 4433
    assert run.seconds_per_step == pytest.approx(0.255, abs=0.005)
    assert run.started.startswith("2025-01-02")
    if text:
        assert run.num_parameters == 8 * 3 * 3 * 3 + 8 + 4 * 8
        last = run.evaluations[-1]
        assert last.class_names == CLASSES
        assert last.class_values["IoU"] == [41.0, 42.0, 43.0, 44.0]
        assert last.class_values["Acc"] == [51.0, 52.0, 53.0, 54.0]


def test_class_scalars_are_kept_for_best_and_last_alone(tmp_path: Path) -> None:
    made = MadeRun(scores=((50, 39.0), (100, 44.0), (150, 41.0), (200, 42.5)), val_interval=50)
    made.with_class_scalars = True
    made.classes = [f"class {index}, or so" for index in range(40)]  # long rows take the quick way
    for keep in ("text", "scalars"):
        root = tmp_path / keep
        made.write(root, text=keep == "text", scalars=keep == "scalars")
        run = read_one(root)
        assert scores(run) == [(50, 39.0), (100, 44.0), (150, 41.0), (200, 42.5)]
        assert [len(item.class_names) for item in run.evaluations] == [0, 40, 0, 40]
        wanted = dict(zip(run.evaluations[1].class_names, run.evaluations[1].class_values["IoU"], strict=True))
        assert wanted == made.class_scores(44.0)
        assert set(run.evaluations[0].metrics) == {"aAcc", "mIoU", "mAcc"}


@pytest.mark.parametrize(("keep", "with_class_scalars"), [("text", True), ("text", False), ("scalars", True)])
def test_a_wanted_class_is_kept_everywhere(tmp_path: Path, keep: str, with_class_scalars: bool) -> None:
    MadeRun(with_class_scalars=with_class_scalars).write(tmp_path, text=keep == "text", scalars=keep == "scalars")
    (run,) = read_runs([tmp_path], wanted=["IoU.bed, double"])
    assert [item.metrics["IoU.bed, double"] for item in run.evaluations] == [40.5, 43.0]


@pytest.mark.parametrize("keep", ["both", "text", "scalars"])
def test_resumed_run_is_one_run_and_rolls_back(tmp_path: Path, keep: str) -> None:
    layout = {"text": keep != "scalars", "scalars": keep != "text"}
    first = MadeRun(scores=((100, 40.0), (200, 48.0)), last_step=250, max_steps=400)
    first.write(tmp_path, **layout)
    second = MadeRun(stamp=LATER, scores=((200, 43.0), (300, 44.0), (400, 45.0)), max_steps=400)
    second.first_step, second.last_step, second.resumed_from = 160, 400, 150
    second.write(tmp_path, **layout)
    run = read_one(tmp_path)
    assert scores(run) == [(100, 40.0), (200, 43.0), (300, 44.0), (400, 45.0)], "48.0 was rolled back"
    assert (run.done, run.planned, run.state) == (400, 400, "finished")
    assert run.started.startswith("2025-01-02")


def test_a_start_that_got_nowhere_is_no_run(tmp_path: Path) -> None:
    work_dir = MadeRun(stamp=LATER).write(tmp_path)
    folder = work_dir / STAMP
    folder.mkdir()
    (folder / f"{STAMP}.log").write_text("2025/01/02 03:04:05 - mmengine - INFO - \nSystem environment:\n")
    assert scores(read_one(tmp_path)) == [(100, 40.0), (200, 42.5)]


def test_training_anew_in_the_same_folder_is_another_run(tmp_path: Path) -> None:
    MadeRun().write(tmp_path)
    MadeRun(stamp=LATER, scores=((100, 50.0), (200, 51.0)), seed=9).write(tmp_path)
    runs = read_runs([tmp_path], now=time.time() + 86400)
    assert [scores(run) for run in runs] == [[(100, 40.0), (200, 42.5)], [(100, 50.0), (200, 51.0)]]
    assert len({run.label for run in runs}) == 2


def test_test_logs_join_their_run(tmp_path: Path) -> None:
    made = MadeRun()
    work_dir = made.write(tmp_path)
    folder = work_dir / LATER
    (folder / "vis_data").mkdir(parents=True)
    (folder / f"{LATER}.log").write_text(made.test_text(45.0))
    (folder / f"{LATER}.json").write_text(json.dumps({"aAcc": 65.0, "mIoU": 45.0, "mAcc": 55.0, "time": 0.1}))
    run = read_one(tmp_path)
    assert scores(run) == [(100, 40.0), (200, 42.5)]
    assert [item.metrics for item in run.tests] == [{"aAcc": 65.0, "mIoU": 45.0, "mAcc": 55.0}]


@pytest.mark.parametrize("keep", ["text", "json"])
def test_old_logs_are_fractions_and_take_the_step_of_the_row_before(tmp_path: Path, keep: str) -> None:
    made = MadeRun(name="pspnet_r50", with_class_scalars=True)
    work_dir = tmp_path / made.name
    work_dir.mkdir()
    if keep == "text":
        (work_dir / f"{STAMP}.log").write_text(made.old_text())
    else:
        (work_dir / f"{STAMP}.log.json").write_text(made.old_json())
    run = read_one(tmp_path)
    assert [(item.step, item.metrics) for item in run.evaluations] == [
        (100, {"aAcc": 60.0, "mIoU": 40.0, "mAcc": 50.0}),
        (200, {"aAcc": 62.5, "mIoU": 42.5, "mAcc": 52.5}),
    ]
    assert (run.name, run.state, run.settings.dataset) == (made.name, "finished", "loveda")
    assert (run.settings.backbone, run.settings.batch_size, run.num_gpus) == ("ResNetV1c-50", 2, 4)
    last = run.evaluations[-1]
    assert dict(zip(last.class_names, last.class_values["IoU"], strict=True)) == made.class_scores(42.5)
    assert (run.memory, run.planned) == (4433, 200)


def test_old_text_without_class_items_reads_the_table(tmp_path: Path) -> None:
    made = MadeRun(name="pspnet_r50")
    (tmp_path / f"{STAMP}.log").write_text(made.old_text())
    run = read_one(tmp_path)
    assert scores(run) == [(100, 40.0), (200, 42.5)]
    assert run.evaluations[-1].class_values["IoU"] == [41.0, 42.0, 43.0, 44.0]


def test_loose_logs_are_named_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "upernet_loveda.json").write_text(MadeRun().scalars())
    (tmp_path / "psp.log.json").write_text(MadeRun(name="psp_loveda").old_json())
    (tmp_path / "notes.json").write_text('{"title": "no log"}')
    (tmp_path / "setup.log").write_text("no log either\n")
    runs = read_runs([tmp_path])
    assert sorted((run.name, run.settings.dataset) for run in runs) == [
        ("psp_loveda", "loveda"),
        ("upernet_loveda", "loveda"),
    ]


def test_windows_logs(tmp_path: Path) -> None:
    made = MadeRun(config={"work_dir": "D:\\runs\\naïve"})
    work_dir = made.write(tmp_path, scalars=False)
    log = work_dir / STAMP / f"{STAMP}.log"
    content = b"\xef\xbb\xbf" + made.text().encode("cp1252").replace(b"\n", b"\r\n")
    log.write_bytes(content)
    for config in work_dir.rglob("*.py"):
        config.unlink()
    run = read_one(tmp_path)
    assert scores(run) == [(100, 40.0), (200, 42.5)]
    assert (run.name, run.settings.backbone, run.state) == (made.name, "ResNet-18", "finished")
    assert run.evaluations[-1].class_names == CLASSES


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    made = MadeRun(with_class_scalars=True)
    work_dir = made.write(tmp_path)
    for name in (f"{STAMP}.log", "vis_data/scalars.json"):
        path = work_dir / STAMP / name
        path.write_bytes(path.read_bytes().replace(b"water", b"w\xff\xfeter"))
    run = read_one(tmp_path)
    assert scores(run) == [(100, 40.0), (200, 42.5)]
    assert run.warnings == []


def test_nan_cells(tmp_path: Path) -> None:
    made = MadeRun(scores=((100, 40.0), (200, math.nan)))
    made.write(tmp_path / "both")
    made.write(tmp_path / "text", scalars=False)
    for name in ("both", "text"):
        run = read_one(tmp_path / name)
        assert run.evaluations[0].metrics["mIoU"] == 40.0
        assert math.isnan(run.evaluations[1].metrics["mIoU"])
    work_dir = MadeRun().write(tmp_path / "cell", scalars=False)
    log = work_dir / STAMP / f"{STAMP}.log"
    log.write_text(
        log.read_text().replace("|43.0   |53.0", "|  nan  |  nan").replace("| 43.0  | 53.0  |", "| nan | nan |")
    )
    run = read_one(tmp_path / "cell")
    assert [math.isnan(value) for value in run.evaluations[-1].class_values["IoU"]] == [False, False, True, False]


def test_lines_that_do_not_parse_are_counted(tmp_path: Path) -> None:
    work_dir = MadeRun().write(tmp_path, text=False)
    path = work_dir / STAMP / "vis_data" / "scalars.json"
    lines = path.read_text().splitlines()
    lines[4] = lines[4][:30]
    lines[7] = "\0" * 20
    lines[-1] += "}"
    path.write_text("\n".join(lines) + "\n")
    run = read_one(tmp_path)
    assert scores(run) == [(100, 40.0)], "the last row, which ends in }}, does not count"
    assert run.warnings == [f"{work_dir}: 3 lines do not parse and left out"]
    assert run.done == 200


def test_empty_and_truncated_logs_are_unfinished_rows(tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("cut", MadeRun().text().encode()[:4000]), ("zeros", b"\0" * 500)):
        folder = tmp_path / name / STAMP
        folder.mkdir(parents=True)
        (folder / f"{STAMP}.log").write_bytes(content)
    MadeRun().write(tmp_path)
    runs = {run.name: run.state for run in read_runs([tmp_path], now=time.time() + 86400)}
    assert runs == {"empty": "unfinished", "cut": "unfinished", "zeros": "unfinished", MadeRun().name: "finished"}


@pytest.mark.parametrize(
    "message",
    [
        "the monitored metric did not improve in the last 5 records. best score: 40.000. ",
        "Stopping threshold reached: `mIoU` = 40.0 is greater than 30.",
        "Monitored metric mIoU = nan is infinite. Previous best value was 40.000.",
    ],
)
def test_a_run_that_was_stopped_early_is_known_at_once(tmp_path: Path, message: str) -> None:
    work_dir = MadeRun(name="early", last_step=120, scores=((100, 40.0),)).write(tmp_path)
    with (work_dir / STAMP / f"{STAMP}.log").open("a") as file:
        file.write(f"2025/01/02 05:00:00 - mmengine - INFO - {message}\n")
    assert [run.state for run in read_runs([tmp_path])] == ["stopped early"]
    stamp = "20250103_030405"
    MadeRun(name="early", stamp=stamp, resumed_from=120, first_step=130, scores=((200, 50.0),)).write(tmp_path)
    assert [run.state for run in read_runs([tmp_path])] == ["finished"]


def test_states(tmp_path: Path) -> None:
    half = MadeRun(name="half", last_step=120, scores=((100, 40.0),))
    half.write(tmp_path)
    crash = MadeRun(name="crash", last_step=120, scores=((100, 40.0),))
    work_dir = crash.write(tmp_path)
    with (work_dir / STAMP / f"{STAMP}.log").open("a") as file:
        file.write("2025/01/02 05:00:00 - mmengine - ERROR - boom\nTraceback (most recent call last):\n")
        file.write('  File "train.py", line 1, in <module>\nRuntimeError: CUDA out of memory.\n')
    states = {run.name: run.state for run in read_runs([tmp_path], now=time.time() + 86400)}
    assert states == {"half": "stopped", "crash": "crashed"}
    now = time.time() + 5
    copied = {run.name: run.state for run in read_runs([tmp_path], now=now)}
    assert copied == {"half": "stopped", "crash": "crashed"}, "new files, but their last lines are old: copies"
    for log in tmp_path.rglob("*.log"):
        log.write_text(log.read_text().replace("2025/01/02", time.strftime("%Y/%m/%d")))
    fresh = {run.name: run.state for run in read_runs([tmp_path], now=now)}
    assert fresh == {"half": "running", "crash": "crashed"}
    crashed = next(run for run in read_runs([tmp_path]) if run.name == "crash")
    assert crashed.warnings == [f"{work_dir}: RuntimeError: CUDA out of memory."]


def test_step_of_an_evaluation_between_training_rows(tmp_path: Path) -> None:
    """The text log names no step: it is the training row's, unless the interval of the config tells better."""
    made = MadeRun(first_step=30, interval=30, last_step=200, scores=((100, 40.0), (200, 42.5)))
    made.write(tmp_path, scalars=False)
    assert scores(read_one(tmp_path)) == [(100, 40.0), (200, 42.5)]
    for config in tmp_path.rglob("*.py"):
        config.unlink()
    log = next(tmp_path.rglob("*.log"))
    log.write_text(log.read_text().replace("Config:", "Konfig:"))
    assert scores(read_one(tmp_path)) == [(90, 40.0), (180, 42.5)]


def test_float_noise_is_rounded_away(tmp_path: Path) -> None:
    work_dir = MadeRun().write(tmp_path, text=False)
    path = work_dir / STAMP / "vis_data" / "scalars.json"
    path.write_text(path.read_text().replace('"mIoU": 42.5', '"mIoU": 42.500000059604645'))
    assert scores(read_one(tmp_path))[-1] == (200, 42.5)


@pytest.mark.parametrize(
    "place", ["", STAMP, f"{STAMP}/vis_data", f"{STAMP}/{STAMP}.log", f"{STAMP}/vis_data/scalars.json"]
)
def test_a_run_may_be_named_by_any_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    work_dir = MadeRun().write(tmp_path)
    run = read_one(work_dir / place)
    assert (run.name, scores(run)) == (MadeRun().name, [(100, 40.0), (200, 42.5)])
    target = work_dir / place
    monkeypatch.chdir(target if target.is_dir() else target.parent)
    run = read_one(Path("." if target.is_dir() else target.name))
    assert (run.name, scores(run)) == (MadeRun().name, [(100, 40.0), (200, 42.5)])


def test_runs_behind_links_are_found_once(tmp_path: Path) -> None:
    MadeRun().write(tmp_path / "disk")
    (tmp_path / "work_dirs").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "work_dirs" / "linked")
    os.symlink(tmp_path / "work_dirs", tmp_path / "work_dirs" / "loop")
    assert len(read_runs([tmp_path / "work_dirs"])) == 1


def test_a_log_that_cannot_be_read_leaves_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work_dir = MadeRun().write(tmp_path, scalars=False)
    log = work_dir / STAMP / f"{STAMP}.log"
    real_open = Path.open

    def refuse(self: Path, *args: object, **kwargs: object) -> object:
        if self == log:
            raise PermissionError(13, "Permission denied")
        return real_open(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    run = read_one(tmp_path)
    assert run.state == "unfinished"
    assert "cannot be read: Permission denied" in run.warnings[0]


def test_no_run_found_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"No run found.*{tmp_path.name}"):
        read_runs([tmp_path])
    with pytest.raises(UserError, match="does not exist"):
        read_runs([tmp_path / "missing"])
