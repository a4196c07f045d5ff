"""DINOv3's weights from satellite images (SAT-493M) want colours normalised by their own mean and std."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

MARK = "sat493m"
MEAN, STD = (0.430, 0.411, 0.296), (0.213, 0.156, 0.143)
"""Of red, green and blue in 0..1, as the release of DINOv3 says."""
LARGE_WIDTH = 1024
TOLERANCE = 2.0  # of 255


def names_satellite_weights(name: str) -> bool:
    """Whether a file, an address or a model of timm is named as the satellite weights are."""
    return MARK in name.lower()


def hold_satellite_weights(weights: Mapping[str, Tensor]) -> bool:
    """Whether weights in the official format are the satellite ones of ViT-L, under whatever name the file is.

    Of the two releases of ViT-L these alone have a norm of their own for the class token of local crops; of ViT-7B both
    have it.

    Args:
        weights: Of the backbone, by the official keys.
    """
    norm = weights.get("local_cls_norm.weight")
    return norm is not None and len(norm) == LARGE_WIDTH


def warn_of_normalization(model: nn.Module) -> None:
    """Log a warning where a DINO with satellite weights gets images normalised by another mean and std.

    Args:
        model: A segmentor, or a wrapper around it.
    """
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    if not getattr(getattr(inner, "backbone", None), "has_satellite_weights", False):
        return
    preprocessor = inner.data_preprocessor
    wanted = [[round(255 * value, 3) for value in values] for values in (MEAN, STD)]
    given = [getattr(preprocessor, name, None) for name in ("mean", "std")]
    found = [value.flatten().tolist() if isinstance(value, Tensor) else None for value in given]
    if all(
        values is not None
        and len(values) == 3
        and torch.allclose(torch.tensor(values), torch.tensor(right), 0, TOLERANCE)
        for values, right in zip(found, wanted, strict=True)
    ):
        return
    shown = [None if values is None else [round(value, 3) for value in values] for values in found]
    print_log(
        f"DINO: the satellite weights (SAT-493M) expect images normalised by mean {MEAN} and std {STD} of 0..1. Set "
        f"mean={wanted[0]} and std={wanted[1]} in the data preprocessor, which has mean={shown[0]} and std={shown[1]}.",
        "current",
        logging.WARNING,
    )
