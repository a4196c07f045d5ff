"""Class scores of mask heads at the resolution of the images, computed block by block from small masks.

Shape suffixes: N batch, Q queries, C classes, h and w height and width of a head's masks, R rows and T columns of a
block, k and l rows and columns of the masks that a block is interpolated from.
"""

from typing import NamedTuple

from torch import Tensor

from mmseg_ext.models.resampling.image_logits import ImageLogits


class ClassMasks(NamedTuple):
    """Prediction of a mask head for a window.

    Attributes:
        probabilities_NQC: Probability of each class.
        logits_NQhw: Mask logits.
    """

    probabilities_NQC: Tensor
    logits_NQhw: Tensor


class ImageScores(ImageLogits):
    """Scores at the size of the padded images: products of class probabilities and enlarged masks, after the sigmoid.

    The arguments are those of :class:`ImageLogits`, but `compute` returns :class:`ClassMasks`.
    """

    is_linear = False

    def _describe(self, window: ClassMasks) -> None:  # type: ignore[override]
        super()._describe(window.logits_NQhw)
        num_queries, self.num_channels = window.probabilities_NQC.shape[1:]
        self.block_channels = max(num_queries, self.num_channels)

    def _enlarge(  # type: ignore[override]
        self,
        window: ClassMasks,
        image: int,
        rows: tuple[slice, Tensor | None],
        columns: tuple[slice, Tensor | None],
    ) -> Tensor:
        masks_RQT = super()._enlarge(window.logits_NQhw, image, rows, columns).sigmoid()
        return window.probabilities_NQC[image].t().to(masks_RQT) @ masks_RQT
