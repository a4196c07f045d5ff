import re

import torch

from mmseg_ext.engine.hooks.console_hook import (
    count_parameters,
    format_seconds,
    result_table,
)


def test_the_console_tells_a_run_from_start_to_end(run_tiny, tmp_path, capsys, point_pipeline):
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
    assert re.fullmatch(r"iteration +3 of 4  75 %  0:\d\d left  \d\.\d\d s/iteration  loss \d+\.\d{3}", steps[2])
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


def test_result_table_shows_best_beside_last_only_where_they_differ():
    last = {"aAcc": 50.0, "mIoU": 40.0, "mAcc": 45.0, "IoU.a": 30.0, "Acc.a": 35.0, "IoU.b": 50.0, "Acc.b": 55.0}
    best = {**last, "mIoU": 60.0}
    both = result_table(last, 200, best, 100)
    assert [c.header for c in both.columns] == ["class", "IoU best, at 100", "Acc", "IoU last, at 200", "Acc"]
    assert list(both.columns[1].cells) == ["30.00", "50.00", "60.00", ""]
    assert len(result_table(last, 200, last, 200).columns) == 3
    assert list(result_table(last).columns[0].cells) == ["a", "b", "mean", "all pixels"]


def test_parameters_and_seconds_are_counted():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1).requires_grad_(False))
    assert count_parameters(model) == (8 + 3, 8)
    assert [format_seconds(s) for s in (0, 59.6, 3600, 3599.4)] == ["0:00", "1:00", "1:00:00", "59:59"]
