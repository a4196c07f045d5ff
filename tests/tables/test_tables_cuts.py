"""Logs cut anywhere: never a crash, never a number that the whole log does not hold."""

from __future__ import annotations

import io
import random
import time
from pathlib import Path

import pytest
from made_logs import STAMP, MadeRun

from mmseg_ext.errors import UserError
from mmseg_ext.tables import make_tables, print_tables, read_runs
from mmseg_ext.tables.exports import to_csv, to_json
from mmseg_ext.tables.markdown import to_markdown
from mmseg_ext.tables.records import Run
from mmseg_ext.tables.score_page import to_page

NUM_CUTS = 200
LATER = time.time() + 86400


def read(root: Path) -> Run | None:
    try:
        (run,) = read_runs([root], now=LATER)
    except UserError:
        return None  # too little is left to know a loose file for a log
    (table,) = make_tables([run])
    assert to_markdown(table)
    return run


def check(run: Run | None, whole: Run) -> None:
    """Compare what is left of a run with the whole run."""
    if run is None:
        return
    known = [(item.step, item.metrics) for item in whole.evaluations]
    found = [(item.step, item.metrics) for item in run.evaluations]
    assert found == known[: len(found)]
    assert run.done is None or (whole.done is not None and run.done <= whole.done)
    assert run.planned in (None, whole.planned)
    assert run.num_parameters in (None, whole.num_parameters)
    assert run.seed in (None, whole.seed)
    assert run.memory is None or (whole.memory is not None and run.memory <= whole.memory)
    assert run.started in ("", whole.started)
    assert run.settings.dataset in ("", whole.settings.dataset)
    for evaluation, reference in zip(run.evaluations, whole.evaluations, strict=False):
        for kind, values in evaluation.class_values.items():
            assert len(values) == len(evaluation.class_names)
            if reference.class_values:
                assert values == reference.class_values[kind]
    assert run.state in ("finished", "stopped", "unfinished", "ended", "tested")
    assert (run.state == "finished") <= (whole.state == "finished")


def cut_and_check(path: Path, root: Path, seed: int) -> None:
    content = path.read_bytes()
    whole = read(root)
    assert whole is not None
    assert whole.evaluations
    numbers = random.Random(seed)
    for _ in range(NUM_CUTS):
        path.write_bytes(content[: numbers.randrange(len(content))])
        check(read(root), whole)
    # cuts inside the last evaluation, byte by byte: the place where a number is most easily invented
    place = content.rfind(b"mIoU")
    for end in range(place - 20, min(place + 60, len(content))):
        path.write_bytes(content[:end])
        check(read(root), whole)


@pytest.mark.parametrize("keep", ["text", "scalars", "old text", "old json"])
def test_generated_logs(tmp_path: Path, keep: str) -> None:
    made = MadeRun(
        scores=((50, 39.0), (100, 44.0), (150, 41.0), (200, 42.53)), val_interval=50, with_class_scalars="old" in keep
    )
    if keep.startswith("old"):
        name = f"{STAMP}.log" if keep == "old text" else f"{STAMP}.log.json"
        path = tmp_path / made.name / name
        path.parent.mkdir()
        path.write_text(made.old_text() if keep == "old text" else made.old_json())
    else:
        work_dir = made.write(tmp_path, text=keep == "text", scalars=keep == "scalars", config=False)
        path = work_dir / STAMP / (f"{STAMP}.log" if keep == "text" else "vis_data/scalars.json")
    cut_and_check(path, tmp_path, seed=1)


@pytest.mark.parametrize("name", ["20250514_061427.log", "vis_data/scalars.json"])
def test_a_real_log(real_logs: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "20250514_061427" / name
    path.parent.mkdir(parents=True)
    path.write_bytes((real_logs / "phreg_voc21" / "20250514_061427" / name).read_bytes())
    cut_and_check(path, tmp_path, seed=2)


def test_a_real_old_log(real_logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "repvit.log.json"
    path.write_bytes((real_logs / "repvit_0x" / "repvit_m1_1_ade20k.log.json").read_bytes())
    cut_and_check(path, tmp_path, seed=3)


@pytest.mark.parametrize("keep", ["text", "scalars", "old text", "old json"])
def test_bytes_changed_anywhere_never_crash(tmp_path: Path, keep: str) -> None:
    made = MadeRun(
        scores=((50, 39.0), (100, 44.0), (150, 41.0), (200, 42.53)), val_interval=50, with_class_scalars=True
    )
    source = {"text": made.text, "scalars": made.scalars, "old text": made.old_text, "old json": made.old_json}[keep]
    path = tmp_path / ("fcn_loveda.log" if "text" in keep else "fcn_loveda.log.json")
    content = source().encode()
    numbers = random.Random(5)
    digits = b"9" * 5000
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(numbers.randrange(1, 30)):
            place = numbers.randrange(len(changed))
            piece = numbers.choice(
                [b"\xff", b"\0", b"nan", b"1e999", b"-", b".", b"{", b"}", b"\n", b"[", digits, b'"', b"\x1b["]
            )
            changed[place : place + numbers.randrange(8)] = piece
        path.write_bytes(changed)
        tables = make_tables(read_runs([path], now=LATER))
        out = io.StringIO()
        print_tables(tables, out, width=200)
        out.getvalue().encode()
        for table in tables:
            assert all(write(table).encode() for write in (to_markdown, to_csv, to_json))
        assert to_page(tables).encode()


def test_bytes_lost_in_the_middle(tmp_path: Path) -> None:
    """A hole in a file, as a full disk leaves it: what is read was in the whole file too."""
    made = MadeRun(scores=((50, 39.0), (100, 44.0), (150, 41.0), (200, 42.53)), val_interval=50)
    work_dir = made.write(tmp_path, text=False)
    path = work_dir / STAMP / "vis_data" / "scalars.json"
    content = path.read_bytes()
    known = {(item.step, item.metrics["mIoU"]) for item in read_runs([tmp_path])[0].evaluations}
    numbers = random.Random(4)
    for _ in range(NUM_CUTS):
        start = numbers.randrange(len(content))
        path.write_bytes(content[:start] + b"\0" * numbers.randrange(1, 300) + content[start + 300 :])
        run = read(tmp_path)
        assert run is not None
        assert {(item.step, item.metrics["mIoU"]) for item in run.evaluations} <= known
