"""Numerical precision of computations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Convert half precision to float32; keep float32 and float64."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


@contextmanager
def full_precision_matmul() -> Iterator[None]:
    """Multiply float32 matrices in float32, even if TF32 or bfloat16 is allowed for the network."""
    modules = [getattr(backend, "matmul", None) for backend in (torch.backends.cuda, torch.backends.mkldnn)]
    backends: list[Any] = [module for module in modules if hasattr(module, "fp32_precision")]
    if not backends:  # torch before 2.9
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    settings = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, setting in zip(backends, settings, strict=True):
            backend.fp32_precision = setting
