"""Prediction of heads whose queries predict a class and a mask each.

Shape suffixes: N batch, Q queries, C classes, K classes and 'no object', h and w height and width of the masks, H and W
of the images.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def class_probabilities(class_logits_NQK: Tensor) -> Tensor:
    """Compute the probability of each class but 'no object', (N, Q, C)."""
    return class_logits_NQK.softmax(2)[..., :-1]


class MaskPrediction(ABC):
    """Mixin for heads whose queries predict a class and a mask each; list it before mmseg's or mmengine's class.

    The score of a class at a pixel is the sum over the queries of the probability of the class times that of the mask.
    ``mmseg_ext.EncoderDecoder`` computes it block by block from :meth:`predict_masks`.
    """

    @abstractmethod
    def predict_masks(
        self, inputs: Sequence[Any], batch_img_metas: Sequence[Mapping[str, Any]]
    ) -> tuple[Tensor, Tensor]:
        """Compute what prediction needs of the last layer.

        Args:
            inputs: The outputs of the backbone.
            batch_img_metas: The meta information of the images.

        Returns:
            Class logits (N, Q, K), 'no object' last, and mask logits (N, Q, h, w).
        """

    @staticmethod
    def input_shape(meta: Mapping[str, Any]) -> tuple[int, int]:
        """Read the height and width of the network's input; mmseg's sliding windows have theirs in ``img_shape``."""
        shape = meta["img_shape"]
        if not isinstance(shape, torch.Size):
            shape = meta.get("pad_shape", shape)
        return int(shape[0]), int(shape[1])

    def predict(self, x: Sequence[Any], batch_img_metas: Sequence[Mapping[str, Any]], test_cfg: object) -> Tensor:
        """Compute the score of each class at the size of the network's input.

        Args:
            x: The outputs of the backbone.
            batch_img_metas: The meta information of the images.
            test_cfg: Not used.

        Returns:
            (N, C, H, W), in [0, Q].
        """
        class_logits_NQK, masks_NQhw = self.predict_masks(x, batch_img_metas)
        shape = self.input_shape(batch_img_metas[0])
        masks_NQHW = F.interpolate(masks_NQhw, shape, mode="bilinear", align_corners=False).sigmoid()
        return torch.einsum("nqc,nqhw->nchw", class_probabilities(class_logits_NQK), masks_NQHW)
