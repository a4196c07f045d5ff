"""Base class of the losses over labelled pixels: their common settings."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmseg_ext.errors import UserError
from mmseg_ext.statistics.class_weights import parse_weights_file, read_class_weights


class PartialLoss(nn.Module):
    """A loss over the labelled pixels only.

    Args:
        class_weight: One non-negative weight per class; or ``'FILE:FORMULA'``, for the weights in a file of
            tools/dataset_stats.py. A missing file is an error when the first loss is computed, so that a checkpoint can
            be tested without it.
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
        self.loss_weight = loss_weight
        self._loss_name = loss_name
        self._class_weight_C: Tensor | None
        # Not persistent: it is a setting, and the state_dict of the head has the keys of mmseg's.
        self.register_buffer(
            "_class_weight_C",
            None if weights is None else torch.tensor(list(weights), dtype=torch.float32),
            persistent=False,
        )

    @property
    def class_weight_C(self) -> Tensor | None:
        """The weight of each class, float32 (C,), None without weights.

        Raises:
            UserError: The file that holds them is missing.
        """
        if self._missing_weights is not None:
            weights = read_class_weights(self._missing_weights)  # raises if the file is still missing
            self._class_weight_C = torch.tensor(weights, dtype=torch.float32)  # losses move it to their device
            self._missing_weights = None
        return self._class_weight_C

    @property
    def loss_name(self) -> str:
        """Key in the log."""
        return self._loss_name

    def forward(
        self,
        pred: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
        reduction_override: str | None = None,
        **_: object,
    ) -> Tensor:
        """Compute the loss.

        Args:
            pred: Logits (N, C, H, W).
            label: Class indices (N, H, W).
            weight: Weight of each pixel (N, H, W).
            ignore_index: Marks pixels without a label.
            reduction_override: None or 'mean'. mmseg's OHEMPixelSampler without `thresh` asks for 'none'.
            **_: What mmseg's heads pass to losses of other kinds.

        Raises:
            UserError: Another reduction is asked for.
        """
        if reduction_override not in (None, "mean"):
            raise UserError(
                f"Expected {type(self).__name__} to be averaged over the labelled pixels, got reduction_override="
                f"{reduction_override!r}. Give OHEMPixelSampler a `thresh`, such as 0.7, which needs no loss of single "
                "pixels, or use mmseg's CrossEntropyLoss."
            )
        return self.loss_weight * self.compute(pred, label, weight, ignore_index)

    @abstractmethod
    def compute(self, pred: Tensor, label: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
        """Compute the loss without `loss_weight`; the arguments are those of :meth:`forward`."""
