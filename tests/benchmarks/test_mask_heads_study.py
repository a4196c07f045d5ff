"""benchmarks/mask_heads.py: its configs build, finished cells count, and the difference is paired image by image."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("mask_heads", BENCHMARKS / "mask_heads.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("loss", ["MaskLoss", "PointMaskLoss"])
def test_the_config_of_a_cell_builds_with_its_loss(study, mmseg_scope, tmp_path, loss):
    path = study.write_config(study.Cell(loss, "dubai", "2", "20", 1), 40, str(tmp_path), tmp_path)
    config = Config.fromfile(path)
    assert config.train_dataloader.dataset.labels == {"num_points": 20, "per": "class", "seed": 1}
    assert config.val_dataloader.dataset.fold == 2
    assert config.param_scheduler[-1].end == config.train_cfg.max_iters == 40
    assert not any("DataCheck" in hook["type"] for hook in config.custom_hooks)
    config.model.backbone.checkpoint = None
    model = MODELS.build(config.model)
    assert type(model.decode_head.loss_decode).__name__ == loss


def test_the_report_pairs_the_folds_of_both_losses(study, tmp_path):
    rng = np.random.default_rng(0)
    results = study.Results(tmp_path / "results.json")
    for fold in study.FOLDS:
        truth_NC = rng.integers(50, 100, (6, 5))
        for loss, wrong in (("MaskLoss", 20), ("PointMaskLoss", 10)):
            images_NCC = np.full((6, 5, 5), wrong // 5) + np.eye(5, dtype=int) * truth_NC[..., None]
            for budget in ("20", "all") if fold != "2" else ("20",):
                about = {"by_image": True, "iteration": 40}
                results.add(study.Cell(loss, "dubai", fold, budget, 0), study.Record(images_NCC, about))
    (row,) = study.report(results.read()).splitlines()[2:]  # a fold of all labels is missing
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["20 points a class", "1/1"]
    matrices = [
        sum(r.images_NCC.sum(0) for c, r in results.read().items() if c.method == m and c.budget == "20")
        for m in study.LOSSES
    ]
    scores = [100 * np.mean(np.diag(m) / (m.sum(0) + m.sum(1) - np.diag(m))) for m in matrices]
    assert float(cells[2].split()[0]) == pytest.approx(scores[0], abs=0.01)
    assert float(cells[4].split()[0]) == pytest.approx(scores[1] - scores[0], abs=0.02)
    assert float(cells[5]) < 0.05
