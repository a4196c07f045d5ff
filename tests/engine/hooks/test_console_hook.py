import logging
import re
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EarlyStoppingHook

from mmseg_ext.engine import launch
from mmseg_ext.engine.hooks.console_hook import ConsoleHook, stopping_reason
from mmseg_ext.progress import ProgressDisplay


def test_the_console_shows_a_run_from_start_to_end(run_tiny, tmp_path, capsys, point_pipeline):
    hooks = [{"type": "mmseg_ext.ConsoleHook", "interval": 0.0}]
    options = {"train_cfg.val_interval": 2, "train_dataloader.dataset.pipeline": point_pipeline}
    run_tiny(tmp_path / "run", hooks, **options)
    lines = capsys.readouterr().out.splitlines()
    lines = lines[next(i for i, line in enumerate(lines) if line.startswith("mmseg_ext ")) :]
    assert lines[0].endswith("trains tiny")
    assert "labels    3 points per image, seed 5" in lines
    assert "val       LoveDADataset, 4 images" in lines
    assert any(
        line.startswith("schedule  4 iterations of 2 images, AdamW lr 0.001, validation every 2") for line in lines
    )
    steps = [line for line in lines if line.startswith("iteration")]
    assert len(steps) == 4
    assert re.fullmatch(r"iteration +3 of 4  75 %  [\d:]+ left  \d+\.\d\d s/iteration  loss \d+\.\d{3}", steps[2])
    evaluated = [line for line in lines if line.startswith("evaluated")]
    assert len(evaluated) == 2
    assert "(best" in evaluated[0]
    table = lines[lines.index(evaluated[-1]) + 1 :]
    assert table[0].split()[:2] == ["class", "IoU"]
    assert [row.split()[0] for row in table[1:9]] == [
        "background", "building", "road", "water", "barren", "forest", "agricultural", "mean",
    ]  # fmt: skip
    assert any(line.startswith("time      data 0:") for line in table)
    assert table[-2].startswith("next  ")
    assert "python tools/test.py run/tiny.py run/" in table[-2]
    assert "python extract_tables.py " in table[-1]


def test_the_best_score_survives_a_resume(run_tiny, tmp_path):
    hooks = [{"type": "mmseg_ext.ConsoleHook"}]
    first = run_tiny(tmp_path / "run", hooks, **{"train_cfg.val_interval": 2})
    best = first.message_hub.get_info("mmseg_ext_best")
    again = run_tiny(tmp_path / "run", hooks, resume=True, **{"train_cfg.max_iters": 5})
    kept = again.message_hub.get_info("mmseg_ext_best")
    assert kept["score"] >= best["score"]
    assert kept["iteration"] in (best["iteration"], 5)


def test_a_run_without_validation_trains_and_says_that_nothing_is_scored(tiny_config, tmp_path, capsys):
    off = dict.fromkeys(("val_cfg", "val_dataloader", "val_evaluator"))
    config = launch.load_config(str(tiny_config), str(tmp_path / "run"), {"train_cfg.max_iters": 3, **off})
    assert [hook.type for hook in config.custom_hooks][-1] == "mmseg_ext.ConsoleHook"  # with all the usual hooks
    config.custom_hooks[-1].interval = 0.0
    next(h for h in config.custom_hooks if h.type == "mmseg_ext.ValidationPicturesHook").hardest = 1
    runner = launch.train(config)
    assert runner.iter == 3
    assert (tmp_path / "run" / "iter_3.pth").is_file()
    lines = capsys.readouterr().out.splitlines()
    assert "val       none, nothing is scored" in lines
    assert "schedule  3 iterations of 2 images, AdamW lr 0.001" in lines
    assert sum(line.startswith("iteration ") for line in lines) == 3
    assert not any(line.startswith("evaluated") for line in lines)
    assert any("tools/test.py run/tiny.py run/iter_3.pth" in line for line in lines)


def test_the_console_shows_a_test_with_its_progress_its_writers_and_their_scores(tiny_config, tmp_path, capsys):
    config = launch.load_config(str(tiny_config), str(tmp_path / "run"))
    config.custom_hooks = [{"type": "mmseg_ext.ConsoleHook", "interval": 0.0}]
    runner = launch.build_runner(config)
    torch.save({"state_dict": runner.model.state_dict(), "meta": {}}, tmp_path / "begun.pth")
    writer = {"type": "mmseg_ext.PredictionWriter", "output_dir": "masks"}
    clean_up = {
        "type": "mmseg_ext.CleanUp",
        "steps": [{"classes": "all", "max_hole": 4}],
        "metrics": [{"type": "mmseg_ext.RLESubmission", "output": str(tmp_path / "out.csv")}, writer],
    }
    config.test_evaluator = [{"type": "mmseg_ext.SegmentationMetric"}, clean_up]
    config.experiment_name = "second"
    capsys.readouterr()
    scores_of_test = launch.test(config, str(tmp_path / "begun.pth"))
    assert scores_of_test["rle/IoU"] >= 0
    lines = capsys.readouterr().out.splitlines()
    assert "test      LoveDADataset, 4 images" in lines
    assert "weights   begun.pth" in lines
    assert "clean-up:" in lines
    assert any(line.startswith(f"4 images written to {tmp_path}/out.csv, ") for line in lines)
    assert any(line.startswith("out.csv scores IoU ") for line in lines)
    assert "4 predictions written to masks" in lines
    (scores,) = [line for line in lines if line.startswith("scores ")]
    for name in ("rle/IoU", "rle/Dice", "before_clean_up/mIoU"):
        assert f"{name} " in scores
    assert lines.index(next(line for line in lines if line.startswith("class "))) > lines.index("clean-up:")


def test_a_test_shows_how_far_it_is_and_says_nothing_else_where_it_is_quick(capsys):
    hook = ConsoleHook(interval=0.0)
    hook._testing = ProgressDisplay("predicted", hook.console.print, delay=0.0, interval=0.0, terminal=False)
    runner = SimpleNamespace(test_dataloader=range(2))
    for index in range(2):
        hook.after_test_iter(runner, index)
    assert capsys.readouterr().out.splitlines() == ["predicted: 1 of 2", "predicted: 2 of 2"]


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([50.0, 50.1, 50.2], "mIoU has not improved by 5 in the last 2 evaluations (best 50.00)"),
        ([90.0], "mIoU has reached 90.00, the threshold is 80"),
        ([float("nan")], "mIoU is not finite"),
        ([50.0, float("inf")], "mIoU is not finite"),
        ([50.0], None),
    ],
)
def test_why_a_run_was_stopped_early(scores, reason):
    hook = EarlyStoppingHook("mIoU", "greater", min_delta=5, patience=2, stopping_threshold=80.0)
    loop = SimpleNamespace(stop_training=False)
    runner = SimpleNamespace(train_loop=loop, hooks=[hook], logger=logging.getLogger("quiet"))
    for score in scores:
        hook.after_val_epoch(runner, {"mIoU": score})
    assert stopping_reason(runner) == reason
