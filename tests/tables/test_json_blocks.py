"""Rows found many at a time are those found line by line."""

import json
import random
from pathlib import Path

import pytest

from mmseg_ext.tables.json_logs import _JsonReader, read_json_log


def train_row(chance: random.Random, step: int) -> str:
    row = {"lr": 0.01, "data_time": 0.02, "loss": chance.random()}
    return json.dumps({**row, "time": round(chance.random(), 4), "iter": step, "memory": 10 + step % 7, "step": step})


def other_line(chance: random.Random, step: int) -> str:
    row = json.loads(train_row(chance, step))
    return chance.choice(
        [
            "",
            "no JSON",
            json.dumps({"mIoU": chance.random() * 100, "IoU.road": 3.5, "step": step}),
            json.dumps({**row, "mIoU": 41.0}),
            json.dumps({"mIoU": 41.5, **row}),
            json.dumps({"mIoU": 42.5, "time": 0.1, "iter": step, "memory": 3, "step": step}),
            "x" + train_row(chance, step),
            " " + train_row(chance, step),
            train_row(chance, step) + " ",
            train_row(chance, step)[:-1],
            json.dumps({"lr": 0.1, "time": 1, "iter": step, "memory": 3, "step": step}),
        ]
    )


@pytest.mark.parametrize("seed", range(30))
def test_blocks_of_rows_are_read_as_single_lines_are(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    share = chance.choice([0.05, 0.3, 0.8])
    lines = [(other_line if chance.random() < share else train_row)(chance, step) for step in range(1, 60)]
    path = tmp_path / "scalars.json"
    path.write_text("".join(f"{line}\n" for line in lines))
    single = _JsonReader(frozenset())
    for line in lines:
        single.read(line)
    assert read_json_log(path) == single.finish()
