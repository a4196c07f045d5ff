"""Read ``scalars.json`` (mmengine 1.x), ``<timestamp>.json`` (its tests) and ``.log.json`` (mmseg 0.x)."""

import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .config_source import base_name
from .log_lines import read_lines
from .metric_names import is_class_metric, is_summary_metric, metric_name
from .records import MAX_MEASUREMENT, MAX_STEP, Evaluation, LogPart
from .run_settings import read_settings
from .score_rows import ClassTable, keep_class_values, make_evaluation, read_class_table


def read_json_log(path: Path, wanted: frozenset[str] = frozenset()) -> LogPart:
    """Read a log of one JSON object a line.

    Args:
        path: The file.
        wanted: Per-class metrics to keep for every evaluation, such as ``IoU.water``.

    Returns:
        What the log says. A last line without its newline that does not parse makes the log cut; any other line that
        does not parse is counted.
    """
    reader = _JsonReader(wanted)
    for line in read_lines(path):
        reader.read(line)
    return reader.finish()


class _JsonReader:
    """What was read so far."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self.part = LogPart()
        self.times: list[float] = []
        self.rows: list[tuple[Evaluation, Callable[[], ClassTable]]] = []

    def read(self, line: str | None) -> None:
        row = _parse(line)
        if row is None:
            if line is not None and not line.endswith(("\n", "}")):
                self.part.is_cut = True
            elif line is None or line.strip():
                self.part.num_bad_lines += 1
        elif _is_train(row):
            self._read_train(row)
        elif "config" in row or "env_info" in row:
            self._read_header(row)
        else:
            self._read_evaluation(row)

    def _read_train(self, row: dict[str, Any]) -> None:
        step = _step(row.get("step", row.get("iter")))
        if step is not None:
            self.part.add_train_step(step)
        seconds, memory = row.get("time"), row.get("memory")
        if isinstance(seconds, (int, float)) and 0 <= seconds < MAX_MEASUREMENT:
            self.times.append(seconds)
        if isinstance(memory, (int, float)) and 0 <= memory < MAX_MEASUREMENT:
            self.part.memory = max(self.part.memory or 0.0, float(memory))

    def _read_header(self, row: dict[str, Any]) -> None:
        """Read the first row of a 0.x log: environment, config, seed."""
        part = self.part
        source, name = row.get("config"), row.get("exp_name")
        if isinstance(source, str):
            part.settings = read_settings(source)
        if isinstance(name, str):
            part.config_name = base_name(name)
        part.seed = part.seed if (seed := _step(row.get("seed"))) is None else seed

    def _read_evaluation(self, row: dict[str, Any]) -> None:
        """Read an evaluation: 0.x has fractions and no step of its own, since its "iter" counts validation images."""
        is_old = "mode" in row
        if is_old and row["mode"] not in ("train", "val", "test"):
            return
        scale = 100.0 if is_old else 1.0
        step, before = None if is_old else _step(row.get("step")), self.part.last_step
        if before is not None and (step is None or step < before):
            step = before
        evaluation = make_evaluation(row, step, scale=scale, wanted=self.wanted)
        if evaluation is not None:
            self.rows.append((evaluation, partial(read_class_table, row, scale)))

    def finish(self) -> LogPart:
        """Return what was read, with the per-class metrics of the best and the last evaluation."""
        part = self.part
        keep_class_values(self.rows)
        evaluations = [evaluation for evaluation, _ in self.rows]
        part.evaluations = [item for item in evaluations if item.step is not None]
        part.tests = [item for item in evaluations if item.step is None]
        if self.times:
            part.seconds_per_step = round(statistics.median(self.times), 6)
        settings = part.settings
        if settings is not None:
            part.max_steps = settings.max_steps
            if settings.max_epochs and not settings.max_steps:  # "iter" starts anew in every epoch: no step is known
                part.first_step = part.last_step = part.step_interval = None
                for evaluation in part.evaluations:
                    evaluation.step = None
        return part


def _parse(line: str | None) -> dict[str, Any] | None:
    """Return the JSON object of a line; None where it holds none."""
    try:
        row = json.loads(line or "")
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _is_train(row: dict[str, Any]) -> bool:
    """Return whether a row is of training; 0.x writes some evaluations as training rows, which have no loss."""
    if "mode" in row:
        return row["mode"] == "train" and ("loss" in row or not any(map(_is_metric, row)))
    return ("iter" in row or "lr" in row) and not any(key.endswith("mIoU") for key in row)


def _is_metric(key: str) -> bool:
    return is_summary_metric(metric_name(key)) or is_class_metric(key)


def _step(value: Any) -> int | None:
    """Return a step (or a seed); None for anything but an integer below MAX_STEP."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_STEP else None
