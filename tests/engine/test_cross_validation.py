import json
import sys

import numpy as np
import pytest
from mmengine.config import Config

from mmseg_ext.engine.cross_validation import (
    Matrix,
    check_folds,
    cross_validate,
    fold_options,
    format_summary,
    last_matrix,
    original_matrices,
    run_cell,
    summarize,
)
from mmseg_ext.errors import UserError

# Stands for tools/train.py: writes the matrix that its fold asks for and notes its arguments.
TRAINER = """
import json, pathlib, sys
work_dir = pathlib.Path(sys.argv[sys.argv.index("--work-dir") + 1])
(work_dir / "20260101_000000").mkdir(parents=True, exist_ok=True)
(work_dir / "arguments.json").write_text(json.dumps(sys.argv[1:]))
record = {"classes": ["a", "b"], "iteration": %d, "matrix": [[3, 1], [2, 4]]}
(work_dir / "20260101_000000" / "confusion_matrix.json").write_text(json.dumps(record))
"""


def write_matrix(work_dir, time, iteration, matrix, name="confusion_matrix.json"):
    folder = work_dir / time
    folder.mkdir(parents=True, exist_ok=True)
    record = {"classes": ["a", "b"], "iteration": iteration, "matrix": matrix}
    (folder / name).write_text(json.dumps(record))


def test_the_last_evaluation_of_a_resumed_run_counts(tmp_path):
    assert last_matrix(tmp_path) is None
    write_matrix(tmp_path, "20260101_000000", 10, [[1, 0], [0, 1]])
    write_matrix(tmp_path, "20260101_010000", 20, [[2, 0], [0, 2]])
    write_matrix(tmp_path, "20260101_020000", None, [[9, 0], [0, 9]])  # of tools/test.py
    found = last_matrix(tmp_path)
    assert found.iteration == 20
    assert found.confusion_CC.tolist() == [[2, 0], [0, 2]]


def test_a_finished_cell_is_not_run_again_and_a_cut_one_is_resumed(tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER % 20)
    command = [sys.executable, str(script), "config.py"]
    cell = tmp_path / "cell"
    matrix = run_cell(command, cell, fold=1, seed=3, max_iters=20)
    assert matrix.confusion_CC.tolist() == [[3, 1], [2, 4]]
    first = json.loads((cell / "arguments.json").read_text())
    assert first == ["config.py", "--work-dir", str(cell), "--cfg-options", *fold_options(1, 3)]

    (cell / "arguments.json").unlink()
    run_cell(command, cell, fold=1, seed=3, max_iters=20)
    assert not (cell / "arguments.json").exists()

    script.write_text(TRAINER % 40)
    run_cell(command, cell, fold=1, seed=3, max_iters=40)
    assert "--resume" in json.loads((cell / "arguments.json").read_text())


def test_a_failed_cell_is_told_from_one_without_a_last_evaluation(tmp_path):
    with pytest.raises(UserError, match=r"it ended with status 3"):
        run_cell([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "cell", 0, 0, 10)
    with pytest.raises(UserError, match=r"Expected an evaluation at the last iteration, 10, in .*cell, found none"):
        run_cell([sys.executable, "-c", "pass"], tmp_path / "cell", 0, 0, 10)


def test_folds_are_added_up_before_scoring():
    matrices = {
        (0, 0): Matrix(["a", "b"], 10, np.array([[8, 2], [0, 0]])),
        (1, 0): Matrix(["a", "b"], 10, np.array([[0, 0], [5, 5]])),
        (0, 1): Matrix(["a", "b"], 10, np.array([[10, 0], [0, 0]])),
        (1, 1): Matrix(["a", "b"], 10, np.array([[0, 0], [0, 10]])),
    }
    summary = summarize(matrices)
    # Seed 0 adds up to [[8, 2], [5, 5]]: IoU 8/15 and 5/12, accuracy 13/20.
    assert summary["seeds"][0] == {"mIoU": 47.5, "mAcc": 65.0, "aAcc": 65.0, "IoU": {"a": 53.33, "b": 41.67}}
    assert summary["mean"] == {"mIoU": 73.75, "mAcc": 82.5, "aAcc": 82.5}
    assert summary["std"]["mIoU"] == pytest.approx(37.12)
    text = format_summary("leaf", summary)
    assert "| 0 | 47.50 | 65.00 | 65.00 | 53.33 | 41.67 |" in text
    assert "| mean | 73.75 ± 37.12 |" in text


def test_one_seed_has_no_deviation():
    summary = summarize({(0, 0): Matrix(["a", "b"], 10, np.eye(2, dtype=int))})
    assert summary["std"] is None
    assert summary["mean"]["mIoU"] == 100.0
    assert "±" not in format_summary("leaf", summary)


def test_the_options_name_every_loader():
    assert fold_options(2, 7) == [
        "train_dataloader.dataset.fold=2",
        "val_dataloader.dataset.fold=2",
        "test_dataloader.dataset.fold=2",
        "randomness.seed=7",
    ]


def test_scores_on_the_original_labels_get_a_table_of_their_own(tmp_path):
    cells = {(fold, 0): tmp_path / f"fold{fold}" for fold in range(2)}
    for work_dir in cells.values():
        write_matrix(work_dir, "t", 20, [[3, 1], [2, 4]])
    own = {cell: last_matrix(work_dir) for cell, work_dir in cells.items()}
    assert original_matrices(cells, own) == {}
    for work_dir in cells.values():
        write_matrix(work_dir, "t", 20, [[3, 1], [2, 4]], "confusion_matrix_original.json")
    assert original_matrices(cells, own) == {}, "the data are the original"
    write_matrix(cells[0, 0], "t", 20, [[30, 10], [10, 50]], "confusion_matrix_original.json")
    originals = original_matrices(cells, own)
    assert originals[0, 0].confusion_CC.tolist() == [[30, 10], [10, 50]]
    text = format_summary("study", {**summarize(own), "original": summarize(originals)})
    first, second = text.split("Predictions enlarged to the original labels:")
    assert "| 0 | 53.57 |" in first
    assert "| 0 | 64.53 |" in second


def test_a_study_runs_all_cells_and_leaves_its_scores(tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER % 20)
    config = Config({"work_dir": str(tmp_path / "study"), "train_cfg": {"max_iters": 20}})
    text = cross_validate([sys.executable, str(script), "leaf.py"], config, "leaf", [0, 2], [0, 1])
    assert text.startswith("# leaf: folds 0, 2 added up, last iteration\n")
    assert "| 1 | 53.57 |" in text
    assert "original labels" not in text
    folders = [f"fold{fold}_seed{seed}" for fold in (0, 2) for seed in (0, 1)]
    assert sorted(p.name for p in (tmp_path / "study").iterdir()) == [
        "cross_validation.json", "cross_validation.md", *folders,
    ]  # fmt: skip
    assert (tmp_path / "study" / "cross_validation.md").read_text() == text
    summary = json.loads((tmp_path / "study" / "cross_validation.json").read_text())
    assert summary["folds"] == [0, 2]
    assert summary["seeds"]["0"]["mIoU"] == summary["seeds"]["1"]["mIoU"] == 53.57
    for folder in folders:  # scores on the original labels are a second table
        write_matrix(tmp_path / "study" / folder, "t", 20, [[30, 10], [10, 50]], "confusion_matrix_original.json")
    again = cross_validate(["false"], config, "leaf", [0, 2], [0, 1])
    assert again.startswith(text.rstrip())
    assert "| 1 | 65.71 |" in again


def test_a_dataset_without_folds_and_a_schedule_of_epochs_are_refused():
    dataset = {"type": "mmseg_ext.LoveDADataset"}
    config = Config({"train_dataloader": {"dataset": dataset}, "train_cfg": {"max_iters": 20}})
    with pytest.raises(UserError, match=r"Expected a dataset with folds in train_dataloader, got mmseg_ext\.LoveDA"):
        check_folds(config)
    dataset["type"] = "mmseg_ext.DubaiAerialDataset"
    check_folds(Config({"train_dataloader": {"dataset": dataset}, "train_cfg": {"max_iters": 20}}))
    with pytest.raises(UserError, match="got a schedule that counts epochs"):
        check_folds(Config({"train_dataloader": {"dataset": dataset}, "train_cfg": {"max_epochs": 20}}))


def test_the_folds_of_another_config_are_not_used(tmp_path):
    def config(**changes):
        return Config(
            {
                "work_dir": str(tmp_path),
                "model": {"type": "A", "width": 8},
                "train_dataloader": {"dataset": {"type": "mmseg_ext.DubaiAerialDataset", "fold": 1}},
                "val_dataloader": {"dataset": {}},
                "test_dataloader": {"dataset": {}},
                "train_cfg": {"max_iters": 20},
                "randomness": {"seed": 3},
                **changes,
            }
        )

    cell = tmp_path / "fold1_seed3"
    write_matrix(cell, "20260101_000000", 20, [[1, 0], [0, 1]])
    dumped = config()
    dumped.merge_from_dict({"val_dataloader.dataset.fold": 1})
    dumped.dump(cell / "leaf.py")
    study = config(train_dataloader={"dataset": {"type": "mmseg_ext.DubaiAerialDataset"}}, randomness={"seed": 0})
    lines = []
    text = cross_validate(["false"], study, "leaf", [1], [3], log=lines.append)
    assert lines == [f"fold 1, seed 3 (1 of 1): {cell}"]
    assert "| 3 | 100.00 |" in text

    wider = config(model={"type": "A", "width": 16})
    with pytest.raises(UserError, match=r"found fold1_seed3 of another one: model\.width \(8 → 16\)\. Name another"):
        cross_validate(["false"], wider, "leaf", [1], [3])
    shorter = config(train_cfg={"max_iters": 10})
    with pytest.raises(UserError, match=r"train_cfg\.max_iters \(20 → 10\)"):
        cross_validate(["false"], shorter, "leaf", [1], [3])


def test_further_options_reach_every_cell(tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER % 20)
    run_cell([sys.executable, str(script), "c.py"], tmp_path / "cell", 1, 3, 20, ["optim_wrapper.optimizer.lr=1"])
    arguments = json.loads((tmp_path / "cell" / "arguments.json").read_text())
    assert arguments[3:] == ["--cfg-options", "optim_wrapper.optimizer.lr=1", *fold_options(1, 3)]


def test_a_damaged_matrix_is_named(tmp_path):
    write_matrix(tmp_path, "t", 20, [[1, 0], [0, 1]])
    for content in ("{", "[]", '{"iteration": 5}', "[" * 100_000, '{"iteration": 1, "classes": [], "matrix": ["a"]}'):
        (tmp_path / "t" / "confusion_matrix.json").write_text(content)
        with pytest.raises(UserError, match="Expected the confusion matrix of an evaluation in"):
            last_matrix(tmp_path)
