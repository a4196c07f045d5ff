"""The random number generators of a process: their state taken, set, and restored at the end of a block."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

RandomState = dict[str, Any]
"""The generators of Python, NumPy and torch (CPU), as integers, floats and uint8 tensors alone: what a checkpoint that
is loaded as data may hold."""


def _to_tensor(words: Any) -> Tensor:
    return torch.from_numpy(np.asarray(words, dtype=np.uint32).view(np.uint8).copy())


def _to_words(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().contiguous().numpy().view(np.uint32)


def get_random_state() -> RandomState:
    """Return the state of this process's generators."""
    version, words, next_gauss = random.getstate()
    _, numpy_words, position, has_gauss, cached_gauss = np.random.get_state()
    return {
        "python": _to_tensor(words),
        "python_version": version,
        "python_gauss": next_gauss,
        "numpy": _to_tensor(numpy_words),
        "numpy_position": int(position),
        "numpy_gauss": float(cached_gauss) if has_gauss else None,
        "torch": torch.get_rng_state(),
    }


def set_random_state(state: RandomState) -> None:
    """Set this process's generators to a state that :func:`get_random_state` returned."""
    random.setstate((state["python_version"], tuple(_to_words(state["python"]).tolist()), state["python_gauss"]))
    gauss = state["numpy_gauss"]
    np.random.set_state(
        ("MT19937", _to_words(state["numpy"]), state["numpy_position"], int(gauss is not None), gauss or 0.0)
    )
    torch.set_rng_state(state["torch"].cpu())


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Restore the generators of Python, NumPy and torch (CPU) at the end of the block."""
    state = get_random_state()
    try:
        yield
    finally:
        set_random_state(state)
