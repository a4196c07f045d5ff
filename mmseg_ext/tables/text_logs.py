"""Read the text logs ``<timestamp>.log`` of mmengine 1.x and of mmseg 0.x.

Only whole lines count: a number in a last line that was cut could be another number.
"""

from __future__ import annotations

import math
import re
import statistics
from functools import lru_cache
from pathlib import Path
from typing import Literal

from .blocks import last_message_end, read_blocks
from .config_source import base_name
from .metrics import (
    BestAndLast,
    evaluation_from_row,
    keep_class_values,
    remember_stretch,
    remembered_stretch,
    set_class_values,
)
from .records import Evaluation, LogPart
from .settings import read_settings

_DATE = re.compile(rb"(\d{4})[/-](\d\d)[/-](\d\d) (\d\d:\d\d:\d\d)")
_TRAIN_MARKS = (b"Iter(train) ", b"Epoch(train) ", b" - Iter [", b" - Epoch [")
_TRAIN_ROW = re.compile(
    rb"(?:(?:Iter|Epoch)\(train\) *| - (?:Iter|Epoch) )(?:\[(?P<epoch>\d{1,9})\])?"
    rb"\[ *(?P<step>\d{1,12})/(?P<total>\d{1,12})\]"
)
_TIME = re.compile(rb"[\s,]time: (\d{1,9}(?:\.\d+)?(?:e[+-]?\d+)?)[,\s]")
_MEMORY = re.compile(rb"(\d{1,9})(?:,|  \w)")  # more follows in training rows, nothing in those of a validation
_ITEM = re.compile(r"(.+?): (-?(?:nan|inf|\d+(?:\.\d+)?(?:e[-+]?\d+)?))(?:, |\s\s+|\s*$)", re.IGNORECASE)
_EVALUATION = re.compile(rb"\((?:val|test)\) ")
_PARAMETER = re.compile(rb" - torch\.Size\(\[((?:\d{1,9}(?:, \d{1,9}){0,7})?)\]\)")
_CHECKPOINT_MARK = b"Saving checkpoint at "
_CHECKPOINT = re.compile(rb"Saving checkpoint at (\d{1,12}) iterations\n")
_NUM_TIMES = 101
Detail = Literal["full", "scores", "brief"]
_LONG_ROW = 1000
_NUMBER_BYTES = b"0123456789.+-"


def read_text_log(path: Path, wanted: frozenset[str] = frozenset(), *, detail: Detail = "full") -> LogPart:
    """Read a text log.

    Args:
        path: the file.
        wanted: per-class metrics to keep for every evaluation, such as ``IoU.water``.
        detail: what to read; ``scores`` leaves out time and memory, ``brief`` validations too, where another log of
            the same start has told them already.
    """
    reader = _Reader(wanted, detail)
    for block, is_last in read_blocks(path, b"\n20"):
        reader.read(block, is_last)
    return reader.finish()


class _Reader:
    """State that is carried from one block of whole messages to the next."""

    def __init__(self, wanted: frozenset[str], detail: Detail) -> None:
        self.wanted = wanted
        self.detail = detail
        self.part = LogPart()
        self.is_last = True
        self.train_step: int | None = None
        self.earlier_step: int | None = None
        self.open_table = b""
        self.steps_per_epoch: int | None = None
        self.times: list[float] = []
        self.kept: BestAndLast[tuple[bytes, bytes, float]] = BestAndLast()

    def read(self, block: bytes, is_last: bool) -> None:
        """Read one block; only the last block of a file may end inside a message."""
        self.is_last = is_last
        self.earlier_step = self.train_step
        end = last_message_end(block)
        if end < len(block):
            self.part.is_cut = True
            block = block[:end]
        if not self.part.started:
            date = _DATE.search(block, 0, 4096)
            self.part.started = _date(date) if date else ""
        last = _DATE.match(block, block.rfind(b"\n20") + 1)
        self.part.ended = _date(last) if last else self.part.ended
        mark = next((mark for mark in _TRAIN_MARKS if mark in block), None)
        first_train = -1
        if mark is not None:
            first_train = self._read_train(block, mark)
        if self.train_step is None or first_train >= 0:
            self._read_head(block, first_train if first_train >= 0 else len(block))
        self._read_evaluations(block, mark)
        last_train = block.rfind(mark) if mark is not None else -1
        self._read_error(block, last_train)
        saved = _saved_step(block, max(last_train, 0), len(block))
        if saved is not None:
            part = self.part
            part.last_step = saved if part.last_step is None else max(saved, part.last_step)
        name = re.search(rb"Exp name: *([^\n]+)\n", block) if not self.part.config_name else None
        if name:
            self.part.config_name = base_name(name[1].decode("utf-8", "replace"))

    def _read_head(self, block: bytes, end: int) -> None:
        """Read what stands before the first training row: environment, config, parameters, resume."""
        part = self.part
        for name, pattern in (("num_gpus", rb"GPU number: *(\d{1,6})\n"), ("seed", rb"\n *seed: *(\d{1,12})\n")):
            match = re.search(pattern, block[:end])
            if match and getattr(part, name) is None:
                setattr(part, name, int(match[1]))
        config = block.find(b"Config:\n", 0, end)
        if config >= 0 and part.settings is None:
            config_end = self._message_end(block, config)
            if config_end is None:
                part.is_cut = True
            else:
                source = block[config + len(b"Config:\n") : config_end].decode("utf-8", "replace")
                part.settings = read_settings(source)
        self._read_parameters(block, end)
        match = re.search(rb"resumed epoch:? *\d+, iter:? *(\d{1,12})\b", block[:end])
        if match:
            part.resumed_from = int(match[1])

    def _read_parameters(self, block: bytes, end: int) -> None:
        """Count parameters from the list of initial values that mmengine writes for every one of them."""
        start = block.find(b"Name of parameter - Initialization information", 0, end)
        stop = self._message_end(block, start) if start >= 0 else None
        if stop is None:
            return
        self.part.num_parameters = count_parameters(block[start:stop])

    def _message_end(self, block: bytes, position: int) -> int | None:
        """Return where a message ends: before the next dated line; None where the file may have been cut inside it."""
        end = _next_message(block, position)
        return len(block) if end is None and not self.is_last else end

    def _read_train(self, block: bytes, mark: bytes) -> int:
        """Read the training rows; returns where the first one of this file starts, -1 where it came earlier."""
        part = self.part
        start = block.find(mark)
        second = block.find(mark, start + 1)
        had_rows = self.train_step is not None
        for position in (start, second):
            step = self._step_at(block, position) if position >= 0 else None
            if step is None:
                continue
            if part.first_step is None:
                part.first_step = step
            elif part.step_interval is None:
                part.step_interval = step - part.first_step
        last = self._step_at(block, block.rfind(mark))
        part.last_step = part.last_step if last is None else last
        if self.detail == "full":
            self._read_times(block, mark, start)
            self._read_memory(block)
        if last is not None:
            self.train_step = last
        return -1 if had_rows else start

    def _read_times(self, block: bytes, mark: bytes, start: int) -> None:
        """Read the times of training rows at evenly spaced places."""
        stop = len(block)
        previous = -1
        for index in range(_NUM_TIMES):
            position = block.find(mark, start + (stop - start) * index // _NUM_TIMES)
            if position < 0:
                return
            if position == previous:
                continue
            previous = position
            match = _TIME.search(block, position, block.find(b"\n", position) + 1)
            if match:
                self.times.append(float(match[1]))

    def _read_memory(self, block: bytes) -> None:
        for piece in {piece[:12] for piece in block.split(b"memory: ")}:
            number = _MEMORY.match(piece)
            if number:
                self.part.memory = max(self.part.memory or 0.0, float(number[1]))

    def _step_at(self, block: bytes, position: int) -> int | None:
        match = _TRAIN_ROW.match(block, position)
        if match is None:
            return None
        step, total = int(match["step"]), int(match["total"])
        if match["epoch"] is not None:
            self.steps_per_epoch = total
            return (int(match["epoch"]) - 1) * total + step
        self.part.max_steps = total
        return step

    def _read_evaluations(self, block: bytes, mark: bytes | None) -> None:
        if self.detail == "brief" and b"Iter(test) [" not in block and b"Epoch(test) [" not in block:
            return
        previous = 0
        for match in _EVALUATION.finditer(block):
            position = match.start()
            if block.find(b"eta: ", position, position + 80) < 0:  # else a line of progress
                self._read_evaluation(block, position, block[position : block.find(b"\n", position)], mark, previous)
                previous = position
        start = block.rfind(b"per class results")
        is_open = start >= 0 and block.find(b"(val)", start) < 0 and block.find(b"(test)", start) < 0
        self.open_table = block[start:] if is_open else b""

    def _read_evaluation(self, block: bytes, position: int, line: bytes, mark: bytes | None, previous: int) -> None:
        bracket = re.match(rb"\((?:val|test)\) *(?:\[ *\d+\])?\[ *\d+(/\d+)?\]", line)
        if bracket is None:
            return
        rest = line[bracket.end() :]
        scale = 100.0 if rest.startswith(b"\t") else 1.0
        is_test = line.startswith(b"(test)")
        step = None if is_test else self._step_before(block, position, mark)
        evaluation = evaluation_from_row(self._summary(rest), step, scale=scale, wanted=self.wanted)
        if evaluation is None:
            return
        start = block.rfind(b"per class results", previous, position)
        table = block[start:position] if start >= 0 else self.open_table
        self.open_table = b""
        if self.wanted and table:
            _add_wanted(evaluation, table, self.wanted)
        (self.part.tests if is_test else self.part.evaluations).append(evaluation)
        self.kept.add(evaluation, (rest, table, scale))

    def _summary(self, rest: bytes) -> dict[str, float]:
        """Read the numbers of an evaluation, without the per-class ones where they are many and not asked for."""
        if len(rest) < _LONG_ROW or self.wanted:
            return read_items(rest)
        kind = rest.translate(None, _NUMBER_BYTES)
        stretch = remembered_stretch(kind)
        if stretch:
            return read_items(without_classes(rest, stretch))
        row = read_items(rest)
        if stretch is None:
            remember_stretch(kind, row)
        return row

    def _step_before(self, block: bytes, position: int, mark: bytes | None) -> int | None:
        """Return the step of an evaluation: of the training row before it, or the one its interval tells."""
        row = block.rfind(mark, 0, position) if mark is not None else -1
        before = self._step_at(block, row) if row >= 0 else None
        before = self.earlier_step if before is None else before
        saved = _saved_step(block, max(row, 0), position)
        if saved is not None and (before is None or saved > before):
            before = saved
        part = self.part
        if before is None:
            before = part.evaluations[-1].step if part.evaluations else part.resumed_from
        interval = part.settings.val_interval if part.settings else None
        if not interval:
            return before
        last = part.evaluations[-1].step if part.evaluations else None
        step = -(-(before or 0) // interval) * interval
        if last is not None and step <= last:
            step += interval
        step = max(step, interval)
        limit = (before or 0) + (part.step_interval or part.first_step or step)
        if part.max_steps:
            step = min(step, part.max_steps)
        return step if step <= limit else before

    def _read_error(self, block: bytes, last_train: int) -> None:
        """Find a traceback behind the last training row."""
        if last_train >= 0:
            self.part.error = ""
        start = block.find(b"Traceback (most recent call last)", max(last_train, 0))
        if start < 0:
            return
        stop = _next_message(block, start)
        lines = block[start : len(block) if stop is None else stop].decode("utf-8", "replace").splitlines()
        errors = [line.strip() for line in lines[1:] if line.strip() and not line.startswith((" ", "\t"))]
        self.part.error = errors[-1][:200] if errors else "Traceback"

    def finish(self) -> LogPart:
        """Return what was read; per-class numbers of the best and the last evaluation are filled in."""
        part = self.part
        for evaluation, (rest, table, scale) in self.kept.chosen():
            keep_class_values(evaluation, read_items(rest), scale)
            if not evaluation.class_names:
                set_class_values(evaluation, read_class_table(table) or {})
        if self.times:
            part.seconds_per_step = round(statistics.median(self.times), 6)
        settings = part.settings
        if settings is not None and part.max_steps is None:
            part.max_steps = settings.max_steps
            if part.max_steps is None and settings.max_epochs and self.steps_per_epoch:
                part.max_steps = settings.max_epochs * self.steps_per_epoch
        return part


@lru_cache(maxsize=16)
def count_parameters(text: bytes) -> int | None:
    r"""Count parameters from the list of initial values that mmengine logs; None where it lists none.

    Example:
        >>> count_parameters(b"conv.weight - torch.Size([8, 3, 3, 3]): \nconv.bias - torch.Size([8]): \n")
        224
    """
    sizes = _PARAMETER.findall(text)
    return sum(math.prod(map(int, size.split(b", "))) if size else 1 for size in sizes) or None


def read_items(text: bytes) -> dict[str, float]:
    """Read ``name: number`` items, divided by two spaces (1.x) or a comma (0.x); a name may hold commas itself.

    Example:
        >>> read_items(b"    aAcc: 81.8200  mIoU: nan  IoU.bed, double: 3.5000  ")
        {'aAcc': 81.82, 'mIoU': nan, 'IoU.bed, double': 3.5}
    """
    return {match[1]: float(match[2]) for match in _ITEM.finditer(text.decode("utf-8", "replace").strip())}


def without_classes(text: bytes, kinds: tuple[str, ...]) -> bytes:
    """Return a row's items without the per-class ones, which stand side by side and are of the given kinds.

    Example:
        >>> without_classes(b"  mIoU: 1.50  IoU.a: 1.00  IoU.b: 2.00  time: 0.1", ("IoU",))
        b'  mIoU: 1.50  time: 0.1'
    """
    marks = [b" %b." % kind.encode() for kind in kinds]
    first = min((position for position in map(text.find, marks) if position >= 0), default=-1)
    if first < 0:
        return text
    value = text.find(b": ", max(map(text.rfind, marks))) + 2
    ends = [end for end in (text.find(b", ", value), text.find(b"  ", value)) if end >= 0]
    return text[: first + 1] + text[min(ends) + 2 :] if ends else text[:first].rstrip(b", ")


def _add_wanted(evaluation: Evaluation, table: bytes, wanted: frozenset[str]) -> None:
    values = read_class_table(table) or {}
    for name in wanted:
        kind, _, label = name.partition(".")
        if label in values.get(kind, {}):
            evaluation.metrics.setdefault(name, values[kind][label])


def _saved_step(block: bytes, start: int, end: int) -> int | None:
    """Return the step of the last checkpoint that was written in a part of a block."""
    position = block.rfind(_CHECKPOINT_MARK, start, end)
    match = _CHECKPOINT.match(block, position) if position >= 0 else None
    return int(match[1]) if match else None


def _date(match: re.Match[bytes]) -> str:
    year, month, day, time = (group.decode() for group in match.groups())
    return f"{year}-{month}-{day} {time}"


def _next_message(block: bytes, position: int) -> int | None:
    """Return where the next dated line starts, None where there is none."""
    while True:
        position = block.find(b"\n20", position)
        if position < 0:
            return None
        if _DATE.match(block, position + 1):
            return position + 1
        position += 1


def read_class_table(text: bytes) -> dict[str, dict[str, float]] | None:
    """Read the first class table of a message.

    Args:
        text: bytes that hold a table as mmseg prints it, with three borders.

    Returns:
        Numbers in percent by kind (IoU, Acc, …) and class; None where there is no table or it was cut.
    """
    lines = text.decode("utf-8", "replace").splitlines()
    borders = [index for index, line in enumerate(lines) if line.startswith("+-")][:3]
    if len(borders) < 3:
        return None
    names = [cell.strip() for cell in lines[borders[0] + 1].strip().strip("|").split("|")]
    kinds = names[1:]
    table: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    for line in lines[borders[1] + 1 : borders[2]]:
        cells = line.strip().strip("|").rsplit("|", len(kinds))
        if len(cells) != len(kinds) + 1:
            return None
        for kind, cell in zip(kinds, cells[1:], strict=True):
            try:
                table[kind][cells[0].strip()] = float(cell)
            except ValueError:
                return None
    return table
