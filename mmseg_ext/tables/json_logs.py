"""Read ``scalars.json`` (mmengine 1.x), ``<timestamp>.json`` (its tests) and ``.log.json`` (mmseg 0.x)."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .config_source import base_name
from .log_lines import LogLines
from .metric_names import is_class_metric, is_summary_metric, metric_name
from .records import MAX_STEP, Evaluation, LogPart
from .run_settings import read_settings
from .score_rows import ClassTable, keep_class_values, make_evaluation, read_class_table

_MAX_MEASUREMENT = 1e9
_TRAIN_END = re.compile(
    r'"time": ([0-9]{1,9}\.[0-9]{1,20}), "iter": ([0-9]{1,12}), "memory": ([0-9]{1,9}), "step": ([0-9]{1,12})\}$',
    re.MULTILINE,
)
"""The end of a training row as mmengine writes it; any other row is parsed whole."""

_SCORE = 'mIoU": '


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
    lines = LogLines(path)
    for block in lines:
        reader.read_block(block)
    reader.part.num_bad_lines += lines.num_too_long
    tail = lines.tail.rstrip()
    if tail.endswith("}"):
        reader.read(tail)
    reader.part.is_cut = bool(tail) and not tail.endswith("}")
    return reader.finish()


class _JsonReader:
    """What was read so far."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self.part = LogPart()
        self.steps: list[str | int | None] = []
        self.seconds: list[str] = []
        self.memory: list[str] = []
        self.rows: list[tuple[Evaluation, Callable[[], ClassTable]]] = []

    def read_block(self, block: str) -> None:
        """Read whole lines. One search for the ends of training rows is much faster than a search a line."""
        pieces = _TRAIN_END.split(block)
        starts, seconds, iterations, memory, steps = (pieces[index::5] for index in range(5))
        done = 0
        for index, start in enumerate(starts):
            is_last = index == len(steps)  # what stands behind the last training row
            if start.startswith("\n{") and not start.rfind("\n") and _SCORE not in start and not is_last:
                continue  # the start of a training row, and nothing before it
            self._add_train_rows(seconds[done:index], memory[done:index], steps[done:index])
            done = index
            *lines, last = start.split("\n")
            for line in lines[1:]:
                self.read(line)
            if is_last:
                self.read(last)
            elif not last.startswith("{") or _SCORE in last:
                end = f'"time": {seconds[index]}, "iter": {iterations[index]}, "memory": {memory[index]}'
                self.read(f'{last}{end}, "step": {steps[index]}}}')
                done += 1
        self._add_train_rows(seconds[done:], memory[done:], steps[done:])

    def _add_train_rows(self, seconds: list[str], memory: list[str], steps: list[str]) -> None:
        self.seconds += seconds
        self.memory += memory
        self.steps += steps

    def read(self, line: str) -> None:
        """Read a line that is no training row of the usual form."""
        row = _parse(line)
        if row is None:
            self.part.num_bad_lines += bool(line.strip())
        elif _is_train(row):
            self._read_train(row)
        elif "config" in row or "env_info" in row:
            self._read_header(row)
        else:
            self._read_evaluation(row)

    def _read_train(self, row: dict[str, Any]) -> None:
        for name, column in (("time", self.seconds), ("memory", self.memory)):
            value = row.get(name)
            if isinstance(value, (int, float)) and 0 <= value < _MAX_MEASUREMENT:
                column.append(str(float(value)))
        self.steps.append(_step(row.get("step", row.get("iter"))))

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
        step = None if is_old else _step(row.get("step"))
        before = int(self.steps[-1]) if self.steps and self.steps[-1] is not None else None
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
        part.set_training([step for step in self.steps if step is not None], self.seconds, self.memory)
        settings = part.settings
        if settings is not None:
            part.max_steps = settings.max_steps
            if settings.max_epochs and not settings.max_steps:  # "iter" starts anew in every epoch: no step is known
                part.first_step = part.last_step = part.step_interval = None
                for evaluation in part.evaluations:
                    evaluation.step = None
        return part


def _parse(line: str) -> dict[str, Any] | None:
    """Return the JSON object of a line; None where it holds none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _is_train(row: dict[str, Any]) -> bool:
    """Return whether a row is of training; 0.x writes "train" in some rows of evaluations, which have metrics."""
    is_train = row["mode"] == "train" if "mode" in row else "iter" in row or "lr" in row
    if not is_train or "mIoU" in row:
        return False
    return "loss" in row or not any(is_summary_metric(metric_name(key)) or is_class_metric(key) for key in row)


def _step(value: Any) -> int | None:
    """Return a step (or a seed); None for anything but an integer below MAX_STEP."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_STEP else None
