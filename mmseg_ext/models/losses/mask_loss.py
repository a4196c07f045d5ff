"""The loss of Mask2Former: queries matched one to one with the classes of an image.

Shape suffixes: N batch, Q queries, C classes, K classes and 'no object', G classes of an image, P points, M masks, H
and W height and width of the labels, h and w those of the mask logits.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_ext.arguments import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt, Rule
from mmseg_ext.models.label_range import check_labels
from mmseg_ext.models.losses.mask_matching import binary_cross_entropy_costs, dice_costs, match
from mmseg_ext.models.losses.mask_points import LabelPoints
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.registry import MODELS

AtLeastOne = Annotated[float, Rule("a number of at least 1", lambda value: value >= 1)]


class MaskTargets(NamedTuple):
    """What a batch is labelled as.

    Attributes:
        points: Where masks are compared with the labels.
        classes_NG: Classes of each image, int64, filled up to as many as the image with most has.
        num_classes: How many of them each image has.
        known_NC: Classes that are known to be present or absent in the image, bool.
    """

    points: LabelPoints
    classes_NG: Tensor
    num_classes: list[int]
    known_NC: Tensor


def present_classes(labels_NHW: Tensor, num_classes: int) -> Tensor:
    """Find the classes that are labelled in each image.

    Args:
        labels_NHW: Class indices; other values are not labelled.
        num_classes: Classes.

    Returns:
        Bool, (N, C).
    """
    is_class_NL = ((labels_NHW >= 0) & (labels_NHW < num_classes)).flatten(1)
    index_NL = torch.where(is_class_NL, labels_NHW.flatten(1), num_classes)
    return is_class_NL.new_zeros(len(labels_NHW), num_classes + 1).scatter_(1, index_NL, True)[:, :-1]


def mask_targets(points: LabelPoints, present_NC: Tensor, known_NC: Tensor) -> MaskTargets:
    """List the present classes of each image."""
    counts = present_NC.sum(1).tolist()
    classes_NG = present_NC.sort(stable=True, dim=1, descending=True).indices[:, : max(counts)]
    return MaskTargets(points, classes_NG, counts, known_NC)


@MODELS.register_module()
class MaskLoss(nn.Module):
    """The loss of Mask2Former, as published: cross-entropy of the classes, and binary cross-entropy and Dice of masks.

    Each class of an image is matched with one query. The class of the others is 'no object'. Masks are compared with
    the labels at drawn points, at which a pixel without a label belongs to no class. Computed in at least float32. With
    the same random numbers, values and gradients are those of mmdet's Mask2FormerHead.

    Args:
        num_points: Points of a mask.
        oversample_ratio: Points to choose from, per point; at least 1.
        importance_sample_ratio: Share of the points that are chosen where the mask is uncertain; the others are drawn
            at random.
        no_object_weight: Weight of queries without a class in the cross-entropy of the classes.
        class_weight: Factor on the cross-entropy of the classes, in loss and matching.
        mask_weight: Factor on the binary cross-entropy of masks, in loss and matching.
        dice_weight: Factor on Dice, in loss and matching.

    Reference:
        Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation, CVPR 2022, section 3.3.
    """

    unlabelled_are_negatives = True
    """Then a run with a label budget is refused."""

    def __init__(
        self,
        num_points: PositiveInt = 12544,
        oversample_ratio: AtLeastOne = 3.0,
        importance_sample_ratio: Fraction = 0.75,
        no_object_weight: PositiveFloat = 0.1,
        class_weight: NonNegativeFloat = 2.0,
        mask_weight: NonNegativeFloat = 5.0,
        dice_weight: NonNegativeFloat = 5.0,
    ) -> None:
        super().__init__()
        self.num_points, self.oversample_ratio = num_points, oversample_ratio
        self.importance_sample_ratio = importance_sample_ratio
        self.no_object_weight = no_object_weight
        self.class_weight, self.mask_weight, self.dice_weight = class_weight, mask_weight, dice_weight

    def forward(
        self,
        class_logits: Sequence[Tensor],
        mask_logits: Sequence[Tensor],
        data_samples: Sequence[SegDataSample],
        ignore_index: int = 255,
    ) -> dict[str, Tensor]:
        """Compute the losses of every layer.

        Args:
            class_logits: Of each layer (N, Q, C + 1), 'no object' last.
            mask_logits: Of each layer (N, Q, h, w).
            data_samples: With the labels in ``gt_sem_seg``, all of one size.
            ignore_index: Marks pixels without a label.

        Returns:
            ``loss_cls``, ``loss_mask`` and ``loss_dice`` of the last layer; those of the others begin with 'd0.',
            'd1.', …

        Raises:
            UserError: A label is none of the classes; names the file.
        """
        labels_NHW = torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in data_samples]).long()
        num_classes = class_logits[-1].shape[2] - 1
        check_labels(labels_NHW, data_samples, num_classes, ignore_index)
        losses: dict[str, Tensor] = {}
        with torch.autocast(labels_NHW.device.type, enabled=False):
            targets = self.targets(labels_NHW, data_samples, num_classes, ignore_index)
            for layer, logits in enumerate(zip(class_logits, mask_logits, strict=True)):
                prefix = "" if layer == len(class_logits) - 1 else f"d{layer}."
                losses.update({prefix + name: value for name, value in self.layer_losses(*logits, targets).items()})
        return losses

    def targets(
        self, labels_NHW: Tensor, data_samples: Sequence[SegDataSample], num_classes: int, ignore_index: int
    ) -> MaskTargets:
        """Prepare the labels of a batch: all classes are known, and points may be anywhere."""
        present_NC = present_classes(labels_NHW, num_classes)
        everywhere_N = torch.ones_like(present_NC[:, 0])
        weight_NHW = torch.ones_like(labels_NHW, dtype=torch.float32)
        points = LabelPoints(labels_NHW, weight_NHW, everywhere_N, self.num_points)
        return mask_targets(points, present_NC, torch.ones_like(present_NC))

    def layer_losses(
        self, class_logits_NQK: Tensor, mask_logits_NQhw: Tensor, targets: MaskTargets
    ) -> dict[str, Tensor]:
        """Compute the losses of one layer, weighted."""
        class_logits_NQK = at_least_float32(class_logits_NQK)
        # A class that is not known to be present or absent does not take part.
        unknown_N1K = F.pad(~targets.known_NC, (0, 1))[:, None]
        class_logits_NQK = class_logits_NQK.masked_fill(unknown_N1K, -torch.inf)
        points, num_no_object = targets.points, class_logits_NQK.shape[2] - 1
        with torch.no_grad():
            images_N = torch.arange(len(class_logits_NQK), device=class_logits_NQK.device)
            drawn = points.draw(images_N)
            logits_NQP = points.sample(images_N, mask_logits_NQhw, drawn)
            targets_NGP = points.targets(images_N, targets.classes_NG, drawn)
            index_NQG = targets.classes_NG[:, None].expand(-1, class_logits_NQK.shape[1], -1)
            costs_NQG = -self.class_weight * class_logits_NQK.softmax(2).gather(2, index_NQG)
            costs_NQG += self.mask_weight * binary_cross_entropy_costs(logits_NQP, targets_NGP, drawn.weight_BP)
            costs_NQG += self.dice_weight * dice_costs(logits_NQP, targets_NGP, drawn.weight_BP)
            matches = match(costs_NQG, targets.num_classes)
            class_M = targets.classes_NG[matches.image_M, matches.target_M]
            class_NQ = torch.full_like(class_logits_NQK[..., 0], num_no_object, dtype=torch.long)
            class_NQ[matches.image_M, matches.query_M] = class_M
        class_weight_K = class_logits_NQK.new_ones(num_no_object + 1)
        class_weight_K[-1] = self.no_object_weight
        loss_cls = F.cross_entropy(class_logits_NQK.flatten(0, 1), class_NQ.flatten(), class_weight_K)
        loss_mask, loss_dice = self._mask_losses(
            mask_logits_NQhw[matches.image_M, matches.query_M], matches.image_M, class_M, points
        )
        return {
            "loss_cls": self.class_weight * loss_cls,
            "loss_mask": self.mask_weight * loss_mask,
            "loss_dice": self.dice_weight * loss_dice,
        }

    def _mask_losses(
        self, mask_logits_Mhw: Tensor, image_M: Tensor, class_M: Tensor, points: LabelPoints
    ) -> tuple[Tensor, Tensor]:
        """Average binary cross-entropy and 1 − Dice over the matched masks."""
        num_masks = mask_logits_Mhw.new_tensor(len(image_M), dtype=torch.float32)
        all_reduce(num_masks, "mean")
        if not len(image_M):
            zero = mask_logits_Mhw.sum()
            return zero, zero
        with torch.no_grad():
            drawn = points.draw_uncertain(image_M, mask_logits_Mhw, self.oversample_ratio, self.importance_sample_ratio)
            targets_MP = points.targets(image_M, class_M[:, None], drawn).squeeze(1)
        logits_MP = points.sample(image_M, mask_logits_Mhw[:, None], drawn).squeeze(1)
        cross_entropy_M, dice_M = compare_masks(logits_MP, targets_MP, drawn.weight_BP)
        num_masks = num_masks.clamp_min(1)
        return cross_entropy_M.sum() / num_masks, dice_M.sum() / num_masks


def compare_masks(logits_MP: Tensor, targets_MP: Tensor, weight_MP: Tensor, eps: float = 1.0) -> tuple[Tensor, Tensor]:
    """Compute the binary cross-entropy and 1 − Dice of each mask over its points, weighted.

    Returns:
        Two tensors (M,).
    """
    total_M = weight_MP.sum(1)
    cross_entropy_MP = F.binary_cross_entropy_with_logits(logits_MP, targets_MP, reduction="none")
    cross_entropy_M = (cross_entropy_MP * weight_MP).sum(1) / torch.where(total_M > 0, total_M, 1)
    weighted_MP = logits_MP.sigmoid() * weight_MP
    shared_M = (weighted_MP * targets_MP).sum(1)
    return cross_entropy_M, 1 - (2 * shared_M + eps) / (weighted_MP.sum(1) + (targets_MP * weight_MP).sum(1) + eps)
