"""Scores of one sigmoid channel at every threshold, from a histogram of its probabilities.

Shape suffixes: B bins, T thresholds; 2 is background and foreground.
"""

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mmseg_ext.arguments import checked
from mmseg_ext.scores.percentages import percent

PIECE = 2**20
"""Pixels that are counted at a time."""

Criterion = Literal["IoU", "F1", "mIoU"]


def count_probabilities(
    probability: Tensor, labels: Tensor, num_bins: int = 1024, ignore_index: int = 255
) -> np.ndarray:
    """Count the labelled pixels by truth and probability of the foreground.

    Bin 0 holds the probability 0, bin b those above (b − 1) / `num_bins` and up to b / `num_bins`: what is above the
    threshold t / `num_bins` lies in the bins above t, exactly.

    Args:
        probability: Of the foreground, 0 to 1, any floating dtype and shape.
        labels: 0, 1 and `ignore_index`, of the same shape.
        num_bins: A power of two. Multiples of its inverse are exact in floating point.
        ignore_index: Marks pixels without a label.

    Returns:
        int64 (2, num_bins + 1); truth in rows.

    Raises:
        ValueError: The shapes differ, a label is neither 0 nor 1, or a probability is not in 0..1.
    """
    if probability.shape != labels.shape:
        raise ValueError(f"Expected probabilities of shape {tuple(labels.shape)}, got {tuple(probability.shape)}.")
    counts = torch.zeros(2 * (num_bins + 1), dtype=torch.long, device=probability.device)
    for values, truth in zip(probability.flatten().split(PIECE), labels.flatten().split(PIECE), strict=True):
        labelled = truth != ignore_index
        values, truth = values[labelled], truth[labelled].long()
        wrong = truth[(truth != 0) & (truth != 1)]
        if wrong.numel():
            raise ValueError(
                f"Expected labels 0 and 1 (or {ignore_index} where ignored), "
                f"got {sorted(wrong.unique().tolist())[:5]} at {wrong.numel()} pixels."
            )
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise ValueError("Expected probabilities in 0..1, got others. Are they logits?")
        bins = torch.ceil(values.float() * num_bins).long()
        counts += torch.bincount(truth * (num_bins + 1) + bins, minlength=len(counts))
    return counts.view(2, num_bins + 1).cpu().numpy()


@dataclass(frozen=True)
class ThresholdCurve:
    """Scores at every threshold; a pixel is foreground when its probability is above it.

    Attributes:
        threshold_T: 0, 1/T, … 1 − 1/T.
        confusion_T4: Pixels at each: true positives, false positives, false negatives, true negatives.
    """

    threshold_T: np.ndarray
    confusion_T4: np.ndarray

    @classmethod
    def of(cls, counts_2B: np.ndarray) -> "ThresholdCurve":
        """Make the curve from what :func:`count_probabilities` returns, summed over the images."""
        num_thresholds = counts_2B.shape[1] - 1
        above_2T = counts_2B[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        totals_21 = counts_2B.sum(axis=1, keepdims=True)
        (fp_T, tp_T), (tn_T, fn_T) = above_2T, totals_21 - above_2T
        return cls(np.arange(num_thresholds) / num_thresholds, np.stack([tp_T, fp_T, fn_T, tn_T], axis=1))

    def scores(self) -> dict[str, np.ndarray]:
        """Return IoU, F1, precision, recall of the foreground and mIoU, float64 (T,), in percent.

        NaN where there is nothing to divide by: precision without a positive pixel, recall without foreground; a class
        that is in neither truth nor prediction is left out of mIoU.
        """
        tp_T, fp_T, fn_T, tn_T = self.confusion_T4.T
        iou_T = percent(tp_T, tp_T + fp_T + fn_T)
        both_2T = np.stack([iou_T, percent(tn_T, tn_T + fp_T + fn_T)])
        num_T = np.isfinite(both_2T).sum(axis=0)
        return {
            "IoU": iou_T,
            "F1": percent(2 * tp_T, 2 * tp_T + fp_T + fn_T),
            "precision": percent(tp_T, tp_T + fp_T),
            "recall": percent(tp_T, tp_T + fn_T),
            "mIoU": np.where(num_T == 0, np.nan, np.nansum(both_2T, axis=0) / np.maximum(num_T, 1)),
        }

    def average_precision(self) -> float:
        """Return the area below precision over recall, in percent, as scikit-learn's ``average_precision_score``."""
        true_positives, _, false_negatives, _ = self.confusion_T4[0]
        foreground = true_positives + false_negatives
        if foreground == 0:
            return float("nan")
        scores = self.scores()
        recall_T, precision_T = scores["recall"][::-1], np.nan_to_num(scores["precision"][::-1])
        # Recall starts at 0, and 1 is reached at the latest where every pixel is positive.
        share = foreground / self.confusion_T4[0].sum()
        recall_T, precision_T = np.append(recall_T, 100.0), np.append(precision_T, 100 * share)
        return float((np.diff(recall_T, prepend=0) * precision_T).sum() / 100)

    @checked
    def best(self, criterion: Criterion = "IoU") -> int | None:
        """Return the index of the best threshold: the middle one of the first consecutive best thresholds.

        Args:
            criterion: 'IoU' or 'F1' of the foreground over all pixels, whose best threshold is one and the same
                (F1 = 2 IoU / (1 + IoU)), or 'mIoU', the mean over foreground and background.

        Returns:
            None where no label is foreground: no threshold is better than another.
        """
        true_positives, _, false_negatives, _ = self.confusion_T4[0]
        if true_positives + false_negatives == 0:
            return None
        score_T = np.nan_to_num(self.scores()[criterion])
        first = int(score_T.argmax())
        worse = np.flatnonzero(score_T[first:] < score_T[first])
        length = int(worse[0]) if len(worse) else len(score_T) - first
        return first + (length - 1) // 2

    def as_csv(self) -> str:
        """Return thresholds, scores in percent and pixels as CSV."""
        scores = self.scores()
        pixels_of = ("true_positives", "false_positives", "false_negatives", "true_negatives")
        lines = [",".join(["threshold", *scores, *pixels_of])]
        for t, (threshold, pixels) in enumerate(zip(self.threshold_T, self.confusion_T4, strict=True)):
            values = ("" if np.isnan(score[t]) else f"{score[t]:.4f}" for score in scores.values())
            lines.append(",".join([repr(float(threshold)), *values, *map(str, pixels.tolist())]))
        return "\n".join(lines) + "\n"


def draw_threshold_curve(curve: ThresholdCurve, chosen: int | None, title: str = "") -> bytes:
    """Draw the scores over the thresholds.

    Args:
        curve: The scores.
        chosen: Index of the threshold to mark; None for no mark.
        title: Above the picture.

    Returns:
        A PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    styles = {"IoU": "-", "F1": "-", "precision": "--", "recall": "--"}
    scores = curve.scores()
    for name, style in styles.items():
        axes.plot(curve.threshold_T, scores[name], style, label=name, linewidth=2 if style == "-" else 1.2)
    if chosen is not None:
        threshold = curve.threshold_T[chosen]
        axes.axvline(threshold, color="0.4", linewidth=1)
        axes.annotate(
            f"{threshold:.3f}: IoU {scores['IoU'][chosen]:.2f}, F1 {scores['F1'][chosen]:.2f}",
            (threshold, 4),
            xytext=(6 if threshold < 0.5 else -6, 0),
            textcoords="offset points",
            ha="left" if threshold < 0.5 else "right",
        )
    axes.set(xlim=(0, 1), ylim=(0, 101), xlabel="threshold of the probability", ylabel="%")
    axes.grid(color="0.9")
    axes.legend(loc="upper center", ncols=4, bbox_to_anchor=(0.5, -0.16), frameon=False)
    axes.set_title(title, fontsize=11, parse_math=False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
