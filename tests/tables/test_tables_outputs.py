"""The files: Markdown, CSV, JSON, replaced in one step."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path

import pytest
from made_logs import MadeRun

from mmseg_ext.errors import UserError
from mmseg_ext.tables import TableOptions, write_tables

NASTY = "a|b`<script>alert(1)</script>_loveda"


@pytest.fixture
def work_dirs(tmp_path: Path) -> Path:
    root = tmp_path / "work_dirs"
    MadeRun(name="fcn_loveda").write(root)
    MadeRun(name="upernet_loveda", scores=((100, 30.0), (200, math.nan))).write(root)
    ade = {"dataset_type": "mmseg_ext.DownsampledADE20KDataset", "dataset": "factor=4"}
    MadeRun(name="linear_ade20kds4", config=ade).write(root)
    return root


def test_one_file_a_dataset(work_dirs: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    paths = write_tables([work_dirs], out, formats=("md", "csv", "json"))
    assert sorted(path.name for path in paths) == [
        f"{dataset}_scores.{suffix}" for dataset in ("ade20", "loveda") for suffix in ("csv", "json", "md")
    ]
    assert sorted(os.listdir(out)) == sorted(path.name for path in paths), "no temporary file is left"


def test_markdown(work_dirs: Path, tmp_path: Path) -> None:
    write_tables([work_dirs], tmp_path, TableOptions(per_class=True))
    lines = (tmp_path / "loveda_scores.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# loveda scores"
    assert lines[2].startswith("2 runs, best first by best mIoU.")
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    head = table[0]
    assert head[:3] == ["#", "config", "backbone"]
    row = dict(zip(head, table[2], strict=True))
    assert (row["config"], row["best mIoU"], row["last mIoU"], row["state"]) == (
        "`fcn_loveda`",
        "42.50 @ 200",
        "42.50",
        "finished",
    )
    assert dict(zip(head, table[3], strict=True))["last mIoU"] == "nan"
    assert len({len(cells) for cells in table[:4]}) == 1
    text = "\n".join(lines)
    assert "## IoU per class" in text
    assert "| bed, double | 43.00 |" in text
    assert "1/4 |" in (tmp_path / "ade20_scores.md").read_text()


def test_markdown_keeps_nasty_names_harmless(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    made = MadeRun(name=NASTY.replace("/", "_"))
    (tmp_path / "logs" / "x_loveda.log.json").write_text(made.old_json())
    write_tables([tmp_path / "logs"], tmp_path)
    lines = (tmp_path / "loveda_scores.md").read_text().splitlines()
    assert not any("<script" in line for line in lines)
    rows = [line for line in lines if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_csv(work_dirs: Path, tmp_path: Path) -> None:
    write_tables([work_dirs], tmp_path, TableOptions(per_class=True), formats=("csv",))
    with (tmp_path / "loveda_scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["config"] for row in rows] == ["fcn_loveda", "upernet_loveda"]
    assert (float(rows[0]["best"]), rows[0]["best_step"], rows[0]["done"]) == (42.5, "200", "200")
    assert (rows[0]["IoU.bed, double"], rows[1]["last"]) == ("43.0", "nan")
    assert rows[0]["factor"] == ""


def test_csv_of_a_group_has_the_spread_beside_the_mean(tmp_path: Path) -> None:
    for seed, score in ((0, 40.0), (1, 42.0)):
        MadeRun(name=f"fcn_loveda-seed{seed}", seed=seed, scores=((200, score),)).write(tmp_path / "runs")
    write_tables([tmp_path / "runs"], tmp_path, TableOptions(group="seed"), formats=("csv", "json"))
    with (tmp_path / "loveda_scores.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (float(row["best"]), float(row["best_std"]), row["n"]) == (41.0, pytest.approx(2**0.5, abs=1e-6), "2")
    (record,) = json.loads((tmp_path / "loveda_scores.json").read_text())["rows"]
    assert record["best"] == {"mean": 41.0, "std": pytest.approx(2**0.5), "n": 2}


def test_csv_holds_no_formula(tmp_path: Path) -> None:
    (tmp_path / "=cmd()_loveda.json").write_text(MadeRun().scalars())
    write_tables([tmp_path / "=cmd()_loveda.json"], tmp_path, formats=("csv",))
    assert "'=cmd()_loveda," in (tmp_path / "loveda_scores.csv").read_text()


def test_json(work_dirs: Path, tmp_path: Path) -> None:
    write_tables([work_dirs], tmp_path, formats=("json",))
    content = json.loads((tmp_path / "loveda_scores.json").read_text())
    assert (content["dataset"], content["metric"]) == ("loveda", "mIoU")
    first, second = content["rows"]
    assert (first["best"], first["best_step"], second["last"]) == (42.5, 200, None)
    assert first["runs"][0]["evaluations"] == [
        {"step": 100, "aAcc": 60.0, "mIoU": 40.0, "mAcc": 50.0},
        {"step": 200, "aAcc": 62.5, "mIoU": 42.5, "mAcc": 52.5},
    ]
    assert first["per_class"]["Acc"]["bed, double"] == 53.0


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "x_loveda.json").write_text(MadeRun().scalars())
    path = tmp_path / "out" / "loveda_scores.md"
    path.parent.mkdir()
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UserError, match="No space left on device; choose another folder with --out"):
        write_tables([tmp_path / "logs"], path.parent)
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_a_file(work_dirs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write_tables([work_dirs], tmp_path / "out")
