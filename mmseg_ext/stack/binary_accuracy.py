"""The training accuracy of heads of one sigmoid channel.

Shape suffixes: N batch, H height, W width.
"""

import sys
from importlib import import_module
from typing import Any

import torch
from torch import Tensor


def binary_accuracy(logits_N1HW: Tensor, labels_NHW: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the percentage of labelled pixels whose prediction, at a threshold of 0.5, is correct; 0 without labels.

    Args:
        logits_N1HW: Logits of the foreground.
        labels_NHW: 0, 1 and `ignore_index`.
        ignore_index: Marks pixels without a label; None for none.

    Returns:
        float32 (1,), as mmseg's ``accuracy``.
    """
    labelled_NHW = torch.ones_like(labels_NHW, dtype=torch.bool) if ignore_index is None else labels_NHW != ignore_index
    correct_NHW = ((logits_N1HW.squeeze(1) > 0) == (labels_NHW == 1)) & labelled_NHW
    return (100.0 * correct_NHW.sum() / labelled_NHW.sum().clamp_min(1)).float().reshape(1)


def correct_binary_accuracy() -> None:
    """Correct ``acc_seg`` of mmseg's heads of one channel, in every loaded module. A second call changes nothing.

    mmseg takes the argmax over channels. With one channel that is always 0, so the stock ``acc_seg`` is the share of
    background in the labels. Heads of several channels keep the stock accuracy.
    """
    stock: Any = import_module("mmseg.models.losses").accuracy
    if getattr(stock, "__module__", None) == __name__:
        return

    def accuracy(
        pred: Tensor, target: Tensor, topk: Any = 1, thresh: float | None = None, ignore_index: int | None = None
    ) -> Any:
        if pred.ndim == target.ndim + 1 and pred.shape[1] == 1 and topk == 1 and thresh is None:
            return binary_accuracy(pred, target, ignore_index)
        return stock(pred, target, topk, thresh, ignore_index)

    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get("accuracy") is stock:
            vars(module)["accuracy"] = accuracy
