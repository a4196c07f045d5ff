"""Intervals, ties and comparisons of runs that left the matrices of their images."""

from __future__ import annotations

import base64
import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from made_logs import CLASSES, STAMP, MadeRun

from mmseg_ext.scores import file_scores
from mmseg_ext.scores.confusion_matrix import mean_scores, scores_of_classes
from mmseg_ext.scores.image_matrices import ImageMatrices, cells_of, pack_image_matrices, read_image_matrices
from mmseg_ext.scores.intervals import score_interval
from mmseg_ext.scores.paired_difference import paired_difference
from mmseg_ext.tables import TableOptions, make_tables, read_runs, read_tables, write_tables
from mmseg_ext.tables.command import main

NAMES = [f"scene_{i % 12}/{i}.png" for i in range(48)]


def matrices_of(skill: float, seed: int) -> np.ndarray:
    """Matrices of the same images, scored by a run of some skill; hard images are hard for all."""
    hard = np.random.default_rng(0).normal(size=(48, 4))
    pixels = np.random.default_rng(1).integers(200, 3000, (48, 4))
    own = np.random.default_rng(seed).normal(scale=0.3, size=(48, 4))
    right = (pixels / (1 + np.exp(-(skill + hard + own)))).astype(np.int64)
    matrices = np.zeros((48, 4, 4), np.int64)
    index = np.arange(4)
    matrices[:, index, index] = right
    matrices[:, index, (index + 1) % 4] = pixels - right
    return matrices


@dataclass
class ScoredRun(MadeRun):
    """A run whose log says what its matrices do: the last evaluation is worse than the one before."""

    skill: float = 1.0

    def evaluations(self) -> list[np.ndarray]:
        return [matrices_of(self.skill, self.seed), matrices_of(self.skill - 0.3, self.seed)]

    def class_scores(self, score: float) -> dict[str, float]:
        (matrices,) = (m for m in self.evaluations() if round(mean_scores(m.sum(0))["mIoU"], 2) == score)
        return dict(zip(self.classes, scores_of_classes(matrices.sum(0))["IoU"].round(2).tolist(), strict=True))

    def write(self, root: Path, names: list[str] = NAMES) -> Path:
        best, last = self.evaluations()
        self.with_class_scalars = True
        self.scores = [(step, round(mean_scores(m.sum(0))["mIoU"], 2)) for step, m in ((100, best), (200, last))]
        work_dir = super().write(root)
        for suffix, step, matrices in (("_best", 100, best), ("", 200, last)):
            packed = pack_image_matrices(ImageMatrices.of(names, map(cells_of, matrices), CLASSES, step))
            (work_dir / self.stamp / f"confusion_matrices{suffix}.npz").write_bytes(packed)
        return work_dir


@pytest.fixture
def work_dirs(tmp_path: Path) -> Path:
    root = tmp_path / "work_dirs"
    for seed, (name, skill) in enumerate(
        (("a_loveda", 1.0), ("b_loveda", 0.95), ("c_loveda", 2.0), ("d_loveda", 1.99))
    ):
        ScoredRun(name=name, skill=skill, seed=seed).write(root)
    MadeRun(name="old_loveda").write(root)
    return root


def matrices_at(work_dirs: Path, name: str, suffix: str = "_best") -> ImageMatrices:
    return read_image_matrices(work_dirs / name / STAMP / f"confusion_matrices{suffix}.npz")


def rows_of(work_dirs: Path, **options: object) -> dict[str, object]:
    (table,) = make_tables(read_runs([work_dirs]), TableOptions(**options))
    return {str(row.values["config"]): row for row in table.rows} | {"table": table}


def test_scores_have_the_intervals_of_their_evaluations(work_dirs: Path) -> None:
    rows = rows_of(work_dirs)
    for name in "abcd":
        for key, suffix in (("best", "_best"), ("last", "")):
            expected = score_interval(matrices_at(work_dirs, f"{name}_loveda", suffix))
            bounds = rows[f"{name}_loveda"].bounds[key]
            assert (bounds.low, bounds.high) == (expected.low, expected.high)
    assert rows["old_loveda"].bounds == {}


def test_ties_with_the_best_are_marked_and_counted(work_dirs: Path) -> None:
    rows = rows_of(work_dirs)
    table = rows["table"]
    best = str(table.rows[0].values["config"])
    assert best in ("c_loveda", "d_loveda")
    other = "d_loveda" if best == "c_loveda" else "c_loveda"
    assert str(rows[other].values["like_best"]).startswith("≈ p 0.")
    for name in ("a_loveda", "b_loveda"):
        assert str(rows[name].values["like_best"]).startswith("p 0.0")
    assert "like_best" not in rows["old_loveda"].values
    assert table.findings[0] == f"not distinguishable from the best, {best}: 1 of 3"
    assert table.findings[1].startswith("differences below ")
    assert table.findings[1].endswith(" points cannot be told apart on these 12 groups of images")


def test_differences_from_the_baseline(work_dirs: Path) -> None:
    rows = rows_of(work_dirs, baseline="a_loveda")
    for name in "bcd":
        found = paired_difference(matrices_at(work_dirs, "a_loveda"), matrices_at(work_dirs, f"{name}_loveda"))
        bounds = rows[f"{name}_loveda"].bounds["best_delta"]
        assert (bounds.low, bounds.high) == (found.low, found.high)
        assert float(found.p_value) <= bounds.p_value < 1  # Holm
        assert bounds.is_tie == (name == "b")
        assert rows[f"{name}_loveda"].values["best_delta"] == pytest.approx(float(found.estimate), abs=0.011)
    assert "best_delta" not in rows["a_loveda"].bounds
    assert "best_delta" not in rows["old_loveda"].bounds


def test_files(work_dirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = [str(work_dirs), "--out", str(out), "--baseline", "a_loveda", "--per-class"]
    assert main([*arguments, "--html", "--csv", "--json"]) == 0
    printed = capsys.readouterr().out
    text = (out / "loveda_scores.md").read_text()
    interval = score_interval(matrices_at(work_dirs, "c_loveda"))
    cell = f"{float(interval.estimate):.2f} [{float(interval.low):.1f}, {float(interval.high):.1f}] @ 100"
    assert cell in printed
    assert cell.replace("[", "\\[").replace("]", "\\]") in text
    assert "] tie" in printed
    assert "not distinguishable from the best" in printed
    assert "- not distinguishable from the best" in text
    record = next(iter(csv.DictReader((out / "loveda_scores.csv").open())))
    assert float(record["best_low"]) < float(record["best"]) < float(record["best_high"])
    assert 0 <= float(record["best_delta_p"]) < 0.05
    content = json.loads((out / "loveda_scores.json").read_text())
    assert content["findings"]
    assert set(content["rows"][0]["best_delta_interval"]) == {"low", "high", "p_value"}
    page = (out / "all_scores.html").read_text()
    assert page.count('<div data-row="') == 4  # rows of the figure
    assert 'class="tie"' in page


def test_classes_have_intervals_and_differences(work_dirs: Path) -> None:
    rows = rows_of(work_dirs, per_class=True, baseline="a_loveda")
    row = rows["c_loveda"]
    score, bounds = row.class_scores["IoU"]["bed, double"], row.class_bounds["IoU"]["bed, double"]
    expected = score_interval(matrices_at(work_dirs, "c_loveda", ""), "IoU.bed, double")
    assert (bounds.low, bounds.high) == pytest.approx((expected.low, expected.high))
    assert bounds.low < score < bounds.high
    delta = row.class_deltas["IoU"]["bed, double"]
    assert not delta.is_tie
    assert row.class_cell("IoU", "bed, double").startswith(f"{score:.2f} [{bounds.low:.1f}, ")
    assert f"Δ {delta.estimate:+.1f} [" in row.class_cell("IoU", "bed, double")
    assert rows["b_loveda"].class_deltas["IoU"]["water"].is_tie
    assert rows_of(work_dirs)["c_loveda"].class_bounds == {}


def test_without_files_of_this_evaluation_nothing_changes(work_dirs: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    for name in ("a", "b", "c", "d"):
        ScoredRun(name=f"{name}_loveda", skill=1.0, seed=ord(name)).write(plain)
    options = TableOptions(baseline="a_loveda", per_class=True)
    for path in plain.rglob("*.npz"):
        path.rename(path.with_suffix(".moved"))
    before = [p.read_bytes() for p in write_tables([plain], tmp_path / "1", options, formats=("md", "csv", "json"))]
    for path in plain.rglob("*.moved"):  # of another iteration, or no such file
        if path.name.startswith("confusion_matrices_best"):
            path.with_suffix(".npz").write_bytes(b"damaged")
        else:
            run = matrices_of(1.0, 9)
            packed = pack_image_matrices(ImageMatrices.of(NAMES, map(cells_of, run), CLASSES, 200))
            path.with_suffix(".npz").write_bytes(packed)
    after = [p.read_bytes() for p in write_tables([plain], tmp_path / "2", options, formats=("md", "csv", "json"))]
    assert before == after
    assert b"[" not in before[0]


def test_other_images_are_not_compared(work_dirs: Path) -> None:
    ScoredRun(name="e_loveda", skill=1.5, seed=9).write(work_dirs, [f"other/{name}" for name in NAMES])
    rows = rows_of(work_dirs, baseline="a_loveda")
    assert "best" in rows["e_loveda"].bounds
    assert "best_delta" not in rows["e_loveda"].bounds
    assert "not compared, scored on other images than the best: 1" in rows["table"].findings


def test_a_row_of_several_seeds(tmp_path: Path) -> None:
    root = tmp_path / "work_dirs"
    for seed in (1, 2, 3):
        ScoredRun(name=f"a_loveda_seed{seed}", skill=1.0, seed=seed).write(root)
        ScoredRun(name=f"b_loveda_seed{seed}", skill=1.9, seed=10 + seed).write(root)
    rows = rows_of(root, group="seed", baseline="a_loveda")
    runs = [matrices_at(root, f"b_loveda_seed{seed}") for seed in (1, 2, 3)]
    expected = score_interval(runs)
    bounds = rows["b_loveda"].bounds["best"]
    assert (bounds.low, bounds.high) == (expected.low, expected.high)
    assert rows["b_loveda"].bounds["best_delta"].low > 0
    (root / "b_loveda_seed2" / STAMP / "confusion_matrices_best.npz").unlink()
    assert "best" not in rows_of(root, group="seed")["b_loveda"].bounds


def test_results_are_remembered_until_a_file_changes(work_dirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_tables([work_dirs], TableOptions(baseline="a_loveda"))[0]
    reads = []
    read = file_scores.FileScores._matrices
    monkeypatch.setattr(file_scores.FileScores, "_matrices", lambda self, path: reads.append(path) or read(self, path))
    second = read_tables([work_dirs], TableOptions(baseline="a_loveda"))[0]
    assert reads == []
    assert [row.bounds for row in first.rows] == [row.bounds for row in second.rows]
    os.utime(work_dirs / "b_loveda" / STAMP / "confusion_matrices_best.npz", (1, 1))
    read_tables([work_dirs], TableOptions(baseline="a_loveda"))
    assert {Path(path).parts[-3] for path in reads} >= {"b_loveda"}
    reads.clear()
    read_tables([work_dirs], TableOptions(baseline="a_loveda"), use_cache=False)
    assert reads


def test_images_are_grouped_as_one_says(work_dirs: Path) -> None:
    by_image = rows_of(work_dirs, image_groups="image")
    assert by_image["table"].findings[1].endswith("on these 48 images")
    expected = score_interval(matrices_at(work_dirs, "a_loveda"), groups="image")
    assert by_image["a_loveda"].bounds["best"].low == expected.low
    assert main([str(work_dirs), "--image-groups", "tile_"]) == 2


def test_groups_that_are_too_few_for_so_many_rows_are_named(tmp_path: Path) -> None:
    names = [f"tile_{i % 6}/{i}.png" for i in range(48)]
    for seed, name in enumerate(("a_loveda", "b_loveda", "c_loveda")):
        ScoredRun(name=name, skill=1.0 + seed, seed=seed).write(tmp_path, names)
    rows = rows_of(tmp_path)
    assert "6 groups of images are too few to tell 3 rows apart: the least p-value is 0.062" in rows["table"].findings
    assert not any("too few" in line for line in rows_of(tmp_path, image_groups="image")["table"].findings)


def test_a_page_compares_two_runs(work_dirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, images = tmp_path / "out", tmp_path / "data"
    png = b"\x89PNG\r\n\x1a\n"
    for name in NAMES:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes(b"\xff\xd8\xff of " + name.encode())
        drawn = work_dirs / "a_loveda" / "pictures" / "validation" / name.replace("/", "_")
        if name.startswith("scene_1"):
            drawn.parent.mkdir(parents=True, exist_ok=True)
            drawn.write_bytes(png + name.encode())
    compared = ["--compare", "a_loveda", str(work_dirs / "c_loveda")]
    assert main([str(work_dirs), "--out", str(out), *compared, "--images", str(images)]) == 0
    assert [path.name for path in out.iterdir()] == ["comparison.html"]
    page = (out / "comparison.html").read_text()
    found = paired_difference(matrices_at(work_dirs, "a_loveda"), matrices_at(work_dirs, "c_loveda"))
    assert f"[{float(found.low):+.1f}, {float(found.high):+.1f}]" in page
    for words in ("bed, double", "scene_7", "Images that gain most in mIoU", "12 groups of images", "48 images"):
        assert words in page
    shown = [name for name in NAMES if f"<h3>{name}: " in page]
    assert 8 <= len(shown) <= 16
    for name in shown:
        content, kind = (png, "png") if name.startswith("scene_1") else (b"\xff\xd8\xff of ", "jpeg")
        assert f"data:image/{kind};base64,{base64.b64encode(content + name.encode()).decode()}" in page


def test_what_cannot_be_compared(work_dirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ScoredRun(name="e_loveda", skill=1.5, seed=9).write(work_dirs, [f"other/{name}" for name in NAMES])
    for other, words in (
        ("nothing", "Expected --compare to name two of the configs"),
        ("old_loveda", "found none for old_loveda and mIoU"),
        ("e_loveda", "only the second has other/scene_0/0.png"),
    ):
        assert main([str(work_dirs), "--out", str(tmp_path), "--compare", "a_loveda", other]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1


def test_names_that_are_markup_stay_text(tmp_path: Path) -> None:
    root = tmp_path / "work_dirs"
    names = [f"<script>alert({i % 8})<|script>/{i}.png" for i in range(48)]
    for seed, name in enumerate(("a_loveda", "b_loveda")):
        ScoredRun(name=name, seed=seed).write(root, names)
    assert main([str(root), "--out", str(tmp_path), "--compare", "a_loveda", "b_loveda"]) == 0
    assert "<script" not in (tmp_path / "comparison.html").read_text()


def test_nothing_of_it_needs_torch(work_dirs: Path, tmp_path: Path) -> None:
    code = "import sys; from mmseg_ext.tables.command import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    for more in ([], ["--compare", "a_loveda", "b_loveda"]):
        command = [sys.executable, "-c", code, str(work_dirs), "--out", str(tmp_path), *more]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert result.stdout.splitlines()[-1] == "False"
