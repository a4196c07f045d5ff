"""What of this package takes other arguments than the stock object that a suite tests."""

from typing import Any

import numpy as np
import torch
from coco_run_lengths import to_coco
from torch import Tensor, nn

from mmseg_ext.engine import LayerDecayOptimWrapperConstructor
from mmseg_ext.evaluation.submissions import decode_rle, encode_rle
from mmseg_ext.models import EncoderDecoder
from mmseg_ext.scores.confusion_matrix import count_confusion, scores_of_classes

NO_LABEL = -100
"""Marks no pixel of these suites."""


class AnyDecayRate(LayerDecayOptimWrapperConstructor):
    """Takes a decay rate above 1, which ours refuses, and sorts the groups as the model, where ours go by layer."""

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict) -> None:
        key = "decay_rate" if "decay_rate" in paramwise_cfg else "layer_decay_rate"
        super().__init__(optim_wrapper_cfg, {**paramwise_cfg, key: 1})
        self.paramwise_cfg["decay_rate"] = paramwise_cfg[key]

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_: object) -> None:
        super().add_params(params, module)
        names = [name for name, _parameter in module.named_parameters()]
        params.sort(key=lambda group: names.index(group["param_names"][0]))


class ScoredEncoderDecoder(EncoderDecoder):
    """Computes the cross-entropy of the labels and keeps the logits, which ours does on request."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, keep_logits=True, validation_loss=True)


def multiclass_confusion_matrix(
    preds: Tensor, target: Tensor, num_classes: int, normalize: str | None = None, ignore_index: int | None = None
) -> Tensor:
    """torchmetrics' confusion matrix, from class indices or scores (N, C, …)."""
    if preds.is_floating_point():
        preds = preds.argmax(1)
    confusion_CC = count_confusion(preds, target, num_classes, NO_LABEL if ignore_index is None else ignore_index)
    sums = {"true": confusion_CC.sum(1, keepdim=True), "pred": confusion_CC.sum(0, keepdim=True)}
    if normalize in (None, "none"):
        return confusion_CC
    return (confusion_CC / sums.get(normalize, confusion_CC.sum())).nan_to_num(0)


def multiclass_jaccard_index(
    preds: Tensor,
    target: Tensor,
    num_classes: int,
    average: str | None = "macro",
    ignore_index: int | None = None,
    zero_division: float = 0.0,
) -> Tensor:
    """torchmetrics' IoU, of each class or the mean of those that occur."""
    confusion_CC = multiclass_confusion_matrix(preds, target, num_classes, None, ignore_index).cpu().numpy()
    iou = torch.from_numpy(scores_of_classes(confusion_CC)["IoU"] / 100)
    if average == "macro":
        if ignore_index is not None and 0 <= ignore_index < num_classes:
            iou[ignore_index] = float("nan")
        return iou.nanmean()
    return iou.nan_to_num(zero_division)


def encode(mask_HW: np.ndarray) -> dict[str, Any]:
    """pycocotools' compressed run lengths."""
    return to_coco(encode_rle(mask_HW), mask_HW.shape)


def counts_of(text: str) -> list[int]:
    """Read pycocotools' compressed text: five bits a character, from 48, each count less the last but one."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def decode(rle: dict[str, Any]) -> np.ndarray:
    """pycocotools' mask, uint8."""
    text = rle["counts"].decode() if isinstance(rle["counts"], bytes) else rle["counts"]
    counts = counts_of(text)
    starts = np.cumsum([0, *counts])[1::2]
    runs = [f"{start + 1} {length}" for start, length in zip(starts, counts[1::2], strict=False) if length]
    return np.asfortranarray(decode_rle(" ".join(runs), tuple(rle["size"])), np.uint8)
