"""Put the logs of one work dir together: text log and JSON of a start, then the starts of a resumed run."""

from __future__ import annotations

from dataclasses import fields

from .records import Evaluation, LogPart

_OWN_FIELDS = frozenset({"evaluations", "tests", "num_bad_lines", "is_cut", "error", "problem", "memory"})


def merge_parts(scalars: LogPart | None, text: LogPart | None, test: LogPart | None) -> LogPart:
    """Merge what the files of one start say.

    The JSON rows have the exact steps and win over the text log; the text log adds what they lack.
    """
    parts = [part for part in (scalars, text) if part is not None]
    if test is not None:
        test.tests = [*test.tests, *test.evaluations]
        test.evaluations = []
        parts.append(test)
    merged = LogPart()
    for item in fields(LogPart):
        if item.name not in _OWN_FIELDS:
            values = (getattr(part, item.name) for part in parts)
            setattr(merged, item.name, next((value for value in values if value not in (None, "")), item.default))
    merged.settings = next((part.settings for part in parts if part.settings), None)
    steps = [part.last_step for part in parts if part.last_step is not None]
    steps += [item.step for part in parts if part.last_step is not None for item in part.evaluations if item.step]
    merged.last_step = max(steps, default=None)
    memories = [part.memory for part in parts if part.memory is not None]
    merged.memory = max(memories, default=None)
    merged.num_bad_lines = sum(part.num_bad_lines for part in parts)
    merged.is_cut = bool(parts) and all(part.is_cut or _is_empty(part) for part in parts if part is not test)
    merged.error = next((part.error for part in parts if part.error), "")
    merged.problem = "; ".join(part.problem for part in parts if part.problem)
    for part in parts:
        merged.evaluations = _union(merged.evaluations, part.evaluations)
        merged.tests = _union(merged.tests, part.tests)
    return merged


def _is_empty(part: LogPart) -> bool:
    return part.last_step is None and not part.evaluations and not part.tests


def _union(known: list[Evaluation], more: list[Evaluation]) -> list[Evaluation]:
    """Add evaluations that are not known yet; a known one takes over per-class numbers that it lacks.

    Two evaluations are one where their metrics are equal, since a text log does not state the step, or else their
    steps; each is taken once.
    """
    if not known or not more:
        return known or more
    merged = list(known)
    unmatched = list(known)
    for evaluation in more:
        same = next((item for item in unmatched if _is_equal(item, evaluation)), None)
        if same is None and evaluation.step is not None:
            same = next((item for item in known if item.step == evaluation.step), None)
        if same is None:
            merged.append(evaluation)
            continue
        unmatched = [item for item in unmatched if item is not same]
        if evaluation.class_names and not same.class_names:
            same.class_names, same.class_values = evaluation.class_names, evaluation.class_values
    return sorted(merged, key=lambda item: -1 if item.step is None else item.step)


def _is_equal(first: Evaluation, second: Evaluation) -> bool:
    """Tell whether the metrics of two evaluations are equal but for the precision they were written with."""
    shared = first.metrics.keys() & second.metrics.keys()
    pairs = [(first.metrics[name], second.metrics[name]) for name in shared]
    return bool(pairs) and all(a == b or abs(a - b) < 1e-4 or (a != a and b != b) for a, b in pairs)


def split_restarts(parts: list[LogPart]) -> list[list[LogPart]]:
    """Divide the starts of a work dir into runs: a resume goes on with a run, a start from step 0 begins another.

    Args:
        parts: the starts, oldest first.

    Returns:
        One list a run. Starts that got nowhere are left out where another start got somewhere; starts that only
        tested go with the run before them.
    """
    useful = [part for part in parts if not _is_empty(part)]
    runs: list[list[LogPart]] = []
    for part in useful or parts[-1:]:
        if runs and (part.last_step is None or not _starts_anew(part)):
            runs[-1].append(part)
        elif runs and all(not earlier.evaluations and not earlier.tests for earlier in runs[-1]):
            runs[-1] = [part]
        else:
            runs.append([part])
    return runs


def _starts_anew(part: LogPart) -> bool:
    """Tell a start from step 0 from a resume, by its first training row."""
    if part.resumed_from:
        return False
    if part.first_step is None:
        return True
    return part.step_interval is None or part.first_step <= part.step_interval


def join_evaluations(parts: list[LogPart]) -> list[Evaluation]:
    """Return the evaluations of a run, without those that a resume from an earlier step rolled back."""
    joined: list[Evaluation] = []
    for part in parts:
        start = part.resumed_from
        if start is None and part.first_step is not None:
            start = max(0, part.first_step - (part.step_interval or part.first_step))
        if start is not None:
            joined = [item for item in joined if item.step is None or item.step <= start]
        known = {item.step for item in part.evaluations if item.step is not None}
        joined = [item for item in joined if item.step not in known] + part.evaluations
    if all(item.step is not None for item in joined):
        joined.sort(key=lambda item: item.step or 0)
    return joined
