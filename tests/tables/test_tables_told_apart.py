"""Runs, rows, datasets and metrics that look alike keep names of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_logs import MadeRun

from mmseg_ext.tables import TableOptions, make_tables, read_runs
from mmseg_ext.tables.command import main
from mmseg_ext.tables.score_page import to_page

ROOT = Path(__file__).resolve().parents[2]
HEAD = "2025/01/02 03:04:05 - mmengine - INFO - "


def write_rows(path: Path, *rows: dict) -> None:
    train = {"lr": 0.01, "loss": 1.0, "time": 0.1, "iter": 10, "memory": 10, "step": 10}
    path.write_text("".join(json.dumps(row) + "\n" for row in (train, *rows)))


def test_rows_of_one_config_are_named_with_their_runs(tmp_path: Path) -> None:
    for place, score, crop in (("first", 40.0, "64"), ("second", 50.0, "32")):
        crop = f"{crop},\n                    {crop},"
        MadeRun(scores=((200, score),), config={"crop": crop, "batch_size": int(score)}).write(tmp_path / place)
    (table,) = make_tables(read_runs([tmp_path]))
    config = MadeRun().name
    names = [f"{config} (second/{config})", f"{config} (first/{config})"]
    assert table.row_names() == names
    assert len(table.notes) == 1
    assert table.notes[0].startswith(f"{names[1]} differs from {names[0]} in ")
    page = to_page([table])
    assert all(f"</i>{name}</li>" in page for name in names)


def test_datasets_of_one_class_are_tables_of_their_own(tmp_path: Path) -> None:
    for root in ("roofs", "rivers"):
        made = MadeRun(name=f"fcn_{root}", config={"dataset_type": "BaseSegDataset"})
        for config in made.write(tmp_path, text=False).rglob("*.py"):
            config.write_text(config.read_text().replace("data/loveDA", f"data/{root}"))
    assert [table.dataset for table in make_tables(read_runs([tmp_path]))] == ["rivers", "roofs"]


def test_metrics_of_several_evaluators(tmp_path: Path) -> None:
    row = {"binary/IoU": 60.0, "binary/mIoU": 70.0, "rle/IoU": 61.0, "polygons/IoU": 62.0, "mIoU": 71.0, "step": 10}
    write_rows(tmp_path / "a_loveda.json", row)
    (table,) = make_tables(read_runs([tmp_path]))
    titles = [column.title for column in table.columns]
    assert {"binary/IoU", "binary/mIoU", "rle/IoU", "polygons/IoU"} <= set(titles)
    assert table.rows[0].values["best"] == 71.0
    (table,) = make_tables(read_runs([tmp_path]), TableOptions(metric="rle/IoU"))
    assert table.rows[0].values["best"] == 61.0


def test_a_metric_may_be_named_without_its_evaluator_where_only_one_has_it(tmp_path: Path) -> None:
    write_rows(tmp_path / "a_loveda.json", {"binary/IoU": 60.0, "mIoU": 71.0, "step": 10})
    (table,) = make_tables(read_runs([tmp_path]), TableOptions(metric="IoU"))
    assert (table.options.metric, table.rows[0].values["best"]) == ("binary/IoU", 60.0)


def test_an_evaluator_with_a_prefix_alone(tmp_path: Path) -> None:
    row = {"seg/aAcc": 80.0, "seg/mIoU": 41.0, "seg/IoU.road": 30.0, "seg/IoU.water": 52.0, "step": 10}
    write_rows(tmp_path / "a_loveda.json", row)
    (table,) = make_tables(read_runs([tmp_path]))
    assert table.rows[0].values["best"] == 41.0
    assert not any("road" in column.title for column in table.columns)
    assert table.rows[0].class_scores == {"IoU": {"road": 30.0, "water": 52.0}}


def test_a_prediction_is_no_unfinished_run(tmp_path: Path) -> None:
    text = "".join(f"{HEAD}Iter(test) [{step}/4]    eta: 0:00:01  time: 0.1  data_time: 0.1\n" for step in range(1, 5))
    (tmp_path / "a_loveda.log").write_text(text)
    (table,) = make_tables(read_runs([tmp_path]))
    assert table.rows[0].values["state"] == "predicted"


def test_a_plan_below_what_was_done_is_of_another_start(tmp_path: Path) -> None:
    for config in MadeRun().write(tmp_path, text=False).rglob("*.py"):
        config.write_text(config.read_text().replace("max_iters=200", "max_iters=3"))
    (run,) = read_runs([tmp_path])
    assert (run.done, run.planned, run.state) == (200, None, "ended")


@pytest.mark.parametrize("arguments", [["--sort", "-last"], ["--sort=-last"]])
def test_the_opposite_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, score in (("a_loveda", 40.0), ("b_loveda", 50.0)):
        (tmp_path / f"{name}.json").write_text(MadeRun(scores=((200, score),)).scalars())
    assert main([str(tmp_path), "--out", str(tmp_path), *arguments]) == 0
    text = (tmp_path / "loveda_scores.md").read_text()
    assert text.index("`a_loveda`") < text.index("`b_loveda`")


def test_a_reader_that_ends_early(tmp_path: Path) -> None:
    for index in range(300):
        (tmp_path / f"run{index}_loveda.json").write_text(MadeRun().scalars())
    command = f"{sys.executable} extract_tables.py {tmp_path} --out {tmp_path} --no-cache | head -n 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.stderr == ""
