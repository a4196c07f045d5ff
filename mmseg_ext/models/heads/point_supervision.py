"""Decode heads whose loss is evaluated at the labelled pixels only."""

from typing import Any, NamedTuple

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_ext.errors import UserError
from mmseg_ext.models.heads.head_arguments import check_head_arguments
from mmseg_ext.models.label_range import check_labels
from mmseg_ext.models.label_weights import label_weights
from mmseg_ext.models.losses.partial_cross_entropy_loss import PartialCrossEntropyLoss
from mmseg_ext.models.resampling.interpolation import interpolate_at
from mmseg_ext.models.resampling.label_resolution import label_resolution_cross_entropy


class _CrossEntropySettings(NamedTuple):
    """Class weights and averaging of a cross-entropy loss."""

    class_weight_C: Tensor | None
    over_all_pixels: bool


def _is_cross_entropy(loss: nn.Module) -> bool:
    """Whether a loss is a cross-entropy over softmax."""
    if isinstance(loss, PartialCrossEntropyLoss):
        return True
    return type(loss) is CrossEntropyLoss and not (loss.use_sigmoid or loss.use_mask) and loss.reduction == "mean"


def _read_cross_entropy(loss: nn.Module, device: torch.device | None = None) -> _CrossEntropySettings | None:
    """Read the settings of a cross-entropy loss; None for any other loss."""
    if isinstance(loss, PartialCrossEntropyLoss):
        weights = loss.class_weight_C
        return _CrossEntropySettings(weights if weights is None else weights.to(device), over_all_pixels=False)
    if _is_cross_entropy(loss):
        weights = None if loss.class_weight is None else torch.tensor(loss.class_weight, device=device)
        # With class weights, mmseg divides by the sum of weights of the labelled pixels.
        return _CrossEntropySettings(weights, over_all_pixels=weights is None and not loss.avg_non_ignore)
    return None


def _refused(loss: nn.Module) -> str:
    """Say which loss a point head refuses, why, and what to use instead."""
    name = type(loss).__name__
    if type(loss) is CrossEntropyLoss and (loss.use_sigmoid or loss.use_mask):
        setting = "use_sigmoid=True" if loss.use_sigmoid else "use_mask=True"
        return f"{name}({setting}). Use mmseg_ext.PartialBinaryCrossEntropyLoss with out_channels=1."
    if type(loss) is CrossEntropyLoss:
        return f"{name}(reduction={loss.reduction!r}). Leave `reduction` out; `loss_weight` scales the loss."
    return f"{name}, which may need the logits of all pixels. Change `loss_decode`, or use the stock head."


def takes_labelled_pixels(loss: nn.Module) -> bool:
    """Whether a loss has the same value on a list of the labelled pixels as on the whole map."""
    return bool(getattr(loss, "takes_labelled_pixels", False))


class PointSupervision(BaseDecodeHead):
    """Mixin for decode heads whose loss is evaluated at the labelled pixels only.

    mmseg's heads enlarge all logits to the size of the labels. Here cross-entropy never stores logits of that size, for
    a few points as for dense labels; value and gradients are the same. ``acc_seg`` is the percentage of labelled pixels
    that are correct (0 without labels; a tie of the highest logits is wrong). Parameters, state_dict keys and
    prediction are those of mmseg's head. With ``mmseg_ext.WeighLabels`` in the pipeline, or labels completed with
    ``weigh=True``, the weights apply to all losses.

    For your own head, list the mixin after the head, so that a head which calls the loss of its base class several
    times, for auxiliary outputs, calls this loss:

        @MODELS.register_module()
        class PointPSPHead(PSPHead, PointSupervision):
            '''PSPHead trained at the labelled pixels.'''

    KNet's iterative head computes its loss in its ``kernel_generate_head``: use a point head there.

    Args:
        *args: Passed to mmseg's head.
        **kwargs: Passed to mmseg's head. `loss_decode` is PartialCrossEntropyLoss by default; it may be that,
            PartialBinaryCrossEntropyLoss, PartialDiceLoss, mmseg's softmax CrossEntropyLoss, or a list of these.

    Raises:
        UserError: A loss or a sampler needs the logits of all pixels, or cross-entropy has a single channel.
    """

    takes_label_weights = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("loss_decode", {"type": "mmseg_ext.PartialCrossEntropyLoss"})
        given = {**dict(zip(("in_channels", "channels"), args, strict=False)), **kwargs}
        fitting = ("in_channels", "num_classes", "in_index", "input_transform", "out_channels")
        check_head_arguments(type(self).__name__, **{key: given[key] for key in fitting if key in given})
        super().__init__(*args, **kwargs)
        name = type(self).__name__
        if self.sampler is not None:
            raise UserError(
                f"Expected {name} without `sampler`, got {type(self.sampler).__name__}, which needs the logits of all "
                "pixels. Leave it out, or use the stock head."
            )
        for loss in self._losses():
            if _is_cross_entropy(loss):
                if self.out_channels == 1:
                    raise UserError(
                        f"Expected one channel a class for {type(loss).__name__} in {name}, got out_channels=1. Leave "
                        "`out_channels` out, or use mmseg_ext.PartialBinaryCrossEntropyLoss or "
                        "mmseg_ext.PartialDiceLoss(use_sigmoid=True)."
                    )
            elif not takes_labelled_pixels(loss):
                raise UserError(
                    f"Expected the losses of {name} to be PartialCrossEntropyLoss, PartialBinaryCrossEntropyLoss, "
                    "PartialDiceLoss or mmseg's softmax CrossEntropyLoss, which average over pixels, got "
                    f"{_refused(loss)}"
                )

    def _losses(self) -> list[Any]:
        return list(self.loss_decode) if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Compute the losses and the accuracy at the labelled pixels.

        Args:
            seg_logits: (N, C, h, w), as the head's forward returns them.
            batch_data_samples: mmseg's SegDataSample, with the labels in ``gt_sem_seg``.

        Returns:
            Every loss by its name, and ``acc_seg``: percentage of labelled pixels whose label has the highest logit.

        Raises:
            UserError: A label is none of the classes; names the file.
        """
        labels_NHW = self._stack_batch_gt(batch_data_samples).squeeze(1)
        check_labels(labels_NHW, batch_data_samples, self.out_channels, self.ignore_index)
        weight_NHW = label_weights(batch_data_samples, labels_NHW, self.ignore_index)
        losses: dict[str, Tensor] = {}
        right = None
        for loss in self._losses():
            settings = _read_cross_entropy(loss, seg_logits.device)
            if settings is not None:
                computed = label_resolution_cross_entropy(
                    seg_logits,
                    labels_NHW,
                    self.align_corners,
                    settings.class_weight_C,
                    weight_NHW,
                    ignore_index=self.ignore_index,
                    denominator=labels_NHW.numel() if settings.over_all_pixels else None,
                )
                value = loss.loss_weight * computed.loss
                right = computed.num_correct, computed.num_labelled
            else:
                value, counted = self._loss_of_gathered(loss, seg_logits, labels_NHW, weight_NHW)
                right = right or counted
            losses[loss.loss_name] = losses[loss.loss_name] + value if loss.loss_name in losses else value
        if right is not None:
            num_correct, num_labelled = right
            losses["acc_seg"] = 100.0 * num_correct / max(num_labelled, 1)
        return losses

    def _loss_of_gathered(
        self, loss: nn.Module, seg_logits: Tensor, labels_NHW: Tensor, weight_NHW: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, int]]:
        """Compute a loss on the list of labelled pixels, passed as one image of height 1."""
        positions_P = (labels_NHW != self.ignore_index).flatten().nonzero().squeeze(1)
        labels_P = labels_NHW.flatten()[positions_P].long()
        shape = (labels_NHW.shape[1], labels_NHW.shape[2])
        logits_PC = interpolate_at(seg_logits, positions_P, shape, self.align_corners)
        value = loss(
            logits_PC.t()[None, :, None],
            labels_P[None, None],
            weight=None if weight_NHW is None else weight_NHW.flatten()[positions_P][None, None],
            ignore_index=self.ignore_index,
        )
        with torch.no_grad():
            if logits_PC.shape[1] == 1:
                right_P = (logits_PC.squeeze(1).sigmoid() > self.threshold) == (labels_P == 1)
            else:
                own_P1 = logits_PC.gather(1, labels_P[:, None])
                others_PC = logits_PC.scatter(1, labels_P[:, None], -torch.inf)
                right_P = own_P1.squeeze(1) > others_PC.amax(1)
        return value, (right_P.sum(), len(labels_P))
