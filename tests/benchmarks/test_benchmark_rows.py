"""The common table of the benchmarks: ratios, marks and how rows are handed over."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def comparison(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import comparison

    yield comparison
    sys.modules.pop("comparison")


def test_ratios_and_marks(comparison):
    faster = comparison.less_is_better("a", 2.0, 5.0, "ms", 2.5)
    assert (faster.ratio, faster.met) == (2.5, True)
    assert comparison.less_is_better("a", 2.0, 4.9, "ms", 2.5).met is False
    assert comparison.more_is_better("a", 30.0, 20.0, "images/s", 1.4).ratio == 1.5
    close = comparison.within("a", 3.0, 2.0, "ms", 1.75)
    assert (close.ratio, close.met) == (1.5, True)
    assert comparison.within("a", 4.0, 2.0, "ms", 1.75).met is False
    assert comparison.less_is_better("a", 2.0, 5.0, "ms").met is None


def test_the_table_says_what_is_met(comparison):
    rows = [comparison.less_is_better("crop", 1.0, 2.0, "ms", 1.5), comparison.within("whole", 4.0, 2.0, "ms", 1.75)]
    head, line, met, missed = comparison.format_rows(rows).splitlines()
    assert head.split() == ["what", "ours", "other", "against", "ratio", "mark"]
    assert set(line) == {"─"}
    assert met.split() == ["crop", "1", "2", "ms", "stock", "2", "×", "≥", "1.5", "met"]
    assert missed.split() == ["whole", "4", "2", "ms", "floor", "2", "×", "≤", "1.75", "NOT", "MET"]


def test_rows_reach_the_common_table(comparison, tmp_path, monkeypatch):
    row = comparison.less_is_better("crop", 1.0, 2.0, "ms", 1.5)
    monkeypatch.delenv(comparison.ROWS_FILE, raising=False)
    comparison.publish(row)  # nobody asked
    monkeypatch.setenv(comparison.ROWS_FILE, str(tmp_path / "rows"))
    comparison.publish(row)
    comparison.publish(row, row)
    lines = (tmp_path / "rows").read_text().splitlines()
    assert [comparison.Row(**json.loads(line)) for line in lines] == [row] * 3
