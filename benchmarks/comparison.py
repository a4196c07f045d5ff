"""What every benchmark gives to the common table of ``make bench``: rows of two sides and their ratio.

A benchmark joins it by one line where it has both figures, ``publish(less_is_better(what, ours, other, "ms"))``, and by
its name in ``benchmarks/run.py``. Run by itself it prints what it likes, and `publish` does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

ROWS_FILE = "MMSEG_EXT_BENCHMARK_ROWS"  # environment variable: where rows are collected
PACKAGES = ("torch", "onedl-mmsegmentation", "onedl-mmcv", "timm", "opencv-python", "numpy")


class Row(NamedTuple):
    """One comparison.

    Attributes:
        what: What is measured.
        ours: Our figure, in `unit`.
        other: The other side's.
        unit: Of both.
        ratio: How many times as good ours is; or, with `at_most`, how many times what the other needs.
        mark: What the ratio is to reach; None where nothing is set.
        at_most: The ratio is to stay at or below the mark, not at or above it.
        against: Who the other side is.
    """

    what: str
    ours: float
    other: float
    unit: str
    ratio: float
    mark: float | None = None
    at_most: bool = False
    against: str = "stock"

    @property
    def met(self) -> bool | None:
        """Whether the mark is reached; None without one."""
        if self.mark is None:
            return None
        return self.ratio <= self.mark if self.at_most else self.ratio >= self.mark


def less_is_better(
    what: str, ours: float, other: float, unit: str, mark: float | None = None, against: str = "stock"
) -> Row:
    """Compare times, bytes: the ratio is other : ours."""
    return Row(what, ours, other, unit, other / ours, mark, against=against)


def more_is_better(
    what: str, ours: float, other: float, unit: str, mark: float | None = None, against: str = "stock"
) -> Row:
    """Compare rates: the ratio is ours : other."""
    return Row(what, ours, other, unit, ours / other, mark, against=against)


def within(what: str, ours: float, floor: float, unit: str, mark: float | None = None, against: str = "floor") -> Row:
    """Compare with what cannot be undercut: the ratio is ours : floor, and stays at or below the mark."""
    return Row(what, ours, floor, unit, ours / floor, mark, at_most=True, against=against)


def publish(*rows: Row) -> None:
    """Hand rows to ``benchmarks/run.py``, where that runs this process."""
    path = os.environ.get(ROWS_FILE)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(row._asdict()) + "\n" for row in rows)


def describe_machine() -> str:
    """Name date, versions and machine, in one line."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {', '.join(versions)}; "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"
    )


def add_torch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a benchmark that computes with torch."""
    parser.add_argument("--threads", type=int, help="of torch, for both sides; its own choice by default")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])


def start_torch(args: argparse.Namespace, package: str) -> str:
    """Set the number of threads; name date, versions, machine and threads."""
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{os.cpu_count()} cores"
    return (
        f"{time.strftime('%Y-%m-%d')}, torch {torch.__version__}, {package} {version(package)}, {platform.machine()}, "
        f"{where}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.2f}"
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def format_rows(rows: Iterable[Row]) -> str:
    """Lay the rows out as a table of text."""
    cells: list[Sequence[str]] = [("what", "ours", "other", "", "against", "ratio", "mark", "")]
    for row in rows:
        mark = "" if row.mark is None else f"{'≤' if row.at_most else '≥'} {row.mark:.3g}"
        met = {None: "", True: "met", False: "NOT MET"}[row.met]
        ratio = f"{row.ratio:.3g} ×"
        cells.append((row.what, _number(row.ours), _number(row.other), row.unit, row.against, ratio, mark, met))
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    left = {0, 3, 4, 6, 7}
    lines = []
    for line in cells:
        parts = [text.ljust(widths[i]) if i in left else text.rjust(widths[i]) for i, text in enumerate(line)]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "─" * max(map(len, lines)))
    return "\n".join(lines)
