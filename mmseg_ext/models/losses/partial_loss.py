"""What losses over labelled pixels share: their settings."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmseg_ext.errors import UserError
from mmseg_ext.statistics.class_weights import parse_weights_file, read_class_weights


class PartialLoss(nn.Module):
    """A loss over the labelled pixels alone, with class weights, a factor, and its key in the log.

    Args:
        class_weight: One non-negative weight a class; or ``'FILE:FORMULA'``, those in a file of tools/dataset_stats.py.
            A file that is missing is an error when the first loss is computed, not before: a checkpoint can be tested
            where the file is not.
        loss_weight: Factor on the loss.
        loss_name: Key in the log; must begin with 'loss_' to be trained on.

    Raises:
        UserError: A weight is negative, or the formula is not known.
    """

    def __init__(self, class_weight: Sequence[float] | str | None, loss_weight: float, loss_name: str) -> None:
        super().__init__()
        self._missing_weights: str | None = None
        weights: Sequence[float] | None
        if isinstance(class_weight, str):
            if parse_weights_file(class_weight)[0].is_file():
                weights = read_class_weights(class_weight)
            else:
                weights, self._missing_weights = None, class_weight
        else:
            weights = class_weight
        if weights is not None and not all(weight >= 0 for weight in weights):
            raise UserError(f"Expected non-negative `class_weight`, got {list(weights)}.")
        self.loss_weight = loss_weight
        self._loss_name = loss_name
        self._class_weight_C: Tensor | None
        # Not persistent: a setting, not a weight; the head's state_dict stays that of the stock head.
        self.register_buffer(
            "_class_weight_C",
            None if weights is None else torch.tensor(list(weights), dtype=torch.float32),
            persistent=False,
        )

    @property
    def class_weight_C(self) -> Tensor | None:
        """The weight of each class, float32 (C,); None for no weights.

        Raises:
            UserError: The file that holds them is missing.
        """
        if self._missing_weights is not None:
            weights = read_class_weights(self._missing_weights)  # raises, unless the file has come since
            self._class_weight_C = torch.tensor(weights, dtype=torch.float32)  # losses take it to their device
            self._missing_weights = None
        return self._class_weight_C

    @property
    def loss_name(self) -> str:
        """Key in the log."""
        return self._loss_name
