"""One-to-one matching of queries to the classes of an image.

Shape suffixes: N batch, Q queries, G classes of an image, P points, M matched pairs.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor


class Matches(NamedTuple):
    """Matched pairs of a batch, sorted by image and query.

    Attributes:
        image_M: Index of the image, int64.
        query_M: Index of the query, int64.
        target_M: Index into the classes of the image, int64.
    """

    image_M: Tensor
    query_M: Tensor
    target_M: Tensor


def binary_cross_entropy_costs(logits_NQP: Tensor, targets_NGP: Tensor, weight_NP: Tensor) -> Tensor:
    """Average the binary cross-entropy of each query with each target over the points, weighted.

    Returns:
        (N, Q, G).
    """
    weight_N1P = weight_NP[:, None]
    # With the target t it is softplus(x) − t·x.
    negatives_NQ1 = (F.softplus(logits_NQP) * weight_N1P).sum(-1, keepdim=True)
    sums_NQG = negatives_NQ1 - logits_NQP @ (targets_NGP * weight_N1P).mT
    total_N11 = weight_N1P.sum(-1, keepdim=True)
    return sums_NQG / torch.where(total_N11 > 0, total_N11, 1)


def dice_costs(logits_NQP: Tensor, targets_NGP: Tensor, weight_NP: Tensor, eps: float = 1.0) -> Tensor:
    """Compute 1 − Dice of each query with each target over the points, weighted.

    Returns:
        (N, Q, G).
    """
    probabilities_NQP = logits_NQP.sigmoid()
    targets_NGP = targets_NGP * weight_NP[:, None]
    shared_NQG = probabilities_NQP @ targets_NGP.mT
    sums_NQG = (probabilities_NQP @ weight_NP[..., None]) + targets_NGP.sum(-1)[:, None]
    return 1 - (2 * shared_NQG + eps) / (sums_NQG + eps)


def match(costs_NQG: Tensor, num_targets: list[int]) -> Matches:
    """Match queries to targets so that the sum of the costs of each image is least.

    Args:
        costs_NQG: A cost that is not finite counts as a very high one.
        num_targets: Targets of each image; later columns are not used.

    Returns:
        As many pairs an image as it has targets, or queries if these are fewer.
    """
    limit = torch.finfo(torch.float32).max
    costs = costs_NQG.detach().float().nan_to_num(limit, limit, -limit).cpu().numpy()
    pairs = [linear_sum_assignment(cost[:, :count]) for cost, count in zip(costs, num_targets, strict=True)]
    columns = [[n for n, (queries, _) in enumerate(pairs) for _ in queries]]
    columns += [[int(index) for pair in pairs for index in pair[part]] for part in (0, 1)]
    return Matches(*(torch.tensor(column, dtype=torch.long, device=costs_NQG.device) for column in columns))
