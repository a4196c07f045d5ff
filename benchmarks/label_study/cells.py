"""The cells of the label-budget study, and the file of those that have finished."""

import datetime
import json
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmseg_ext.files import replace_file


class Cell(NamedTuple):
    """One fit or training run.

    Attributes:
        method: What is fitted or trained.
        dataset: 'dubai' or 'peanut'.
        fold: '0', '1' or '2'; or 'tile_1' … 'tile_6', which is left out of the training whole.
        budget: 'all', or the number of points a class and image.
        seed: Of the points, and of the training.
    """

    method: str
    dataset: str
    fold: str
    budget: str
    seed: int

    @property
    def name(self) -> str:
        """A name for its files."""
        return "-".join([self.method.replace(" ", "-"), self.dataset, f"fold{self.fold}", self.budget, str(self.seed)])


class Record(NamedTuple):
    """What is known of a finished cell.

    Attributes:
        images_NCC: Confusion matrices of the validated images; a single one, of all, where they were not kept.
        about: Date, versions, iteration, seconds.
    """

    images_NCC: np.ndarray
    about: dict[str, Any]

    @property
    def by_image(self) -> bool:
        """Whether the matrices are those of single images."""
        return bool(self.about.get("by_image"))


class Results:
    """The finished cells, in a file that several processes may write in turn."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _rows(self) -> list[dict[str, Any]]:
        return json.loads(self.path.read_text())["cells"] if self.path.is_file() else []

    def read(self) -> dict[Cell, Record]:
        """Read them."""
        found = {}
        for row in self._rows():
            cell, images = Cell(*(row.pop(field) for field in Cell._fields)), np.array(row.pop("matrices"), np.int64)
            size = round(images.shape[1] ** 0.5)
            found[cell] = Record(images.reshape(-1, size, size), row)
        return found

    def add(self, cell: Cell, record: Record) -> None:
        """Add one; it replaces an earlier one of the same cell."""
        matrices = record.images_NCC.reshape(len(record.images_NCC), -1).tolist()
        rows = [r for r in self._rows() if Cell(*(r[field] for field in Cell._fields)) != cell]
        rows.append({**cell._asdict(), **record.about, "matrices": matrices})
        lines = sorted(json.dumps(row, separators=(",", ":")) for row in rows)
        replace_file(self.path, '{"cells": [\n' + ",\n".join(lines) + "\n]}\n")


def describe_run() -> dict[str, Any]:
    """Return what a cell was run with: today's date, threads and torch."""
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "torch": version("torch"),
    }


def run_missing(
    wanted: Sequence[Cell], is_finished: Callable[[Cell], bool], run: Callable[[Cell], Record], results: Results
) -> None:
    """Run the cells that have not finished, and add each to the results as soon as it has."""
    for number, cell in enumerate(wanted, 1):
        if not is_finished(cell):
            print(f"== {number} of {len(wanted)}: {cell.name}", flush=True)
            record = run(cell)
            results.add(cell, record._replace(about={**record.about, **describe_run()}))
