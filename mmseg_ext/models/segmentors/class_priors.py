"""How much of the ground each class covers, when the labelled points do not tell.

Shape suffixes: N batch, C classes, h and w height and width of the logits.
"""

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn
from torch.nn.functional import one_hot

from mmseg_ext.errors import UserError
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.models.regularizers import TrainingBatch

SMALLEST_SHARE = 1e-3  # keeps a class that is hardly ever predicted, or labelled, within reach


class ClassPriors(nn.Module):
    """Takes out of the training what the choice of the points put into it.

    So many points a class and image say nothing about how often the classes occur: a network that learns from them
    finds rare classes everywhere. Within a class the points are like its other pixels; the difference is one of
    priors, and known up to the areas. These are estimated from the network's own predictions on unlabelled pixels, as
    expectation maximisation does, while it trains: the loss at the labelled pixels sees logits to which log (share of
    the points / share of the area) is added, so that the logits themselves, and all predictions, are for the areas.

    Points that were drawn from all pixels of an image need none of this; for them the two shares agree.

    Args:
        num_classes: C; two for one sigmoid channel.
        momentum: Share of each batch in the running estimates.
        stop: Training iterations after which the estimates stay as they are; None for never. Losses that make the
            predictions surer, such as a teacher's, would drive the estimates away from classes that are hard to tell.

    Raises:
        UserError: The momentum is out of range.

    Reference:
        Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities: a
        simple procedure, Neural Computation 2002, for the estimate; Menon et al., Long-tail learning via logit
        adjustment, ICLR 2021 (arXiv 2007.07314), for the loss. Here the estimate runs along with the training.
    """

    def __init__(self, num_classes: int, momentum: float = 0.01, stop: int | None = None) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise UserError(f"Expected `momentum` of `class_priors` above 0 and at most 1, got {momentum}.")
        if stop is not None and stop < 1:
            raise UserError(f"Expected `stop` of `class_priors` of at least 1 iteration, or None, got {stop}.")
        self.momentum = momentum
        self.stop = stop
        self.point_share_C: Tensor
        self.area_share_C: Tensor
        self.register_buffer("point_share_C", torch.zeros(num_classes))
        self.register_buffer("area_share_C", torch.zeros(num_classes))

    @torch.no_grad()
    def update(self, batch: TrainingBatch) -> None:
        """Take in the labels and the predictions of one batch; the first labels stand for the areas as well."""
        h, w = batch.logits_NChw.shape[2:]
        labels = batch.labels_NHW[batch.labels_NHW != batch.ignore_index].long()
        num_classes = len(self.point_share_C)
        points_C = one_hot(labels, num_classes).sum(0).to(self.point_share_C.dtype)
        predicted_NChw = at_least_float32(batch.logits_NChw).softmax(1)
        area_C = (predicted_NChw * batch.unlabelled_at((h, w))[:, None]).sum((0, 2, 3)).to(points_C.dtype)
        both_2C = torch.stack([points_C, area_C])
        all_reduce(both_2C)
        points_C, area_C = both_2C / both_2C.sum(1, keepdim=True).clamp_min(torch.finfo(both_2C.dtype).tiny)
        if points_C.sum() == 0 or area_C.sum() == 0:
            return
        if self.point_share_C.sum() == 0:
            self.point_share_C.copy_(points_C)
            self.area_share_C.copy_(points_C)
        self.point_share_C.lerp_(points_C, self.momentum)
        self.area_share_C.lerp_(area_C, self.momentum)

    def shift(self, logits_NChw: Tensor) -> Tensor:
        """Turn logits for the areas into logits for the points, (N, C, h, w), or (N, 1, h, w) for a sigmoid."""
        shift_C = (self.point_share_C + SMALLEST_SHARE).log() - (self.area_share_C + SMALLEST_SHARE).log()
        if logits_NChw.shape[1] == 1:
            shift_C = shift_C[1:] - shift_C[:1]
        return logits_NChw + shift_C.to(logits_NChw.dtype)[:, None, None]
