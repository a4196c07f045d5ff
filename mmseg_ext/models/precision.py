"""Precision to compute in."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Widen half precision; leave double precision as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
