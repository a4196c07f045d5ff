"""``make demo`` for real, on a few images and for a few iterations."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_ext.engine.child_process import run_to_end
from mmseg_ext.engine.comparison import draw_comparison
from mmseg_ext.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
ALL_LABELS = "fpn_r18w32_1xb8-600_lovedademo-128x128"
POINTS = f"{ALL_LABELS}-20pts"
RUNS = [ALL_LABELS, POINTS, "features_effnetlite0_1xb1-1_lovedademo-512x512-20pts"]


def command(folder: Path) -> list[str]:
    options = ["--data-root", str(folder / "data"), "--work-dir", str(folder / "work")]
    return [sys.executable, str(ROOT / "tools" / "demo.py"), *options, "--images", "2", "--iterations", "2"]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a demo that has run, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    old = folder / "work" / ALL_LABELS / "20200101_000000" / "vis_data" / "scalars.json"
    old.parent.mkdir(parents=True)
    old.write_text(json.dumps({"mIoU": 99.0, "step": 600}) + "\n")
    mine = folder / "work" / "mine" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("keep me")
    # From another folder: configs are found all the same.
    result = subprocess.run(
        command(folder), capture_output=True, text=True, timeout=900, env=environment(folder), cwd=folder
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_the_output_leads_through_the_six_steps(finished):
    folder, output = finished
    assert re.findall(r"^\[(\d)/6\]", output, re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]
    assert "20 points per image" in output
    assert re.search(
        r"^time +images \d.*, all labels \d.*, 20 points \d.*, light head \d.*, together \d", output, re.MULTILINE
    )
    assert f"--work-dir {folder}/work/5pts" in output
    assert "Traceback" not in output
    first_run = output.partition("[2/6]")[2].partition("evaluated")[0]
    assert len(first_run.splitlines()) <= 30


def test_it_starts_from_scratch_and_leaves_other_folders_alone(finished):
    folder, _ = finished
    assert not (folder / "work" / ALL_LABELS / "20200101_000000").exists()
    assert (folder / "work" / "mine" / "notes.txt").read_text() == "keep me"


def test_the_table_holds_all_runs_best_first(finished):
    folder, output = finished
    (table,) = (folder / "work").glob("*_scores.md")
    scores = {}
    for name in RUNS:
        (log,) = (folder / "work" / name).glob("*/vis_data/scalars.json")
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        scores[name] = [row["mIoU"] for row in rows if "mIoU" in row][-1]
    listed = re.findall(rf"`({'|'.join(RUNS)})`", table.read_text())
    assert sorted(listed) == sorted(RUNS)
    assert [scores[name] for name in listed] == sorted(scores.values(), reverse=True)
    assert "99.0" not in table.read_text()
    assert str(table) in output


def test_both_runs_saw_the_same_data_with_other_labels(finished):
    folder, _ = finished
    configs = [Config.fromfile(folder / "work" / name / f"{name}.py") for name in (ALL_LABELS, POINTS)]
    differing = {key for key in configs[0] if configs[0][key] != configs[1][key]}
    assert differing == {"train_dataloader", "work_dir"}
    assert configs[1].train_dataloader.dataset.pop("labels") == {"num_points": 20}
    assert configs[0].train_dataloader == configs[1].train_dataloader


def test_pictures_are_there_and_show_what_was_predicted(finished):
    folder, _ = finished
    masks = {}
    for path in (folder / "data" / "Val").rglob("masks_png/*.png"):
        masks["_".join(path.relative_to(folder / "data").parts).replace("masks", "images")] = path
    for name in RUNS:
        pictures = folder / "work" / name / "pictures"
        for file in ("training_crops.png", "validation.png"):
            assert np.array(Image.open(pictures / file)).std() > 10
        predictions = {path.name: np.array(Image.open(path)) for path in (pictures / "predictions").iterdir()}
        assert set(predictions) == {path.name for path in (pictures / "validation").iterdir()} == set(masks)
        assert all(p.shape == (256, 256) and p.max() < 7 for p in predictions.values())
        # The pixels rightly predicted are those that the run's own confusion matrix counted.
        (record,) = (folder / "work" / name).glob("*/confusion_matrix.json")
        right = sum(int((predictions[n] + 1 == np.array(Image.open(masks[n]))).sum()) for n in masks)
        assert right == np.trace(json.loads(record.read_text())["matrix"])


def test_the_model_is_applied_to_an_image_that_it_has_never_seen(finished):
    folder, output = finished
    (name,) = re.findall(rf"^ +({folder}/work/predictions/overlays/\d+\.jpg): the first model", output, re.MULTILINE)
    (image,) = (folder / "data" / "Test").rglob(f"{Path(name).stem}.png")
    with Image.open(name) as picture, Image.open(image) as original:
        assert picture.width == original.width
        assert picture.height > original.height
    with Image.open(folder / "work" / "predictions" / "class_maps" / image.name) as class_map:
        assert class_map.size == (256, 256)


def test_the_comparison_shows_all_runs_side_by_side(finished):
    folder, _ = finished
    picture = np.array(Image.open(folder / "work" / "comparison.png"))
    # image and labels; of all labels two, of points three, of the light head two
    assert picture.shape[1] == 9 * 256 + 8 * 8
    assert picture.shape[0] > 2 * 256
    prediction = folder / "work" / POINTS / "pictures" / "predictions"
    name = min(path.name for path in prediction.iterdir())
    drawn = Image.open(folder / "work" / POINTS / "pictures" / "validation" / name)
    band = drawn.height - 256
    rows = [picture[y : y + drawn.height] for y in (0, drawn.height + 8)]
    own = np.array(drawn)[band:, 3 * 264 : 3 * 264 + 256]  # image, labels, points, prediction, errors
    assert any(np.array_equal(row[band:, 5 * 264 : 5 * 264 + 256], own) for row in rows)


def test_a_comparison_without_predictions_says_so(finished, tmp_path):
    folder, _ = finished
    with pytest.raises(UserError, match=r"found no \.py file"):
        draw_comparison([tmp_path])
    (tmp_path / f"{ALL_LABELS}.py").write_text((folder / "work" / ALL_LABELS / f"{ALL_LABELS}.py").read_text())
    with pytest.raises(UserError, match="found none in common"):
        draw_comparison([folder / "work" / ALL_LABELS, tmp_path])


def test_a_command_that_fails_is_told():
    run_to_end([sys.executable, "-c", ""])
    with pytest.raises(UserError, match="ended with status 7"):
        run_to_end([sys.executable, "-c", "raise SystemExit(7)"])


def trainings_in(folder: Path) -> list[str]:
    """The commands of all running processes that name a folder."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return [command for command in commands if str(folder) in command]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_ctrl_c_stops_it_and_its_training_in_one_line(tmp_path):
    demo = [sys.executable, str(ROOT / "tools" / "demo.py"), "--images", "1"]
    process = subprocess.Popen(
        [*demo, "--data-root", str(tmp_path / "data"), "--work-dir", str(tmp_path / "work")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(tmp_path),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    watchdog = threading.Timer(300, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("log "):  # the summary is out: it trains
            os.killpg(process.pid, signal.SIGINT)
            break
    printed += process.stdout.read()
    watchdog.cancel()
    assert process.wait(timeout=60) == 130
    assert "Stopped." in printed
    assert "Traceback" not in printed
    deadline = time.monotonic() + 30
    while trainings_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not trainings_in(tmp_path), "the training outlived the demo"
