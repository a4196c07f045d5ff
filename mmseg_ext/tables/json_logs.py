"""Read ``scalars.json`` (mmengine 1.x), ``<timestamp>.json`` (its tests) and ``.log.json`` (mmseg 0.x).

A log holds thousands of training rows that differ in their numbers alone. Rows are therefore compared without their
digits first: one row of each kind is parsed in full, the others are known to be sound, and numbers are only read from
the rows that matter.
"""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

from .blocks import read_blocks
from .config_source import base_name
from .metrics import (
    BestAndLast,
    evaluation_from_row,
    keep_class_values,
    remember_stretch,
    remembered_stretch,
)
from .records import Evaluation, LogPart
from .settings import read_settings

_NUMBER_BYTES = b"0123456789.+-"
_TIME = re.compile(rb'"time": *(\d{1,9}(?:\.\d+)?(?:e[+-]?\d+)?)[,}]')
_STEP = re.compile(rb'"step": *(\d{1,12})[,}]')
_ITER = re.compile(rb'"iter": *(\d{1,12})[,}]')
_NUMBER = re.compile(rb"\d{1,9}(?=[,}.])")
_NUM_TIMES = 101
_LONG_ROW = 1000


def read_json_log(path: Path, wanted: frozenset[str] = frozenset()) -> LogPart:
    """Read a log of one JSON object a line.

    Args:
        path: the file.
        wanted: per-class metrics to keep for every evaluation, such as ``IoU.water``.

    Returns:
        What the log says. A last line without its newline that does not parse makes the log cut; any other line that
        does not parse is counted.
    """
    reader = _Reader(wanted)
    for block, _ in read_blocks(path, b"\n"):
        reader.read(block)
    return reader.finish()


class _Reader:
    """State that is carried from one block to the next."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self.part = LogPart()
        self.last_train: bytes = b""
        self.times: list[float] = []
        self.kept: BestAndLast[tuple[bytes, float]] = BestAndLast()
        self.without_step: list[Evaluation] = []

    def read(self, block: bytes) -> None:
        """Read one block of whole lines; the last line of the last block may be cut."""
        lines = block.split(b"\n")
        kinds = block.translate(None, _NUMBER_BYTES).split(b"\n")
        tail = lines.pop()
        kinds.pop()
        different = set(kinds)
        examples = dict(zip(kinds, lines, strict=True)) if len(different) > 20 else {}
        train_kinds = set()
        for kind in different:
            if b'"iter"' not in kind and b'"lr"' not in kind:
                continue
            row = _parse(examples[kind] if examples else lines[kinds.index(kind)])
            if row is not None and _is_train(row):
                train_kinds.add(kind)
        others = [index for index, kind in enumerate(kinds) if kind not in train_kinds]
        skip = set(others)
        if len(others) < len(lines):
            self._read_train(lines, skip)
            self._read_memory(block)
        for index in others:
            if index and index - 1 not in skip:
                self.last_train = lines[index - 1]
            self._read_other(lines[index], kinds[index])
        if lines and len(lines) - 1 not in skip:
            self.last_train = lines[-1]
        if tail:
            self._read_tail(tail)

    def _read_tail(self, tail: bytes) -> None:
        row = _parse(tail)
        if row is None:
            if _looks_whole(tail):
                self.part.num_bad_lines += 1
            else:
                self.part.is_cut = True
        elif _is_train(row):
            self._read_train([tail], set())
            self._read_memory(tail)
        else:
            self._read_other(tail, tail)

    def _read_train(self, lines: list[bytes], skip: set[int]) -> None:
        """Read the rows of a block that are training rows: all but the skipped ones; at least one is."""
        part = self.part
        count = len(lines)
        if part.step_interval is None:
            first = [line for index, line in enumerate(lines[: len(skip) + 2]) if index not in skip][:2]
            for line in first:
                step = _step(line)
                if part.first_step is None:
                    part.first_step = step
                elif part.step_interval is None and step is not None:
                    part.step_interval = step - part.first_step
        last = _step(lines[next(index for index in range(count - 1, -1, -1) if index not in skip)])
        part.last_step = part.last_step if last is None else last
        for index in range(0, count, max(1, count // _NUM_TIMES)):
            match = _TIME.search(lines[index]) if index not in skip else None
            if match:
                self.times.append(float(match[1]))

    def _read_memory(self, block: bytes) -> None:
        for piece in {piece[:12] for piece in block.split(b'"memory": ')[1:]}:
            number = _NUMBER.match(piece)
            if number:
                self.part.memory = max(self.part.memory or 0.0, float(number[0]))

    def _read_other(self, line: bytes, kind: bytes) -> None:
        if not line.strip():
            return
        row = self._summary(line, kind)
        if row is None:
            self.part.num_bad_lines += 1
        elif "config" in row or "env_info" in row:
            self._read_header(row)
        elif _is_train(row):
            self._read_train([line], set())
            self._read_memory(line)
            self.last_train = line
        else:
            self._read_evaluation(row, line)

    def _summary(self, line: bytes, kind: bytes) -> dict[str, Any] | None:
        """Parse a row, without its per-class numbers where they are many and not asked for."""
        if len(line) < _LONG_ROW or self.wanted:
            return _parse(line)
        stretch = remembered_stretch(kind)
        if stretch:
            return _parse(without_classes(line, stretch))
        row = _parse(line)
        if row is not None and stretch is None:
            remember_stretch(kind, row)
        return row

    def _read_header(self, row: dict[str, Any]) -> None:
        """Read the first row of a 0.x log: environment, config, seed."""
        part = self.part
        source = row.get("config")
        if isinstance(source, str):
            part.settings = read_settings(source)
        name = row.get("exp_name")
        if isinstance(name, str):
            part.config_name = base_name(name)
        seed = row.get("seed")
        part.seed = seed if isinstance(seed, int) else part.seed

    def _read_evaluation(self, row: dict[str, Any], line: bytes) -> None:
        is_fraction = "mode" in row
        if is_fraction and row.get("mode") not in ("val", "test"):
            return
        scale = 100.0 if is_fraction else 1.0
        before = _step(self.last_train) if self.last_train else None
        stated = None if is_fraction else row.get("step")
        step = stated if isinstance(stated, int) else None
        if before is not None and (step is None or step < before):
            step = before
        evaluation = evaluation_from_row(row, step, scale=scale, wanted=self.wanted)
        if evaluation is None:
            return
        if step is None:
            self.without_step.append(evaluation)
        else:
            self.part.evaluations.append(evaluation)
        self.kept.add(evaluation, (line, scale))

    def finish(self) -> LogPart:
        """Return what was read; per-class numbers of the best and the last evaluation are filled in."""
        part = self.part
        part.tests = self.without_step
        for evaluation, (line, scale) in self.kept.chosen():
            keep_class_values(evaluation, _parse(line) or {}, scale)
        if self.times:
            part.seconds_per_step = round(statistics.median(self.times), 6)
        settings = part.settings
        if settings is not None:
            part.max_steps = settings.max_steps
            if settings.max_epochs and not settings.max_steps:  # steps start again with every epoch: not known
                part.first_step = part.last_step = part.step_interval = None
                for evaluation in part.evaluations:
                    evaluation.step = None
        return part


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return a line's JSON object; None where it is none."""
    try:
        row = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def without_classes(line: bytes, kinds: tuple[str, ...]) -> bytes:
    """Return a JSON row without its per-class numbers, which stand side by side and are of the given kinds.

    Example:
        >>> without_classes(b'{"mIoU": 1.5, "IoU.a, b": 1.0, "IoU.c": 2.0, "step": 8}', ("IoU",))
        b'{"mIoU": 1.5, "step": 8}'
    """
    marks = [b'"%b.' % kind.encode() for kind in kinds]
    first = min(line.find(mark) for mark in marks)
    last = max(line.rfind(mark) for mark in marks)
    comma = line.find(b",", line.find(b'": ', last))
    if comma >= 0:
        return line[:first] + line[comma + 1 :].lstrip()
    return line[:first].rstrip().removesuffix(b",") + b"}"


def _is_train(row: dict[str, Any]) -> bool:
    """Tell a training row from an evaluation, in both generations of logs."""
    if "mode" in row:
        return row["mode"] == "train"
    return ("iter" in row or "lr" in row) and not any(key.endswith("mIoU") for key in row)


def _step(line: bytes) -> int | None:
    match = _STEP.search(line) or _ITER.search(line)
    return int(match[1]) if match else None


def _looks_whole(line: bytes) -> bool:
    """Tell whether a line that does not parse was written to its end, rather than cut."""
    return line.rstrip().endswith(b"}")
