"""Class maps at original size, and their cross-entropy, without storing logits of that size.

The steps are mmseg's: remove the padding, undo the flip, resize to the original shape, take the argmax or compare with
the threshold. They are applied block by block, each block small enough for the CPU's cache.

Shape suffixes: C channels, H and W height and width of a result, R rows and T columns of a block.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.models.precision import full_precision_matmul
from mmseg_ext.models.resampling.image_logits import ImageLogits, ResultPart
from mmseg_ext.models.resampling.label_blocks import limits_of


class Placement(NamedTuple):
    """Where the image lies in the padded batch, and the size of its result.

    Attributes:
        rows: First row of the image without padding, and the row after its last.
        columns: First column of the image without padding, and the column after its last.
        flip: 'horizontal', 'vertical' or None.
        shape: Height and width of the result.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    flip: str | None
    shape: tuple[int, int]


def placement_of(meta: Mapping[str, Any], shape: tuple[int, int]) -> Placement:
    """Read an image's placement from its meta information, as mmseg's ``postprocess_result`` does.

    Args:
        meta: With ``ori_shape``; ``img_padding_size`` or ``padding_size`` (left, right, top, bottom), ``flip`` and
            ``flip_direction`` where they apply.
        shape: Height and width of the padded batch.

    Raises:
        ValueError: The flip is neither horizontal nor vertical.
    """
    left, right, top, bottom = meta.get("img_padding_size", meta.get("padding_size", (0, 0, 0, 0)))
    flip = meta.get("flip_direction") if meta.get("flip") else None
    if meta.get("flip") and flip not in ("horizontal", "vertical"):
        raise ValueError(f"Expected `flip_direction` 'horizontal' or 'vertical', got {flip!r}.")
    height, width = meta["ori_shape"]
    return Placement((top, shape[0] - bottom), (left, shape[1] - right), flip, (height, width))


class ImagePrediction(NamedTuple):
    """Prediction for one image.

    Attributes:
        prediction_HW: Class indices, int64; with one channel 0 and 1 in the logits' floating-point type, as in mmseg.
        cross_entropy: Sum over the labelled pixels, 0 without labels.
        num_labelled: Number of labelled pixels.
    """

    prediction_HW: Tensor
    cross_entropy: float
    num_labelled: int


def _block_shape(logits: ImageLogits, placement: Placement) -> tuple[int, int]:
    """Choose the height and width of a block so that neither the block nor its source pixels need much memory.

    A block is at most as high as a window. Otherwise more rows of windows than those that overlap would be in memory.
    """
    limits = limits_of(logits.device)
    height, width = placement.shape
    columns = min(limits.columns, math.ceil(limits.taken_columns * width / logits.step_width))
    rows = limits.values // (logits.block_channels * min(columns, width))
    # Where the result is smaller than the logits or the image, a block has more source pixels than pixels.
    shrunk_rows = max(1, logits.shape[0] / height, logits.input_shape[0] / height)
    shrunk_columns = max(1, logits.shape[1] / width, logits.input_shape[1] / width)
    rows = min(math.floor(rows / shrunk_rows), math.floor(logits.window_shape[0] * height / logits.shape[0]))
    return max(1, rows), max(1, math.floor(columns / shrunk_columns))


@torch.no_grad()
def predict_images(
    logits: ImageLogits,
    placements: Sequence[Placement],
    threshold: float = 0.5,
    labels: Sequence[Tensor | None] = (),
    ignore_index: int = 255,
) -> list[ImagePrediction]:
    """Classify every pixel of a batch, and sum the cross-entropy over the labelled pixels.

    The result is that of resizing all logits in float32, except for pixels whose two highest logits differ by no more
    than the rounding of float32. Logits of half precision are interpolated in float32.

    Args:
        logits: Logits of the padded batch.
        placements: One per image.
        threshold: Threshold on the sigmoid of a single channel.
        labels: One per image, (H, W), integer class indices in range and `ignore_index`; None for an image without
            labels; empty to compute no cross-entropy.
        ignore_index: Marks pixels without a label.

    Returns:
        One prediction per image.
    """
    labels = labels or [None] * len(placements)
    dtype = logits.dtype if logits.num_channels == 1 else torch.long
    predictions = [torch.empty(p.shape, dtype=dtype, device=logits.device) for p in placements]
    losses = torch.zeros(len(placements), dtype=torch.float64, device=logits.device)
    row_parts: list[tuple[int, int, ResultPart]] = []
    column_parts: list[list[ResultPart]] = []
    for n, placement in enumerate(placements):
        max_rows, max_columns = _block_shape(logits, placement)
        height, width = placement.shape
        parts = logits.split(0, placement.rows, placement.flip == "vertical", height, max_rows)
        row_parts += [(part.first, n, part) for part in parts]
        column_parts.append(logits.split(1, placement.columns, placement.flip == "horizontal", width, max_columns))
    for _, n, rows in sorted(row_parts, key=lambda part: part[:2]):  # from top to bottom: see ImageLogits
        logits.prepare(rows.first, rows.last)
        # Independent of the precision that the network is computed in.
        with torch.autocast(logits.device.type, enabled=False), full_precision_matmul():
            for columns in column_parts[n]:
                values_RCT = logits.values(n, rows, columns)
                place = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
                predictions[n][place] = _classify(values_RCT, threshold)
                labels_HW = labels[n]
                if labels_HW is not None:
                    losses[n] += _sum_cross_entropy(values_RCT, labels_HW[place], ignore_index)
    return [
        ImagePrediction(
            prediction_HW, float(loss), 0 if labels_HW is None else int((labels_HW != ignore_index).count_nonzero())
        )
        for prediction_HW, loss, labels_HW in zip(predictions, losses, labels, strict=True)
    ]


def _classify(values_RCT: Tensor, threshold: float) -> Tensor:
    if values_RCT.shape[1] > 1:
        return values_RCT.max(1).indices  # the first of equals, like argmax, and faster
    return values_RCT.squeeze(1).sigmoid() > threshold


def _sum_cross_entropy(values_RCT: Tensor, labels_RT: Tensor, ignore_index: int) -> Tensor:
    if values_RCT.shape[1] > 1:
        return F.cross_entropy(values_RCT, labels_RT.long(), ignore_index=ignore_index, reduction="sum")
    labelled_RT = labels_RT != ignore_index
    values, targets = values_RCT.squeeze(1)[labelled_RT], labels_RT[labelled_RT]
    return F.binary_cross_entropy_with_logits(values, targets.to(values.dtype), reduction="sum")
