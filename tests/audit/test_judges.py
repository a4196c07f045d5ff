"""Other judges and labels: models of a cross-validation, binary masks, 150 classes."""

import numpy as np
import pytest
import torch
from conftest import truth_of, write_labels

from mmseg_ext.audit.auditing import judge
from mmseg_ext.audit.command import run_audit
from mmseg_ext.audit.held_out_points import HeldOutPoints
from mmseg_ext.audit.ranking import Ranking
from mmseg_ext.engine.fitting import fit
from mmseg_ext.engine.launch import load_config
from mmseg_ext.errors import UserError

FOLDED = {f"{name}_dataloader.dataset.num_folds": 2 for name in ("train", "val", "test")}


def test_the_models_of_a_cross_validation_judge_what_they_were_validated_on(config_file, fields, tmp_path):
    dropped_HW = truth_of(2)
    dropped_HW[dropped_HW == 2] = 0
    write_labels(fields, 2, dropped_HW)
    runs = tmp_path / "runs"
    for fold in (0, 1):
        options = {
            **FOLDED,
            **{f"{name}_dataloader.dataset.fold": fold for name in ("train", "val", "test")},
            **{"train_dataloader.dataset.split": "train", "val_dataloader.dataset.split": "val"},
        }
        fit(load_config(str(config_file), str(runs / f"fold{fold}_seed0"), options))
    config = load_config(str(config_file), cfg_options={**FOLDED, "val_dataloader.dataset.split": "val"})
    result = run_audit(config, tmp_path / "out", runs=runs)
    assert result.audit.folds_N.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    first = result.candidates[0]
    assert (first.image, first.kind, first.label, first.predicted) == ("images/2.png", "missing object", 0, 2)
    (runs / "fold1_seed0").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"Expected folders fold0_seed0, fold1_seed0 … in .*runs, found 1\. Train all"):
        run_audit(config, tmp_path / "out", runs=runs)


def test_binary_masks_are_audited(config_file, fields, tmp_path):
    for index in range(8):
        is_house_HW = truth_of(index) == 2
        if index == 3:
            is_house_HW[2:20, 32:46] = True
        write_labels(fields, index, np.where(is_house_HW, 255, 0).astype(np.uint8))
    options = {
        "train_dataloader.dataset.classes": ["other", "house"],
        "train_dataloader.dataset.pipeline.1.type": "mmseg_ext.LoadBinaryAnnotations",
        "model.decode_head.num_classes": 2,
        "model.decode_head.out_channels": 1,
    }
    result = run_audit(load_config(str(config_file), cfg_options=options), tmp_path / "out")
    first = result.candidates[0]
    assert (first.image, first.kind, first.label, first.predicted) == ("images/3.png", "extra object", 1, 0)


def test_150_classes_are_judged_a_class_at_a_time():
    rng = np.random.default_rng(0)
    truth_hw = rng.integers(0, 150, (6, 8))
    probabilities = torch.nn.functional.one_hot(torch.from_numpy(truth_hw), 150).permute(2, 0, 1)[None].float()
    probabilities = 0.8 * probabilities + 0.2 / 150
    labels_HW = np.kron(truth_hw, np.ones((40, 40))).astype(np.uint8)
    labels_HW[80:120, 120:160] = (truth_hw[2, 3] + 1) % 150
    points = HeldOutPoints(np.full((150, 150), 1 / 150), np.arange(150), 1.0, 0.0)
    record, predicted_HW = judge(probabilities, labels_HW, np.ones(150, bool), Ranking(points))
    assert (predicted_HW[100, 140], len(record.candidates) > 0) == (truth_hw[2, 3], True)
    first = record.candidates[0]
    assert (first.label, first.predicted) == ((truth_hw[2, 3] + 1) % 150, truth_hw[2, 3])
    assert record.cells.matrix(150).sum() == labels_HW.size
    assert sum(sum(cells.pixels) for cells in record.own_cells) <= labels_HW.size
