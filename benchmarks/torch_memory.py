"""Memory that torch's allocator hands out during a step."""

from collections.abc import Callable

import torch


def held_memory(step: Callable[[], object], device: str) -> tuple[int, int]:
    """Return the bytes that a step holds at most and, in its result, at its end, beyond what was held before."""
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        result = step()
        held = torch.cuda.memory_allocated() - before
        del result
        return torch.cuda.max_memory_allocated() - before, held
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        result = step()
    held = peak = 0
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    del result
    return peak, held


def peak_memory(step: Callable[[], object], device: str) -> int:
    """Return the bytes that a step holds at most, beyond what was held before."""
    return held_memory(step, device)[0]
