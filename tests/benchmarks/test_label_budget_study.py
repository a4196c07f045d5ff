"""The bookkeeping of benchmarks/label_budget.py: which cells count, and what they add up to."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mmseg_ext.points.areas import read_areas
from mmseg_ext.scores.confusion_matrix import mean_scores

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "label_budget.py"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("label_budget", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def matrices(study, seed=0):
    generator = np.random.default_rng(seed)
    cells = [("plain", "all"), ("plain", "20"), ("areas", "20")]
    return {
        study.Cell(method, budget, fold, 0): generator.integers(1, 100, (5, 5))
        for method, budget in cells
        for fold in range(3)
    }


def test_results_come_back_and_are_replaced(study, tmp_path):
    results, cells = study.Results(tmp_path / "r.json"), matrices(study)
    for cell, matrix in cells.items():
        results.add(cell, np.zeros_like(matrix), {"date": "a day"})
        results.add(cell, matrix, {"date": "another"})
    read = results.read()
    assert set(read) == set(cells)
    assert all(np.array_equal(read[cell], cells[cell]) for cell in cells)


def test_folds_are_added_up_before_they_are_scored(study):
    cells = matrices(study)
    total = sum(m for c, m in cells.items() if (c.method, c.budget) == ("areas", "20"))
    got = study.score(cells, "areas", "20")
    assert got.mean == mean_scores(total)["mIoU"]
    assert got.std is None
    assert got.folds == (0, 1, 2)


def test_seeds_give_mean_and_standard_deviation(study):
    cells = matrices(study)
    cells |= {c._replace(seed=1): m + 7 for c, m in cells.items()}
    got = study.score(cells, "plain", "20")
    by_seed = [
        mean_scores(sum(m for c, m in cells.items() if c[:2] == ("plain", "20") and c.seed == s))["mIoU"]
        for s in (0, 1)
    ]
    assert got.mean == pytest.approx(np.mean(by_seed))
    assert got.std == pytest.approx(np.std(by_seed, ddof=1))


def test_shares_compare_the_same_folds(study):
    cells = {c: m for c, m in matrices(study).items() if c.budget == "all" or c.fold == 0}
    full = study.score(cells, "plain", "all", folds=(0,))
    part = study.score(cells, "areas", "20")
    row = next(line for line in study.format_table(cells).splitlines() if "| areas |" in line)
    assert f"| {100 * part.mean / full.mean:.1f} % |" in row
    assert row.endswith("| 0 |")


def test_the_plot_is_drawn(study, tmp_path):
    study.draw_plot(matrices(study), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


@pytest.mark.parametrize("method", ["plain", "areas+teacher", "grown+areas", "resample"])
def test_the_config_of_a_cell(study, dubai_root, tmp_path, method, monkeypatch):
    from mmengine.config import Config

    monkeypatch.chdir(SCRIPT.parents[1])
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(study, "ROOT", SCRIPT.parents[1])
    options = {"train_dataloader.dataset.data_root": str(dubai_root)}
    load = study.load_config
    monkeypatch.setattr(study, "load_config", lambda path: load(path, None, options))
    config = Config.fromfile(study.cell_config(study.Cell(method, "5", 1, 0), tmp_path))
    labels = config.train_dataloader.dataset.labels
    points = tmp_path / "points_5ppc_fold1.csv"
    assert points.is_file() == (method != "resample")
    if method == "resample":
        assert labels == {"num_points": 5, "per": "class", "resample": True}
    else:
        assert labels.file == str(points)
    assert config.model.type.endswith("SparseEncoderDecoder") == ("teacher" in method)
    assert ("teacher" in config.model) == ("teacher" in method)
    assert ("areas" in labels) == ("areas" in method)
    assert labels.get("grow") == (True if "grown" in method else None)
    if method == "grown+areas":
        assert len(read_areas(tmp_path / "areas_5ppc_fold1.json")) == 36
