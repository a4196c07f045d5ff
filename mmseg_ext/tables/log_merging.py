"""Merge the logs of one work dir: text log and JSON of a start, then the starts of a resumed run."""

from .records import Evaluation, LogPart

_FIRST_KNOWN = ["first_step", "step_interval", "max_steps", "resumed_from", "seconds_per_step", "num_parameters"]
_FIRST_KNOWN += ["num_gpus", "seed", "config_name", "settings", "started", "ended", "error"]
_LOOK_AHEAD = 100


def merge_parts(scalars: LogPart | None, text: LogPart | None, test: LogPart | None) -> LogPart:
    """Merge what the files of one start say.

    The JSON rows have the exact steps and take precedence over the text log; the text log adds what they lack.

    Args:
        scalars: What the JSON rows say.
        text: What the text log says.
        test: What the JSON of a test says.
    """
    parts = [part for part in (scalars, text) if part is not None]
    logs = list(parts)
    if test is not None:
        test.tests = [*test.tests, *test.evaluations]
        test.evaluations = []
        parts.append(test)
    merged = LogPart()
    for name in _FIRST_KNOWN:
        values = (getattr(part, name) for part in parts)
        setattr(merged, name, next((value for value in values if value not in (None, "")), getattr(merged, name)))
    steps = [part.last_step for part in parts if part.last_step is not None]
    steps += [item.step for part in parts if part.last_step is not None for item in part.evaluations if item.step]
    merged.last_step = max(steps, default=None)
    merged.memory = max((part.memory for part in parts if part.memory is not None), default=None)
    merged.num_bad_lines = sum(part.num_bad_lines for part in parts)
    merged.is_cut = bool(parts) and all(part.is_cut or _is_empty(part) for part in logs)
    merged.is_test = any(part.is_test for part in parts)
    merged.is_stopped_early = any(part.is_stopped_early for part in parts)
    merged.problem = "; ".join(part.problem for part in parts if part.problem)
    merged.changed = max((part.changed for part in parts), default=0.0)
    for part in parts:
        merged.evaluations = _union(merged.evaluations, part.evaluations)
        merged.tests = _union(merged.tests, part.tests)
    return merged


def _is_empty(part: LogPart) -> bool:
    return part.last_step is None and not part.evaluations and not part.tests


def _union(known: list[Evaluation], more: list[Evaluation]) -> list[Evaluation]:
    """Add evaluations that are not known yet; a known one takes over per-class metrics that it lacks.

    Two evaluations are one where their metrics are equal, since a text log does not state the step, or else their
    steps; each is taken once. Both lists are in the order of training, so that equals are near the front of what is
    left of the other list.
    """
    if not known or not more:
        return known or more
    merged = list(known)
    by_step: dict[int | None, int] = {
        item.step: index for index, item in reversed(list(enumerate(known))) if item.step is not None
    }
    matched: set[int] = set()
    front = 0
    for evaluation in more:
        while front in matched:
            front += 1
        near = range(front, min(front + _LOOK_AHEAD, len(known)))
        index = next((i for i in near if i not in matched and _is_equal(known[i], evaluation)), None)
        index = by_step.get(evaluation.step) if index is None else index
        if index is None:
            merged.append(evaluation)
            continue
        matched.add(index)
        same = known[index]
        if evaluation.class_names and not same.class_names:
            same.class_names, same.class_values = evaluation.class_names, evaluation.class_values
    return sorted(merged, key=lambda item: -1 if item.step is None else item.step)


def _is_equal(first: Evaluation, second: Evaluation) -> bool:
    """Return whether the metrics of two evaluations are equal but for the precision they were written with."""
    shared = first.metrics.keys() & second.metrics.keys()
    pairs = [(first.metrics[name], second.metrics[name]) for name in shared]
    return bool(pairs) and all(a == b or abs(a - b) < 1e-4 or (a != a and b != b) for a, b in pairs)


def split_restarts(parts: list[LogPart]) -> list[list[LogPart]]:
    """Divide the starts of a work dir into runs: a resume continues a run, a start from step 0 begins another.

    Args:
        parts: The starts, oldest first.

    Returns:
        One list a run. Starts without a training step are left out where another start has one; starts that only
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
    return part.first_step is None or part.step_interval is None or part.first_step <= part.step_interval


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
