"""The bookkeeping of benchmarks/label_budget.py: which cells count, what they add up to, and their configs."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmseg_ext.points.areas import read_areas
from mmseg_ext.scores.confusion_matrix import mean_scores

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FOLDS = ("0", "1", "2")
CLASSES = ("a", "b", "c")

pytestmark = pytest.mark.usefixtures("mmseg_scope")


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("label_budget", BENCHMARKS / "label_budget.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # puts benchmarks/ on the path
    import label_study.report

    module.report_module = label_study.report
    yield module
    sys.path.remove(str(BENCHMARKS))


def records(study, seeds=(0,)):
    """Four images a fold, each labelled better by the first method."""
    generator = np.random.default_rng(0)
    found = {}
    for method, budget, right in (("light head", "20", 60), ("plain", "20", 20), ("plain", "all", 40)):
        for fold in FOLDS:
            for seed in seeds:
                images = generator.integers(1, 30, (4, 3, 3)) + right * np.eye(3, dtype=int)
                about = {"by_image": True, "seconds": {"fit": 1.0, "predict": 0.5}}
                found[study.Cell(method, "dubai", fold, budget, seed)] = study.Record(images, about)
    return found


def total_of(cells, method, budget, seed=0):
    chosen = [r for c, r in cells.items() if (c.method, c.budget, c.seed) == (method, budget, seed)]
    return sum(r.images_NCC.sum(0) for r in chosen)


def test_results_come_back_and_are_replaced(study, tmp_path):
    results, cells = study.Results(tmp_path / "r.json"), records(study)
    for cell, record in cells.items():
        results.add(cell, record._replace(images_NCC=0 * record.images_NCC))
        results.add(cell, record)
    read = results.read()
    assert set(read) == set(cells)
    assert all(np.array_equal(read[cell].images_NCC, record.images_NCC) for cell, record in cells.items())
    assert all(record.by_image and record.about["seconds"]["fit"] == 1.0 for record in read.values())


def test_the_stored_file_is_read(study):
    cells = study.Results(study.RESULTS).read()
    got = study.report_module.score(cells, "dubai", "plain", "all", FOLDS)
    assert got.mean == pytest.approx(55.49, abs=0.005)
    assert got.interval is None, "no matrices of single images were kept"


def test_folds_are_added_up_before_they_are_scored(study):
    cells = records(study, seeds=(0, 1))
    got = study.report_module.score(cells, "dubai", "light head", "20", FOLDS)
    values = [mean_scores(total_of(cells, "light head", "20", seed))["mIoU"] for seed in (0, 1)]
    assert got.mean == pytest.approx(np.mean(values))
    assert got.std == pytest.approx(np.std(values, ddof=1))
    assert (got.folds, got.seeds, got.seconds) == (FOLDS, (0, 1), (1.0, 0.5))
    assert got.interval[0] < got.mean < got.interval[1]


def test_the_interval_is_that_of_scipy(study):
    from scipy.stats import bootstrap

    images_NCC = np.concatenate([r.images_NCC for c, r in records(study).items() if c.method == "light head"])
    low, high = study.report_module.interval_by_image(images_NCC[None], num_resamples=4000)

    def miou(indices, axis=-1):
        totals = images_NCC[indices].sum(axis=axis - 2 if axis < 0 else axis)
        hits = np.diagonal(totals, axis1=-2, axis2=-1)
        return 100 * (hits / (totals.sum(-1) + totals.sum(-2) - hits)).mean(-1)

    expected = bootstrap(
        (np.arange(len(images_NCC)),), miou, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (low, high) == pytest.approx(tuple(expected), abs=0.5)


def test_the_interval_of_a_share_is_that_of_the_same_images(study):
    cells = records(study, seeds=(0, 1))
    light, plain = (
        study.report_module.score(cells, "dubai", method, "20", FOLDS) for method in ("light head", "plain")
    )
    interval = study.report_module.interval_by_image
    assert interval(light.images_SNCC, light.images_SNCC) == pytest.approx((100, 100))
    low, high = interval(light.images_SNCC, plain.images_SNCC)
    assert low < 100 * light.mean / plain.mean < high


def test_a_seed_counts_that_has_all_folds_and_a_part_is_said(study):
    cells = {c: r for c, r in records(study, seeds=(0, 1)).items() if (c.fold, c.seed) != ("2", 1)}
    got = study.report_module.score(cells, "dubai", "light head", "20", FOLDS)
    assert got.seeds == (0,)
    part = {c: r for c, r in cells.items() if c.fold == "0"}
    assert study.report_module.score(part, "dubai", "light head", "20", FOLDS) is None
    assert study.report_module.score(part, "dubai", "light head", "20", FOLDS, any_folds=True).folds == ("0",)


def test_shares_compare_with_the_best_of_all_labels_on_the_same_folds(study):
    cells = {c: r for c, r in records(study).items() if c.budget == "all" or c.fold == "0"}
    full = mean_scores(cells[study.Cell("plain", "dubai", "0", "all", 0)].images_NCC.sum(0))["mIoU"]
    part = mean_scores(cells[study.Cell("light head", "dubai", "0", "20", 0)].images_NCC.sum(0))["mIoU"]
    table = study.report_module.format_table(cells, "dubai", study.METHODS, FOLDS, CLASSES)
    row = next(line for line in table.splitlines() if "| light head |" in line)
    sides = [
        study.report_module.score(cells, "dubai", *side, ("0",)) for side in (("light head", "20"), ("plain", "all"))
    ]
    low, high = study.report_module.interval_by_image(*(side.images_SNCC for side in sides))
    assert f"| {100 * part / full:.1f} % ({low:.1f} … {high:.1f}) |" in row
    assert row.endswith("| 0 | 0 |")


def test_the_plot_is_drawn(study, tmp_path):
    study.draw_plot(records(study), "dubai", study.METHODS, FOLDS, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_the_cells_of_a_command(study):
    args = study.parse_args(["--methods", "light head", "plain", "--budgets", "all", "20", "--seeds", "0", "1"])
    cells = study.wanted_cells(args)
    assert len(cells) == len(set(cells)) == 9 * (2 + 2 + 1 + 2)  # the light head has one cell of all labels
    assert {c.fold for c in cells} == {*FOLDS, *(f"tile_{n}" for n in range(1, 7))}
    args = study.parse_args(["--methods", "light head", "plain", "--datasets", "peanut", "--budgets", "20"])
    assert {(c.method, c.fold) for c in study.wanted_cells(args)} == {("light head", fold) for fold in FOLDS}


@pytest.mark.parametrize("method", ["plain", "areas+teacher", "grown+areas", "resample", "pretrained x4+areas"])
def test_the_config_of_a_trained_cell(study, dubai_root, tmp_path, method):
    from label_study.trained import trained_config

    root = BENCHMARKS.parent
    config = Config.fromfile(trained_config(study.Cell(method, "dubai", "1", "5", 0), root, str(dubai_root), tmp_path))
    labels = config.train_dataloader.dataset.labels
    points = tmp_path / "points_dubai_5ppc_fold1_seed0.csv"
    assert points.is_file() == (method != "resample")
    if method == "resample":
        assert labels == {"num_points": 5, "per": "class", "resample": True}
    else:
        assert labels.file == str(points)
    pretrained = "pretrained" in method
    assert config.train_cfg.max_iters == config.param_scheduler[-1].end == (1600 if pretrained else 1500)
    assert (config.model.backbone.type == "mmseg_ext.EfficientNetLite") == pretrained
    assert config.model.type.endswith("SparseEncoderDecoder") == ("teacher" in method)
    assert ("areas" in labels) == ("areas" in method)
    assert labels.get("grow") == (True if "grown" in method else None)
    assert config.train_dataloader.dataset.fold == config.val_dataloader.dataset.fold == 1
    if method == "grown+areas":
        assert len(read_areas(tmp_path / "areas_dubai_5ppc_fold1_seed0.json")) == 36


@pytest.mark.parametrize("budget", ["1", "all"])
def test_a_light_head_on_a_tile_that_was_left_out(study, small_dubai_root, tmp_path, budget):
    from label_study.light_head import fit_and_score, light_head_config

    cell = study.Cell("light head", "dubai", "tile_2", budget, 0)
    config = light_head_config(cell, BENCHMARKS.parent, str(small_dubai_root), tmp_path)
    config.model.backbone.checkpoint = None
    config.model.decode_head.classifiers[1].num_trees = 3
    for loader, step in (("train_dataloader", 2), ("val_dataloader", 1)):
        config[loader].dataset.pipeline[step].scale = (96, 40)
    record = fit_and_score(config)
    assert record.images_NCC.shape == (6, 5, 5)
    assert record.images_NCC.sum() == 6 * 6 * 8, "the parts of tile 2"
    assert record.about["num_points"] <= (6 * 5 if budget == "1" else 6 * 1000)
    assert record.by_image


def test_a_light_head_is_taught_by_completed_labels(study, tmp_path):
    from label_study.light_head import light_head_config

    cell = study.Cell("light head+completed", "dubai", "1", "20", 0)
    dataset = light_head_config(cell, BENCHMARKS.parent, None, tmp_path).train_dataloader.dataset
    assert dict(dataset.labels) == {"num_points": 20, "per": "class", "seed": 0, "complete": {"weigh": True}}
