"""The bookkeeping of benchmarks/clicks.py: who clicks where, what is kept, what the sessions add up to."""

import importlib.util
import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmseg_ext.annotation.suggestions import ImageCells, cell_positions

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.usefixtures("mmseg_scope")


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("clicks", BENCHMARKS / "clicks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # puts benchmarks/ on the path
    import click_study.report
    import click_study.simulation

    yield SimpleNamespace(report=click_study.report, simulation=click_study.simulation, command=module)
    sys.path.remove(str(BENCHMARKS))


def session_of(study, *labels):
    images = [study.simulation.StudyImage(f"{n}.png", np.asarray(mask), None) for n, mask in enumerate(labels)]
    return study.simulation.Session(images, SimpleNamespace(num_classes=2))


def test_a_spot_without_a_label_costs_no_click(study):
    session = session_of(study, [[0, 255], [1, 255]])
    assert [session.click(0, *spot) for spot in ((0, 0), (0, 1), (1, 0))] == [True, False, True]
    assert (session.num_clicks, session.points, len(session.taken[0])) == (2, [[(0, 0, 0), (1, 0, 1)]], 3)
    assert session.counts().tolist() == [1, 1]


def test_random_clicks_take_turns_and_are_fixed_by_the_seed(study):
    masks = np.random.default_rng(0).choice([0, 1, 255], (3, 20, 30))
    found = []
    for seed in (0, 0, 1):
        session = session_of(study, *masks)
        list(itertools.islice(study.simulation.click_at_random(session, seed), 30))
        assert [len(points) for points in session.points] == [10] * 3
        found.append(session.points)
    assert found[0] == found[1] != found[2]


def test_a_grid_is_even_and_of_the_wanted_size(study):
    for number in (1, 2, 7, 24):
        spots = study.simulation.lay_grid((80, 120), number, np.random.default_rng(1))
        assert len(set(spots)) == number
        assert all(0 <= row < 80 and 0 <= column < 120 for row, column in spots)
    rows, columns = zip(*study.simulation.lay_grid((80, 120), 24, np.random.default_rng(2)), strict=True)
    assert (set(np.diff(sorted(set(rows)))), set(np.diff(sorted(set(columns))))) == ({20}, {20})
    session = session_of(study, *np.zeros((3, 20, 30), int))
    study.simulation.click_on_grid(session, 10, 0)
    assert sorted(len(points) for points in session.points) == [3, 3, 4]


def test_suggestions_begin_with_what_looks_different(study):
    session = session_of(study, *np.zeros((2, 40, 60), int))
    positions = cell_positions((40, 60))
    is_right = (positions[:, 1] >= 30)[:, None] + np.zeros((1, 9))
    session.model.cells_of = lambda features: ImageCells(positions, np.zeros((len(positions), 0)), is_right)
    clicks = study.simulation.click_by_suggestions(session, 0)
    list(itertools.islice(clicks, 2))
    sides = [column >= 30 for points in session.points for _, column, _ in points]
    assert sorted(sides) == [False, True]
    list(itertools.islice(clicks, 8))
    assert min(len(points) for points in session.points) >= 3  # all looks are known: images take turns


def test_clicks_that_reach_a_target(study):
    curves = np.array([[10.0, 20, 15, 40], [30, 30, 30, 30], [1, 2, 3, 4]])
    found = study.report.clicks_for(curves, [10, 20, 40, 80], np.array([30.0, 30, 30]))
    assert found == pytest.approx([40 * 2**0.5, 10, np.inf])


@pytest.mark.parametrize(
    ("share_reached", "end"), [(1.0, "50 %"), (0.976, "50 %"), (0.97, "not reached"), (0.974, "not reached")]
)
def test_an_interval_ends_with_a_share_or_is_not_reached(study, share_reached, end):
    shares = np.full(1001, np.inf)
    shares[: 1 + round(1000 * share_reached)] = 0.5
    assert study.report._format_share(shares) == f"50 % [50 % … {end}]"


def records(study, seeds=(0, 1), names=("a", "b", "c")):
    """Each class is right for a share of its 1,000 pixels that grows with the clicks, twice as fast by suggestions."""
    found = {}
    for policy, seed in itertools.product(study.report.POLICIES, seeds):
        counts = []
        for clicks in (10, 20, 40):
            right = 100 * np.log2(clicks / 10 * (2 if policy == "suggestions" else 1)) + 300
            image = np.array([[right, right - 50], [1000, 1000], [1000, 1000]])
            counts.append([image + 10 * index for index in range(len(names))])
        counts = {where: np.array(counts, np.int64) for where in study.report.WHERE}
        cell = study.report.Cell(policy, "dubai", "0", seed)
        found[cell] = study.report.Record(
            [10, 20, 40], {where: list(names) for where in study.report.WHERE}, counts, {}
        )
    return found


def test_half_the_clicks_reach_the_same(study):
    table = study.report.compare(records(study), "dubai", "annotated", ["land", "road"]).splitlines()
    assert table[0] == "dubai, annotated: 3 images, folds and seeds [('0', 0), ('0', 1)]"
    cells = [cell.strip() for cell in table[5].strip("|").split("|")]
    assert cells[0] == f"{20 / 3:.3g}"
    assert cells[1] > cells[2] == cells[3]
    assert cells[4].endswith("(road)")
    assert cells[7] == "50 % [50 % … 50 %]"
    assert cells[8] == "100 % [100 % … 100 %]"


def test_only_sessions_that_all_policies_have_count(study):
    cells = records(study)
    del cells[study.report.Cell("random", "dubai", "0", 1)]
    assert "folds and seeds [('0', 0)]" in study.report.compare(cells, "dubai", "held out", ["land", "road"])
    assert "no fold and seed" in study.report.compare(cells, "peanut", "held out", ["land", "road"])


def test_sessions_come_back(study, tmp_path):
    results = study.report.Results(tmp_path)
    (cell, record), *_ = records(study).items()
    assert results.find(cell) is None
    results.add(cell, record)
    found = results.find(cell)
    assert (found.budgets, found.names) == (record.budgets, record.names)
    assert all(np.array_equal(found.counts[where], record.counts[where]) for where in study.report.WHERE)
