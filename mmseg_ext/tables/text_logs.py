"""Read the text logs ``<timestamp>.log`` of mmengine 1.x and of mmseg 0.x.

Only whole lines count: a number in a last line that was cut could be another number.
"""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmseg_ext.escaping import printable

from .config_source import base_name
from .log_lines import LogLines
from .records import Evaluation, LogPart
from .run_settings import read_settings
from .score_rows import ClassTable, keep_class_values, make_evaluation, read_class_table

_DATE = re.compile(r"([0-9]{4})[/-]([0-9]{2})[/-]([0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})")
_NUMBER = (
    r"[0-9]{1,20}\.[0-9]{1,20}"  # most numbers, which are found faster this way
    r"|-?(?:[0-9]{1,20}(?:\.[0-9]{1,20}|)(?:[eE][-+]?[0-9]{1,3}|)|[nN][aA][nN]|[iI][nN][fF])"
)
_ITEM_NUMBER = re.compile(rf": ({_NUMBER})(?:\s\s+|, |\s*$)")
_CELL_NUMBER = re.compile(_NUMBER)
_PROGRESS = re.compile(r" *(?:\[ *[0-9]{1,9}\])?\[ *[0-9]{1,12}(?:/[0-9]{1,12})?\]")
_TRAIN_ROW = re.compile(
    r"\n(20[0-9/]{8} [0-9:]{8}) - mmengine - INFO - Iter\(train\) {1,9}\[ *([0-9]{1,12})/([0-9]{1,12})\]"
    r".{20,120}? time: ([0-9]{1,9}\.[0-9]{1,20})  data_time: [0-9.]{1,20}  memory: ([0-9]{1,9})  .*"
)
"""A training row as mmengine 1.x writes it where iterations are counted; any other line is read on its own."""

_CLASS_TABLE = re.compile(r"\n((?:\+-|\|).*(?:\n(?:\+-|\|).*)*)")
_OTHER_TRAIN_ROW = re.compile(
    r" *(?:\[ *([0-9]{1,9})\])?\[ *([0-9]{1,12})/([0-9]{1,12})\]"  # epoch, step, total
    r"(?:.*? time: ([0-9]{1,9}(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?)(?=[,\s]|$))?(?:.*? memory: ([0-9]{1,9})(?=[,\s]|$))?"
)
_FACT = re.compile(r" *(GPU number|seed): *([0-9]{1,12})")
_RESUMED = re.compile(r"resumed epoch:? *[0-9]+, iter:? *([0-9]{1,12})\b")
_CHECKPOINT = re.compile(r"Saving checkpoint at ([0-9]{1,12}) iterations$")
_PARAMETER = re.compile(r" - torch\.Size\(\[((?:[0-9]{1,9}(?:, [0-9]{1,9}){0,7})?)\]\)")
_STOPPED_EARLY = re.compile(
    r" - INFO - (?:the monitored metric did not improve|Stopping threshold reached|Monitored metric .* is infinite)"
)
"""The three messages of mmengine's EarlyStoppingHook."""

_ETA_RANGE = 80


def read_text_log(path: Path, wanted: frozenset[str] = frozenset()) -> LogPart:
    """Read a text log.

    Args:
        path: The file.
        wanted: Per-class metrics to keep for every evaluation, such as ``IoU.water``.
    """
    reader = _TextReader(wanted)
    lines = LogLines(path)
    for block in lines:
        reader.read_block(block)
    reader.part.num_bad_lines = lines.num_too_long
    reader.part.is_cut = bool(lines.tail)
    return reader.finish()


class _TextReader:
    """What was read so far.

    A message is a dated line with the lines behind it. Those of three kinds are gathered: the config, the list of
    parameters, and a traceback.
    """

    def __init__(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self.part = LogPart()
        self.rows: list[tuple[Evaluation, Callable[[], ClassTable]]] = []
        self.steps_before: list[tuple[Evaluation, int | None]] = []
        self.steps: list[str | int] = []
        self.seconds: list[str | None] = []
        self.memory: list[str | None] = []
        self.total, self.has_epochs = "", False
        self.saved_step = 0
        self.num_rows_at_save = self.num_rows_at_error = self.num_rows_at_stop = -1
        self.message: list[str] = []
        self.end_message: Callable[[], None] | None = None
        self.table: list[str] | None = None
        self.first_dated = self.last_dated = ""
        self.readers: list[tuple[str, Callable[[str, int], Any]]] = [
            (" - Iter ", self._read_train),
            (" - Epoch ", self._read_train),
            ("(train) ", self._read_train),
            ("(val) ", self._read_evaluation),
            ("(test) ", self._read_evaluation),
        ]

    def read_block(self, block: str) -> None:
        """Read whole lines. One search for all training rows is much faster than a search a line."""
        pieces = _TRAIN_ROW.split(block)
        columns = [pieces[index::6] for index in range(1, 6)]
        done = 0
        for index, others in enumerate(pieces[::6]):
            if others:
                self._add_train_rows(*(column[done:index] for column in columns))
                self._read_others(others)
                done = index
        self._add_train_rows(*(column[done:] for column in columns))

    def _read_others(self, text: str) -> None:
        r"""Read lines that are no training rows of the usual form, each with the ``\n`` before it."""
        pieces = _CLASS_TABLE.split(text)
        for lines, table in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
            for line in lines.split("\n")[1:]:
                self.read(line)
            if table and self.table is not None:
                self.table.append(table)
            elif table:
                for line in table.split("\n"):
                    self.read(line)

    def read(self, line: str) -> None:
        """Read a line that is no training row of the usual form."""
        if line.startswith("20") and _DATE.match(line):
            self._gather(None)
            self.last_dated = line
            self.first_dated = self.first_dated or line
        for mark, read in self.readers:
            if (place := line.find(mark)) >= 0:
                read(line, place + len(mark))
                return
        self._read_other(line)

    def _add_train_rows(
        self, dates: list[str], steps: list[str], totals: list[str], seconds: list[str], memory: list[str]
    ) -> None:
        if not dates:
            return
        self._gather(None)
        self.first_dated, self.last_dated = self.first_dated or dates[0], dates[-1]
        self.steps += steps
        self.seconds += seconds
        self.memory += memory
        self.total, self.has_epochs = totals[-1], False

    def _read_train(self, line: str, place: int) -> None:
        match = _OTHER_TRAIN_ROW.match(line, place)
        if match is None:
            self._read_other(line)
            return
        self._gather(None)
        epoch, step, self.total, seconds, memory = match.groups()
        self.has_epochs = epoch is not None
        # Where epochs are counted, steps start anew in every epoch.
        self.steps.append(int(step) + (int(epoch) - 1) * int(self.total) if epoch else step)
        self.seconds.append(seconds)
        self.memory.append(memory)

    def _read_evaluation(self, line: str, place: int) -> None:
        match = _PROGRESS.match(line, place)
        is_test = line.startswith("(test)", place - len("(test) "))
        self.part.is_test = self.part.is_test or is_test
        if match is None or line.find("eta: ", place, place + _ETA_RANGE) >= 0:  # with an eta it is not the last row
            return
        row = read_items(line[match.end() :])
        scale = 100.0 if line.startswith("\t", match.end()) else 1.0
        evaluation = make_evaluation(row, None, scale=scale, wanted=self.wanted)
        if evaluation is None:
            return
        read_classes = partial(_read_classes, row, scale, self.table or [])
        self.table = None
        if self.wanted:
            for kind, scores in read_classes().items():
                named = {f"{kind}.{name}": value for name, value in scores.items()}
                evaluation.metrics |= {name: value for name, value in named.items() if name in self.wanted}
        steps = [int(step) for step in self.steps[-1:]]
        steps += [self.saved_step] if self.num_rows_at_save == len(self.steps) else []
        self.rows.append((evaluation, read_classes))
        if is_test:
            self.part.tests.append(evaluation)
        else:
            self.steps_before.append((evaluation, max(steps, default=None)))

    def _read_other(self, line: str) -> None:
        part = self.part
        if self.end_message is not None:
            self.message.append(line)
        if "per class results" in line:
            self.table = []
        elif match := _CHECKPOINT.search(line):
            self.num_rows_at_save, self.saved_step = len(self.steps), int(match[1])
        elif "Exp name: " in line and not part.config_name:
            part.config_name = base_name(line.partition("Exp name: ")[2])
        elif "Traceback (most recent call last)" in line and self.num_rows_at_error != len(self.steps):
            self.num_rows_at_error = len(self.steps)
            self._gather(self._read_error)
        elif not self.steps:
            self._read_head(line)
        elif _STOPPED_EARLY.search(line):
            self.num_rows_at_stop = len(self.steps)

    def _read_head(self, line: str) -> None:
        """Read a line before the first training row."""
        part = self.part
        if match := _FACT.fullmatch(line):
            name = "seed" if match[1] == "seed" else "num_gpus"
            if getattr(part, name) is None:
                setattr(part, name, int(match[2]))
        elif match := _RESUMED.search(line):
            part.resumed_from = int(match[1])
        elif line.endswith("Config:") and part.settings is None:
            self._gather(self._read_config)
        elif "Name of parameter - Initialization information" in line:
            self._gather(self._read_parameters)

    def _gather(self, end_message: Callable[[], None] | None) -> None:
        """End the message so far and gather the lines of the next one; the function reads them once it has ended."""
        if self.end_message is not None:
            self.end_message()
        self.message, self.end_message = [], end_message

    def _read_config(self) -> None:
        self.part.settings = read_settings("\n".join([*self.message, ""]))

    def _read_parameters(self) -> None:
        self.part.num_parameters = count_parameters("\n".join(self.message))

    def _read_error(self) -> None:
        errors = [line.strip() for line in self.message if line.strip() and not line.startswith((" ", "\t"))]
        self.part.error = errors[-1][:200] if errors else "Traceback"

    def finish(self) -> LogPart:
        """Return what was read, with the per-class metrics of the best and the last evaluation."""
        part = self.part
        if self.end_message == self._read_error:
            self._read_error()
        elif self.end_message == self._read_config:
            part.is_cut = True
        self._finish_training()
        if self.num_rows_at_error != len(self.steps):
            part.error = ""
        part.is_stopped_early = self.num_rows_at_stop == len(self.steps)
        part.started, part.ended = _date(self.first_dated), _date(self.last_dated)
        for evaluation, before in self.steps_before:
            evaluation.step = self._step(before)
            part.evaluations.append(evaluation)
        keep_class_values(self.rows)
        return part

    def _finish_training(self) -> None:
        part = self.part
        part.set_training(self.steps, self.seconds, self.memory)
        if self.num_rows_at_save == len(self.steps):
            part.last_step = max(self.saved_step, part.last_step or 0)
        total = int(self.total or 0)
        settings = part.settings
        if total and not self.has_epochs:
            part.max_steps = total
        elif settings is not None and settings.max_steps is not None:
            part.max_steps = settings.max_steps
        elif settings is not None and settings.max_epochs and total:
            part.max_steps = settings.max_epochs * total

    def _step(self, before: int | None) -> int | None:
        """Return the step of the next evaluation: that of the training row before it, or a multiple of val_interval."""
        part = self.part
        last = part.evaluations[-1].step if part.evaluations else None
        if before is None:
            before = last if part.evaluations else part.resumed_from
        interval = part.settings.val_interval if part.settings else None
        if not interval:
            return before
        step = -(-(before or 0) // interval) * interval
        if last is not None and step <= last:
            step += interval
        step = max(step, interval)
        limit = (before or 0) + (part.step_interval or part.first_step or step)
        if part.max_steps:
            step = min(step, part.max_steps)
        return step if step <= limit else before


def count_parameters(text: str) -> int | None:
    r"""Count parameters from the list of initial values that mmengine logs; None where it lists none.

    Example:
        >>> count_parameters("conv.weight - torch.Size([8, 3, 3, 3]): \nconv.bias - torch.Size([8]): \n")
        224
    """
    sizes = _PARAMETER.findall(text)
    return sum(math.prod(map(int, size.split(", "))) if size else 1 for size in sizes) or None


def read_items(text: str) -> dict[str, float]:
    """Read ``name: number`` items, divided by two spaces (1.x) or a comma (0.x); a name may hold commas itself.

    Example:
        >>> read_items("    aAcc: 81.8200  mIoU: nan  IoU.bed, double: 3.5000  ")
        {'aAcc': 81.82, 'mIoU': nan, 'IoU.bed, double': 3.5}
    """
    pieces = _ITEM_NUMBER.split(text)
    return dict(zip(map(str.strip, pieces[::2]), map(float, pieces[1::2]), strict=False))


def _read_classes(row: dict[str, float], scale: float, tables: Sequence[str]) -> ClassTable:
    """Return per-class metrics, from the row of an evaluation or else from the tables before it."""
    return read_class_table(row, scale) or read_class_lines("\n".join(tables).split("\n")) or {}


def read_class_lines(lines: Sequence[str]) -> ClassTable | None:
    """Read the first class table that mmseg printed.

    Args:
        lines: The lines of the tables that stand before an evaluation.

    Returns:
        Numbers in percent by kind (IoU, Acc, …) and class; None where there is no table or it was cut.
    """
    borders = [index for index, line in enumerate(lines) if line.startswith("+-")][:3]
    if len(borders) < 3:
        return None
    kinds = [cell.strip() for cell in lines[borders[0] + 1].strip().strip("|").split("|")][1:]
    table: ClassTable = {kind: {} for kind in kinds}
    for line in lines[borders[1] + 1 : borders[2]]:
        name, *numbers = (cell.strip() for cell in line.strip().strip("|").rsplit("|", len(kinds)))
        if len(numbers) != len(kinds) or not all(map(_CELL_NUMBER.fullmatch, numbers)):
            return None
        for kind, number in zip(kinds, numbers, strict=True):
            table[kind][printable(name)] = float(number)
    return table


def _date(line: str) -> str:
    match = _DATE.match(line)
    return f"{match[1]}-{match[2]}-{match[3]} {match[4]}" if match else ""
