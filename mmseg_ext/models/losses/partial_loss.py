"""What losses over labelled pixels share: their settings."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmseg_ext.errors import UserError


class PartialLoss(nn.Module):
    """A loss over the labelled pixels alone, with class weights, a factor, and its key in the log.

    Args:
        class_weight: One non-negative weight a class.
        loss_weight: Factor on the loss.
        loss_name: Key in the log; must begin with 'loss_' to be trained on.

    Raises:
        UserError: A weight is negative.
    """

    def __init__(self, class_weight: Sequence[float] | None, loss_weight: float, loss_name: str) -> None:
        super().__init__()
        if class_weight is not None and min(class_weight) < 0:
            raise UserError(f"Expected non-negative `class_weight`, got {list(class_weight)}.")
        self.loss_weight = loss_weight
        self._loss_name = loss_name
        self.class_weight_C: Tensor | None
        weights = None if class_weight is None else torch.tensor(list(class_weight), dtype=torch.float32)
        # Not persistent: a setting, not a weight; the head's state_dict stays that of the stock head.
        self.register_buffer("class_weight_C", weights, persistent=False)

    @property
    def loss_name(self) -> str:
        """Key in the log."""
        return self._loss_name
