"""What the tables show: columns, order, groups, filters, differences, unfair comparisons."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from made_logs import MadeRun

from mmseg_ext.errors import UserError
from mmseg_ext.tables import ScoreTable, TableOptions, make_tables, read_runs
from mmseg_ext.tables.columns import Row, make_columns
from mmseg_ext.tables.command import main

POINTS = "\n            dict(num_points=20, per='image', type='mmseg_ext.SamplePoints'),"


def table_of(root: Path, **options: object) -> ScoreTable:
    (table,) = make_tables(read_runs([root]), TableOptions(**options))  # type: ignore[arg-type]
    return table


def cells(table: ScoreTable, key: str) -> list[str]:
    column = next(column for column in table.columns if column.key == key)
    return [column.cell(row) for row in table.rows]


@pytest.fixture
def work_dirs(tmp_path: Path) -> Path:
    """Three runs: all labels, points, and points with a longer schedule and a smaller crop."""
    root = tmp_path / "work_dirs"
    MadeRun(name="fcn_loveda", with_class_scalars=True).write(root)
    MadeRun(name="fcn_loveda-20pts", scores=((100, 36.0), (200, 35.0)), config={"extra_transform": POINTS}).write(root)
    long = MadeRun(name="fcn_loveda-20pts-long", scores=((100, 38.0), (200, 39.0), (300, 41.0)), last_step=300)
    replace(long, max_steps=400, config={"extra_transform": POINTS, "crop": "32,\n 32,"}).write(root)
    return root


def test_columns_and_order(work_dirs: Path) -> None:
    table = table_of(work_dirs)
    assert table.dataset == "loveda"
    assert cells(table, "config") == ["fcn_loveda", "fcn_loveda-20pts-long", "fcn_loveda-20pts"]
    assert cells(table, "best") == ["42.50 @ 200", "41.00 @ 300", "36.00 @ 100"]
    assert cells(table, "last") == ["42.50", "41.00", "35.00"]
    assert cells(table, "mAcc") == ["52.50", "51.00", "45.00"]
    assert cells(table, "done") == ["200/200", "300/400", "200/200"]
    assert cells(table, "labels") == ["all", "20 pts/image", "20 pts/image"]
    assert cells(table, "backbone") == ["ResNet-18"] * 3
    assert cells(table, "memory") == ["4.3 GB"] * 3
    assert "factor" not in [column.key for column in table.columns], "columns that are empty everywhere are dropped"
    assert "run" not in [column.key for column in table.columns], "configs tell the rows apart"


def test_equal_configs_are_told_apart(tmp_path: Path) -> None:
    MadeRun(name="fcn_loveda").write(tmp_path / "monday")
    MadeRun(name="fcn_loveda").write(tmp_path / "tuesday")
    assert cells(table_of(tmp_path), "run") == ["monday/fcn_loveda", "tuesday/fcn_loveda"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("best", ["fcn_loveda", "fcn_loveda-20pts-long", "fcn_loveda-20pts"]),
        ("-best", ["fcn_loveda-20pts", "fcn_loveda-20pts-long", "fcn_loveda"]),
        ("config", ["fcn_loveda", "fcn_loveda-20pts", "fcn_loveda-20pts-long"]),
        ("done", ["fcn_loveda-20pts-long", "fcn_loveda", "fcn_loveda-20pts"]),
        ("labels", ["fcn_loveda-20pts", "fcn_loveda-20pts-long", "fcn_loveda"]),
    ],
)
def test_sort(work_dirs: Path, sort: str, expected: list[str]) -> None:
    assert cells(table_of(work_dirs, sort=sort), "config") == expected


def test_runs_without_scores_come_last_and_tests_are_ordered_by_their_test(tmp_path: Path) -> None:
    (tmp_path / "none_loveda.json").write_text(MadeRun(scores=()).scalars())
    for name, score in (("low_loveda", 20.0), ("high_loveda", 50.0)):
        (tmp_path / f"{name}.json").write_text(f'{{"mIoU": {score}, "time": 0.1}}\n')
    table = table_of(tmp_path)
    assert cells(table, "config") == ["high_loveda", "low_loveda", "none_loveda"]
    assert cells(table, "state") == ["tested", "tested", "ended"]


def test_metric(work_dirs: Path) -> None:
    table = table_of(work_dirs, metric="mAcc")
    assert {"best mAcc", "last mAcc", "mIoU"} < {column.title for column in table.columns}
    assert cells(table, "best") == ["52.50 @ 200", "51.00 @ 300", "46.00 @ 100"]
    with pytest.raises(UserError, match="one of aAcc, mAcc, mIoU; got 'mDice'"):
        table_of(work_dirs, metric="mDice")


def test_metric_of_one_class(work_dirs: Path) -> None:
    (table,) = make_tables(
        read_runs([work_dirs], wanted=["IoU.water"]), TableOptions(metric="IoU.water", filters=("fcn_loveda",))
    )
    assert cells(table, "best")[0] == "42.00 @ 200"


def test_a_loss_is_best_when_low(tmp_path: Path) -> None:
    text = MadeRun(scores=((100, 40.0), (200, 42.5))).scalars()
    text = text.replace('"mIoU": 40.0', '"mIoU": 40.0, "loss": 0.5').replace(
        '"mIoU": 42.5', '"mIoU": 42.5, "loss": 0.7'
    )
    (tmp_path / "a_loveda.json").write_text(text)
    (tmp_path / "b_loveda.json").write_text(text.replace('"loss": 0.5', '"loss": 0.4'))
    table = table_of(tmp_path, metric="loss")
    assert cells(table, "config") == ["b_loveda", "a_loveda"]
    assert [(row.values["best"], row.values["best_step"]) for row in table.rows] == [(0.4, 100), (0.5, 100)]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (("20pts",), 2),
        (("state=finished",), 2),
        (("state!=finished",), 1),
        (("labels=20*",), 2),
        (("best>=41",), 2),
        (("best>=41", "labels=all"), 1),
        (("planned<300",), None),
        (("done<300",), 2),
        (("best mIoU>42",), 1),
    ],
)
def test_filter(work_dirs: Path, filters: tuple[str, ...], count: int | None) -> None:
    if count is None:
        with pytest.raises(UserError, match="Expected a column, one of config, "):
            table_of(work_dirs, filters=filters)
    else:
        assert len(table_of(work_dirs, filters=filters).rows) == count


def test_filters_that_cannot_be_met(work_dirs: Path) -> None:
    with pytest.raises(UserError, match=r"No row of 3 meets --filter 'best>90'"):
        table_of(work_dirs, filters=("best>90",))
    with pytest.raises(UserError, match="Expected a number behind >"):
        table_of(work_dirs, filters=("best>high",))


def test_baseline(work_dirs: Path) -> None:
    table = table_of(work_dirs, baseline="fcn_loveda-20pts")
    assert cells(table, "best_delta") == ["+6.50", "+5.00", ""]
    assert cells(table, "last_delta") == ["+7.50", "+6.00", ""]
    with pytest.raises(UserError, match="Expected --baseline to be one of the configs fcn_loveda, "):
        table_of(work_dirs, baseline="upernet")


def test_unfair_comparisons_are_flagged(work_dirs: Path) -> None:
    table = table_of(work_dirs)
    flags = {str(row.values["config"]): row.flags for row in table.rows}
    assert flags == {"fcn_loveda": [], "fcn_loveda-20pts": [], "fcn_loveda-20pts-long": ["labels", "schedule", "crop"]}
    assert table.notes == [
        "fcn_loveda-20pts-long differs from fcn_loveda in labels 20 pts/image, not all; "
        "schedule 400 iterations, not 200 iterations; crop 32x32, not 64x64"
    ]
    table = table_of(work_dirs, baseline="fcn_loveda-20pts-long")
    assert [row.flags for row in table.rows] == [["labels", "schedule", "crop"], [], ["schedule", "crop"]]


def test_another_batch_on_more_gpus_is_another_batch(tmp_path: Path) -> None:
    MadeRun(name="a_loveda").write(tmp_path)
    MadeRun(name="b_loveda", num_gpus=4, scores=((200, 30.0),)).write(tmp_path)
    MadeRun(name="c_loveda", num_gpus=4, scores=((200, 20.0),), config={"batch_size": 1}).write(tmp_path)
    MadeRun(name="d_loveda", num_gpus=4, scores=((200, 10.0),), config={"crop": "8, 8"}).write(tmp_path)
    assert [row.flags for row in table_of(tmp_path).rows] == [[], [], [], ["crop", "batch"]]


def test_another_evaluation_is_always_unfair(tmp_path: Path) -> None:
    MadeRun(name="a_loveda").write(tmp_path)
    other = MadeRun(name="b_loveda", scores=((200, 30.0),))
    work_dir = other.write(tmp_path)
    for path in work_dir.rglob("*.py"):
        path.write_text(path.read_text().replace("mode='whole'", "mode='slide', crop_size=(64, 64), stride=(32, 32)"))
    assert [row.flags for row in table_of(tmp_path).rows] == [[], ["evaluation"]]


def test_seeds_become_one_row(tmp_path: Path) -> None:
    for seed, score in ((0, 40.0), (1, 42.0), (2, 44.0)):
        made = MadeRun(name=f"fcn_loveda-seed{seed}", seed=seed, scores=((100, 30.0), (200, score)))
        made.write(tmp_path)
    MadeRun(name="fcn_loveda", seed=0, config={"crop": "32, 32"}).write(tmp_path)
    table = table_of(tmp_path, group="seed")
    assert [(row.values["config"], row.values.get("n")) for row in table.rows] == [
        ("fcn_loveda", None),
        ("fcn_loveda", 3),
    ]
    row = table.rows[1]
    best = row.values["best"]
    assert (best.mean, best.std, best.n) == (42.0, 2.0, 3)  # type: ignore[union-attr]
    assert cells(table, "best")[1] == "42.00 ± 2.00 @ 200"
    assert cells(table, "done")[1] == "200/200"
    assert row.class_scores["IoU"]["road"] == pytest.approx(40.5)
    assert len(table_of(tmp_path).rows) == 4


def test_folds_become_one_row(tmp_path: Path) -> None:
    for fold, score in ((0, 40.0), (1, 43.0)):
        for seed in (0, 1):
            name = f"fcn_dubai-fold{fold}_seed{seed}"
            config = {"dataset_type": "mmseg_ext.DubaiAerialDataset", "dataset": f"fold={fold}"}
            MadeRun(name=name, seed=seed, scores=((200, score + seed),), config=config).write(tmp_path)
    assert [row.values["n"] for row in table_of(tmp_path, group="seed").rows] == [2, 2]
    (row,) = table_of(tmp_path, group="fold").rows
    assert row.values["config"] == "fcn_dubai"
    assert row.values["best"].mean == 42.0  # type: ignore[union-attr]


def test_runs_of_different_states_in_a_group(tmp_path: Path) -> None:
    MadeRun(name="fcn_loveda-seed0", seed=0).write(tmp_path)
    MadeRun(name="fcn_loveda-seed1", seed=1, last_step=150, scores=((100, 41.0),)).write(tmp_path)
    runs = read_runs([tmp_path], now=1e12)
    (table,) = make_tables(runs, TableOptions(group="seed"))
    assert sorted(cells(table, "state")[0].split(", ")) == ["1 finished", "1 stopped"]
    assert cells(table, "best") == ["41.75 ± 1.06"]


def test_a_nan_in_a_group_makes_its_mean_nan(tmp_path: Path) -> None:
    MadeRun(name="fcn_loveda-seed0", seed=0, scores=((100, 30.0), (200, math.nan))).write(tmp_path)
    MadeRun(name="fcn_loveda-seed1", seed=1, scores=((100, 40.0), (200, 41.0))).write(tmp_path)
    table = table_of(tmp_path, group="seed")
    assert cells(table, "last") == ["nan"]
    assert cells(table, "best") == ["35.50 \u00b1 7.78"]


def test_a_nan_is_never_best(tmp_path: Path) -> None:
    MadeRun(name="a_loveda", scores=((100, 30.0), (200, math.nan))).write(tmp_path)
    MadeRun(name="b_loveda", scores=((100, math.nan), (200, math.nan))).write(tmp_path)
    table = table_of(tmp_path)
    assert cells(table, "best") == ["30.00 @ 100", ""]
    assert cells(table, "last") == ["nan", "nan"]


def test_scores_on_the_original_labels_stand_there_if_they_differ() -> None:
    def titles(metric: str, *values: dict[str, float]) -> list[str]:
        rows = [Row({"config": f"c{i}", "best": v["last"], **v}, []) for i, v in enumerate(values)]
        return [column.key for column in make_columns(rows, metric)]

    same = {"last": 50.0, "mAcc": 60.0, "original/mIoU": 50.0, "original/mAcc": 60.001}
    assert not any("original" in title for title in titles("mIoU", same, {"last": 40.0, "mAcc": 30.0}))
    reduced = {"last": 50.0, "mAcc": 60.0, "original/mIoU": 49.0, "original/mAcc": 60.0}
    assert "original/mIoU" in titles("mIoU", same, reduced)
    assert "original/mAcc" not in titles("mIoU", same, reduced)
    assert "original/mIoU" in titles("mAcc", {"last": 60.0, "mIoU": 48.0, "original/mIoU": 49.0})


def test_a_metric_is_known_with_its_evaluators_prefix_too(work_dirs: Path, tmp_path: Path) -> None:
    command = [str(work_dirs), "--out", str(tmp_path), "--no-cache", "--metric"]
    assert main([*command, "val/mAcc"]) == 0
    assert "best mAcc" in (tmp_path / "loveda_scores.md").read_text()
    assert main([*command, "val/mean"]) == 2
