"""Comparisons of class maps that hold on every processor, however it rounds.

The same logits, computed in another order or on another processor, differ in their last digits. Where the two highest
of a pixel differ by no more than that, either class is right.
"""

import torch
from torch import Tensor

ROUNDING = 1e-5  # of the largest score: about a hundred times the rounding of one float32 operation
MAX_SHARE = 1e-3


def near_ties(scores: Tensor, threshold: float | None = None, class_dim: int = 0) -> Tensor:
    """Mark the pixels whose two highest scores are equal within rounding, and check that they are few.

    Args:
        scores: Logits or probabilities of every class, such as (C, H, W); of one class if there is a threshold.
        threshold: Scores above it are class 1.
        class_dim: The dimension of the classes.

    Returns:
        bool, the shape of `scores` without the dimension of the classes.
    """
    if threshold is not None:
        scores = torch.cat([2 * threshold - scores, scores], class_dim)
    first, second = scores.topk(2, class_dim).values.unbind(class_dim)
    near = first - second <= ROUNDING * scores.abs().max()
    assert near.sum() <= max(1, MAX_SHARE * near.numel()), "too many pixels for a comparison of class maps"
    return near


def assert_same_classes(found: Tensor, scores: Tensor, threshold: float | None = None, class_dim: int = 0) -> None:
    """Check that a class map is that of the highest scores, leaving out near ties.

    Args:
        found: Class indices, the shape of `scores` without the dimension of the classes.
        scores: As of :func:`near_ties`.
        threshold: As of :func:`near_ties`.
        class_dim: As of :func:`near_ties`.
    """
    expected = scores.argmax(class_dim) if threshold is None else scores.squeeze(class_dim) > threshold
    assert found.shape == expected.shape
    wrong = (found != expected) & ~near_ties(scores, threshold, class_dim)
    assert not wrong.any(), f"{int(wrong.sum())} of {wrong.numel()} pixels are of another class"
