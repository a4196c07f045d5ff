"""Logs, configs and names that nobody means to write: nothing hangs, nothing crashes, no score is invented."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_logs import STAMP, MadeRun

from mmseg_ext.tables import TableOptions, make_tables, print_tables, read_runs, write_tables
from mmseg_ext.tables.log_lines import MAX_LINE_LENGTH, LogLines
from mmseg_ext.tables.records import Run
from mmseg_ext.tables.run_settings import read_settings
from mmseg_ext.tables.score_page import to_page

ROOT = Path(__file__).resolve().parents[2]
HEAD = "2025/01/02 03:04:05 - mmengine - INFO - "
TIMEOUT = 60
HUGE = "0x" + "f" * 5000


def scores(run: Run) -> list[tuple[int | None, float]]:
    return [(item.step, item.metrics["mIoU"]) for item in run.evaluations]


def train_row(step: int) -> str:
    return json.dumps({"lr": 0.01, "loss": 1.0, "time": 0.1, "iter": step, "memory": 10, "step": step}) + "\n"


HOSTILE = {
    "digits.log": HEAD + "1:" * 50_000 + "\n",
    "many_digits.log": HEAD + "12:34," * 170_000 + "\n",
    "letters.log": HEAD + "Iter(val) [5/5]    " + "a" * 100_000 + "\n",
    "colons.log": HEAD + "Iter(val) [5/5]    " + "a: " * 30_000 + "\n",
    "commas.log": HEAD + "Iter(val) [5]\t" + "a, " * 300_000 + "\n",
    "spaces.log": HEAD + "Iter(train) [" + " " * 1_000_000 + "\n" + HEAD + "a" + " " * 1_000_000 + "\n",
    "marks.log": HEAD + "Iter(train) " * 80_000 + "\n",
    "config.log": HEAD + "Config:\n" + "a = " * 200_000 + "\n" + HEAD + "\n",
    "brackets.log": HEAD + "Config:\nmodel = " + "(" * 500_000 + "\n" + HEAD + "\n",
    "tables.log": HEAD + "per class results:\n" + "+-\n" * 300_000 + "|" * 900_000 + "\n",
    "keys.json": '{"iter": 1, ' + ", ".join(f'"key{index}": {index}' for index in range(3_000_000)) + "}\n",
    "nested.json": '{"iter": ' + "[" * 500_000 + "\n",
    "number.json": '{"iter": 1, "mIoU": ' + "9" * 900_000 + "}\n",
    "fraction.json": '{"iter": 1, "mIoU": 1.' + "9" * 900_000 + "}\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_in_the_size_of_a_log(tmp_path: Path, name: str) -> None:
    """A reader that is quadratic needs hours for these: the command is given a minute."""
    content = (HEAD + "x - mmengine - \n" if name.endswith(".log") else train_row(1)) + HOSTILE[name]
    (tmp_path / name).write_text(content)
    (tmp_path / "good_loveda.json").write_text(MadeRun().scalars())
    command = [sys.executable, str(ROOT / "extract_tables.py"), str(tmp_path), "--out", str(tmp_path / "out"), "--html"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "--no-cache"], check=True, capture_output=True, timeout=TIMEOUT, env=environment)
    assert "good_loveda" in (tmp_path / "out" / "all_scores.html").read_text()


def test_many_evaluations_are_merged_in_linear_time(tmp_path: Path) -> None:
    count = 4000
    made = MadeRun(
        scores=[(step, step % 97 + 0.5) for step in range(1, count + 1)],
        first_step=1,
        last_step=count,
        max_steps=count,
        val_interval=1,
        interval=1,
        classes=("a",),
    )
    made.write(tmp_path)
    (run,) = read_runs([tmp_path])
    assert scores(run) == list(made.scores)


def test_long_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [train_row(1), '{"a": "' + "x" * MAX_LINE_LENGTH + '"}\n', '{"mIoU": 40.0, "step": 1}\n']
    path = tmp_path / "a_loveda.json"
    path.write_text("".join(rows))
    (run,) = read_runs([tmp_path])
    assert scores(run) == [(1, 40.0)]
    assert run.warnings == [f"{tmp_path / 'a_loveda'}: 1 line does not parse and left out"]
    text = (
        f"{HEAD}Iter(train) [1/2]  time: 0.1\n{HEAD}{'y' * MAX_LINE_LENGTH}\n{HEAD}Iter(val) [1/1]    mIoU: 41.0000\n"
    )
    (tmp_path / "b_loveda.log").write_text(text)
    run = next(run for run in read_runs([tmp_path]) if run.name == "b_loveda")
    assert scores(run) == [(1, 41.0)]
    assert len(run.warnings) == 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("offset", range(-3, 4))
def test_lines_that_end_near_a_block_are_whole(tmp_path: Path, offset: int, end: str) -> None:
    lines = ["ä" * (MAX_LINE_LENGTH // 4 + offset), "b" * (MAX_LINE_LENGTH // 2), "", "c" * MAX_LINE_LENGTH, "d"]
    path = tmp_path / "log"
    path.write_bytes((end.join(lines) + end + "tail").encode("utf-8-sig"))
    found = LogLines(path)
    assert "".join(found).split("\n")[1:] == lines
    assert (found.tail, found.num_too_long) == ("tail", 0)
    path.write_text("x" * (3 * MAX_LINE_LENGTH + offset) + end + "y" + end + "z" * (MAX_LINE_LENGTH + 1))
    found = LogLines(path)
    assert "".join(found) == "\ny"
    assert (found.tail, found.num_too_long) == ("", 2)


def test_a_pipe_named_like_a_log_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.log")
    folder = tmp_path / "run_loveda" / STAMP
    folder.mkdir(parents=True)
    for name in (f"{STAMP}.log", f"{STAMP}.json"):
        os.mkfifo(folder / name)
    MadeRun(name="fcn_loveda").write(tmp_path)
    command = [sys.executable, str(ROOT / "extract_tables.py"), str(tmp_path), "--out", str(tmp_path / "out")]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    assert "fcn_loveda" in result.stdout


@pytest.mark.parametrize("name", ["bad_loveda.log", "bad_loveda.log.json"])
def test_a_loose_log_that_cannot_be_read_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "good_loveda.json").write_text(MadeRun().scalars())
    real_open = Path.open

    def refuse(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == name:
            raise PermissionError(13, "Permission denied")
        return real_open(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    (path,) = write_tables([tmp_path], tmp_path / "out", use_cache=False)
    text = path.read_text()
    assert "`good_loveda`" in text
    assert "`bad_loveda`" in text
    assert "cannot be read: Permission denied" in text


@pytest.mark.parametrize(
    "row",
    [
        '{"mIoU": 1e17, "step": 2}',
        '{"mIoU": 41.0, "step": 1' + "0" * 399 + "}",
        '{"mIoU": 41.0, "step": 2, "loss": -1e308, "aAcc": 1e308}',
        '{"mIoU": 123456789012345678901234567890, "step": 2}',
        '{"mIoU": -1e14, "step": 2}',
        '{"iter": 1' + "0" * 399 + ', "loss": 1, "lr": 1, "time": 1e300, "memory": 1' + "0" * 399 + "}",
    ],
)
def test_numbers_beyond_measure(tmp_path: Path, row: str) -> None:
    (tmp_path / "a_loveda.json").write_text(train_row(1) + '{"mIoU": 40.0, "step": 1}\n' + row + "\n")
    paths = write_tables([tmp_path], tmp_path / "out", formats=("md", "csv", "json", "html"), use_cache=False)
    assert len(paths) == 4
    tables = make_tables(read_runs([tmp_path]))
    print_tables(tables, io.StringIO())
    assert tables[0].rows[0].values["best"] in (40.0, 41.0)


def test_infinity_is_never_best_and_never_first(tmp_path: Path) -> None:
    rows = '{"mIoU": 40.0, "step": 1}\n{"mIoU": Infinity, "step": 2}\n'
    (tmp_path / "a_loveda.json").write_text(train_row(1) + rows)
    (tmp_path / "b_loveda.json").write_text(train_row(1) + rows.replace("40.0", "50.0").replace("Inf", "-Inf"))
    (table,) = make_tables(read_runs([tmp_path]))
    assert [(row.values["config"], row.values["best"]) for row in table.rows] == [
        ("b_loveda", 50.0),
        ("a_loveda", 40.0),
    ]
    (by_last,) = make_tables(read_runs([tmp_path]), TableOptions(sort="last"))
    assert [row.values["config"] for row in by_last.rows] == ["a_loveda", "b_loveda"], "rows without a number, by name"
    assert "Infinity" not in to_page([table])


@pytest.mark.parametrize(
    "number", ["4 2.5", "42.5.1", "--42", "0x2a", "042", "4_2", "42,5", "'42'", "+42", "42.", "4e", "~"]
)
def test_a_broken_number_is_no_score(tmp_path: Path, number: str) -> None:
    text = (
        train_row(1) + '{"mIoU": 40.0, "step": 1}\n' + train_row(2) + f'{{"aAcc": 9.0, "mIoU": {number}, "step": 2}}\n'
    )
    (tmp_path / "a_loveda.json").write_text(text)
    (run,) = read_runs([tmp_path])
    assert scores(run) == [(1, 40.0)]
    assert len(run.warnings) == 1
    if number == "042":  # no JSON, but a number in a text
        return
    (tmp_path / "b_loveda.log").write_text(
        f"{HEAD}Iter(train) [1/2]  time: 0.1\n{HEAD}Iter(val) [1/1]    mIoU: {number}\n"
    )
    run = next(run for run in read_runs([tmp_path]) if run.name == "b_loveda")
    assert run.evaluations == []


def test_a_text_is_no_score(tmp_path: Path) -> None:
    (tmp_path / "a_loveda.json").write_text(train_row(1) + '{"mIoU": "42.5", "mAcc": true, "aAcc": null, "step": 1}\n')
    assert read_runs([tmp_path])[0].evaluations == []


def test_old_evaluations_that_say_train_are_scores(tmp_path: Path) -> None:
    row = {"mode": "train", "epoch": 1, "iter": 100, "lr": 0.01, "memory": 10, "loss": 1.0, "time": 0.1}
    rows = [{"env_info": "x", "seed": 0, "exp_name": "a_loveda.py"}, row, {**row, "iter": 4000}]
    rows.append({"mode": "train", "epoch": 1, "iter": 2000, "lr": 0.01, "aAcc": 0.82, "mIoU": 0.4799, "IoU.road": 0.5})
    rows += [{**row, "iter": 4050}, {"mode": "val", "epoch": 1, "iter": 2000, "lr": 0.01, "mIoU": 0.48}]
    (tmp_path / f"{STAMP}.log.json").write_text("".join(json.dumps(item) + "\n" for item in rows))
    (run,) = read_runs([tmp_path])
    assert scores(run) == [(4000, 47.99), (4050, 48.0)]
    assert (run.done, run.evaluations[0].metrics["aAcc"]) == (4050, 82.0)


@pytest.mark.parametrize(
    "source",
    [
        "gpu_ids = range(0, 100000000000000000000)\n",
        "gpu_ids = range(100000000000000000000)\n",
        f"train_cfg = dict(max_iters={HUGE}, val_interval={HUGE})\n",
        f"train_dataloader = dict(batch_size={HUGE}, dataset=dict(type='A', factor={HUGE}, fold=[{HUGE}]))\n",
        f"model = dict(backbone=dict(type='ResNet', depth={HUGE}), data_preprocessor=dict(size={HUGE}))\n",
        f"train_dataloader = dict(dataset=dict(labels=dict(num_points={HUGE})))\n",
        f"seed = -{HUGE}\n",
        f"dataset_type = '{'Very' * 100}LongDataset'\n",
        "dataset_type = '../../../etc/passwd'\n",
        "dataset_type = '\\x1b[31m\\ud800'\n",
    ],
)
def test_configs_beyond_measure(tmp_path: Path, source: str) -> None:
    work_dir = MadeRun(name="a_b").write(tmp_path / "runs")
    for config in work_dir.rglob("*.py"):
        config.write_text(source)
    for log in work_dir.rglob("*.log"):
        log.unlink()
    formats = ("md", "csv", "json", "html")
    paths = write_tables([tmp_path / "runs"], tmp_path / "out", formats=formats, use_cache=False)
    assert sorted(os.listdir(tmp_path / "out")) == sorted(path.name for path in paths)
    assert len(paths) == 4
    print_tables(make_tables(read_runs([tmp_path])), io.StringIO())


def test_long_dataset_types_that_begin_alike_have_tables_of_their_own() -> None:
    first, second = (read_settings(f"dataset_type = '{'Very' * 100}{end}'\n").dataset for end in ("One", "Two"))
    assert first != second
    assert len(first) < 120


NASTY = "=a|b [red]:warning:\n\x1b[2J\r\t\u202e<script>&\"'`_loveda"


def test_nasty_names_are_harmless_everywhere(tmp_path: Path) -> None:
    """A name may come from a file, a config or a log."""
    made = MadeRun(name="x_loveda", classes=("=road|\n", "[bold]water"), with_class_scalars=True)
    rows = [{"env_info": "x", "exp_name": NASTY, "config": f"model = dict(backbone=dict(type={NASTY!r}))\n"}]
    text = "".join(json.dumps(row) + "\n" for row in rows) + made.scalars()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ("=x\n|\x1b[2J_loveda" + ".log.json")).write_text(text)
    options = TableOptions(per_class=True)
    write_tables([tmp_path / "runs"], tmp_path, options, formats=("md", "csv", "json", "html"), use_cache=False)
    contents = {path.suffix: path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.is_file()}
    assert set(contents) == {".md", ".csv", ".json", ".html"}
    out = io.StringIO()
    print_tables(make_tables(read_runs([tmp_path / "runs"]), options), out, width=400)
    for content in [*contents.values(), out.getvalue()]:
        assert not {"\x1b", "\r", "\u202e"} & set(content)
    assert ":warning:" in out.getvalue()
    assert "[red]" in out.getvalue()
    assert "<script>&" not in contents[".html"]
    assert "<script" not in contents[".md"]
    table = [line for line in contents[".md"].splitlines() if line.startswith("|")][:3]
    assert len({line.replace("\\\\", "").replace("\\|", "").count("|") for line in table}) == 1
    cells = [cell for line in csv.reader(io.StringIO(contents[".csv"])) for cell in line]
    assert any(cell.startswith("'=a|b") for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert json.loads(contents[".json"])["rows"][0]["config"].startswith("=a|b [red]")


def test_csv_keeps_negative_numbers(tmp_path: Path) -> None:
    for name, score in (("a_loveda", 40.0), ("b_loveda", 30.0)):
        (tmp_path / f"{name}.json").write_text(MadeRun(scores=((200, score),)).scalars())
    (path,) = write_tables([tmp_path], tmp_path, TableOptions(baseline="a_loveda"), formats=("csv",), use_cache=False)
    rows = list(csv.DictReader(path.open(newline="")))
    assert [row["best_delta"] for row in rows] == ["", "-10.0"]
