"""Points of label maps at which predicted masks are compared with the labels.

Shape suffixes: N batch, B images, any of which may be repeated, M masks, Q queries, G classes of an image, P points,
H and W height and width of the labels, h and w those of the mask logits.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.models.precision import at_least_float32


class Points(NamedTuple):
    """Points of some images.

    Attributes:
        xy_BP2: Column and row in pixels of the labels, floating point; integers are the centres of pixels.
        weight_BP: Weight of each point; 0 where an image has fewer points than others.
    """

    xy_BP2: Tensor
    weight_BP: Tensor


class LabelPoints:
    """Draws points of a batch of label maps.

    In an image of `everywhere_N` points are drawn as in Mask2Former: anywhere, not only at the centres of pixels. In
    the others a point is the centre of a labelled pixel; if no more than `num_points` are labelled, each of them is a
    point once.

    Args:
        labels_NHW: Class indices, int64.
        weight_NHW: Weight of each pixel, floating point; 0 where there is no label.
        everywhere_N: Images in which points are drawn anywhere, bool.
        num_points: Points of an image or mask.
    """

    def __init__(self, labels_NHW: Tensor, weight_NHW: Tensor, everywhere_N: Tensor, num_points: int) -> None:
        self.labels_NHW, self.weight_NHW, self.everywhere_N = labels_NHW, weight_NHW, everywhere_N
        self.size = labels_NHW.new_tensor([labels_NHW.shape[2], labels_NHW.shape[1]])
        pixels_NL = (weight_NHW > 0).flatten(1) & ~everywhere_N[:, None]
        self._position_P = pixels_NL.nonzero()[:, 1]
        self._count_N = pixels_NL.sum(1)
        self._first_N = self._count_N.cumsum(0) - self._count_N
        self._few_N = ~everywhere_N & (self._count_N <= num_points)
        self._all_few, self._all_everywhere = bool(self._few_N.all()), bool(everywhere_N.all())
        self.num_points = int(self._count_N.max()) if self._all_few else num_points

    def draw(self, images_B: Tensor) -> Points:
        """Draw points of some images at random.

        Args:
            images_B: Indices into the batch, int64.
        """
        if self._all_few:
            return self._labelled(images_B)
        return self._with_few(images_B, self._random(images_B, self.num_points))

    def draw_uncertain(
        self, images_M: Tensor, mask_logits_Mhw: Tensor, oversample_ratio: float, importance_sample_ratio: float
    ) -> Points:
        """Draw points of masks, most of them where the mask's logit is close to 0.

        Args:
            images_M: The image of each mask, int64.
            mask_logits_Mhw: The logits.
            oversample_ratio: Points to choose from, per point.
            importance_sample_ratio: Share of the points that are chosen; the others are drawn at random.

        Reference:
            Kirillov et al., PointRend, CVPR 2020, section 3.1.
        """
        if self._all_few:
            return self._labelled(images_M)
        candidates = self._random(images_M, int(self.num_points * oversample_ratio))
        num_chosen = int(importance_sample_ratio * self.num_points)
        logits_MP = self.sample(images_M, mask_logits_Mhw[:, None], candidates).squeeze(1)
        chosen_MP = logits_MP.abs().topk(num_chosen, dim=1, largest=False).indices
        points = Points(
            candidates.xy_BP2.take_along_dim(chosen_MP[..., None], 1), candidates.weight_BP.take_along_dim(chosen_MP, 1)
        )
        if num_chosen < self.num_points:
            others = self._random(images_M, self.num_points - num_chosen)
            points = Points(*(torch.cat(values, 1) for values in zip(points, others, strict=True)))
        return self._with_few(images_M, points)

    def sample(self, images_B: Tensor, logits_BQhw: Tensor, points: Points) -> Tensor:
        """Interpolate mask logits at points, in at least float32.

        Beyond the outermost centres of their cells logits decrease towards 0, as in Mask2Former; at labelled pixels
        they are those of the enlarged map.

        Returns:
            (B, Q, P).
        """
        logits_BQhw = at_least_float32(logits_BQhw)
        unit_BP2 = (points.xy_BP2 + 0.5) / self.size
        if not self._all_everywhere:
            half_2 = 0.5 / unit_BP2.new_tensor(logits_BQhw.shape[:1:-1])
            clamped_BP2 = unit_BP2.clamp_min(half_2).minimum(1 - half_2)
            unit_BP2 = torch.where(self.everywhere_N[images_B, None, None], unit_BP2, clamped_BP2)
        grid_B1P2 = (2 * unit_BP2 - 1).to(logits_BQhw)[:, None]
        return F.grid_sample(logits_BQhw, grid_B1P2, align_corners=False).squeeze(2)

    def targets(self, images_B: Tensor, classes_BG: Tensor, points: Points) -> Tensor:
        """Compute how much of each point is labelled as each class, by bilinear interpolation.

        Returns:
            (B, G, P), in [0, 1].
        """
        corner_BP2 = points.xy_BP2.floor()
        upper = (points.xy_BP2 - corner_BP2).unbind(-1)
        targets_BGP = points.weight_BP.new_zeros(*classes_BG.shape, points.xy_BP2.shape[1])
        for offset in ((0, 0), (1, 0), (0, 1), (1, 1)):
            place_BP2 = corner_BP2.long() + self.size.new_tensor(offset)
            x_share, y_share = (share if step else 1 - share for step, share in zip(offset, upper, strict=True))
            share_BP = x_share * y_share * ((place_BP2 >= 0) & (place_BP2 < self.size)).all(-1)
            x_BP, y_BP = place_BP2.clamp_min(0).minimum(self.size - 1).unbind(-1)
            label_BP = self.labels_NHW[images_B[:, None], y_BP, x_BP]
            targets_BGP += (label_BP[:, None] == classes_BG[..., None]) * share_BP[:, None]
        return targets_BGP

    def _random(self, images_B: Tensor, num_points: int) -> Points:
        unit_BP2 = torch.rand(len(images_B), num_points, 2, device=images_B.device)
        anywhere = Points(unit_BP2 * self.size - 0.5, torch.ones_like(unit_BP2[..., 0]))
        if self._all_everywhere:
            return anywhere
        drawn = self._pixels(images_B, (unit_BP2[..., 0] * self._count_N[images_B, None]).long())
        return _choose(self.everywhere_N[images_B], anywhere, drawn)

    def _labelled(self, images_B: Tensor) -> Points:
        slot_P = torch.arange(self.num_points, device=images_B.device)
        return self._pixels(images_B, slot_P.expand(len(images_B), -1))

    def _with_few(self, images_B: Tensor, points: Points) -> Points:
        """Replace the points of images with few labelled pixels by all of these."""
        return points if self._all_everywhere else _choose(self._few_N[images_B], self._labelled(images_B), points)

    def _pixels(self, images_B: Tensor, slot_BP: Tensor) -> Points:
        """Look up labelled pixels by their number in the image; those beyond its last have the weight 0."""
        inside_BP = slot_BP < self._count_N[images_B, None]
        index_BP = torch.where(inside_BP, self._first_N[images_B, None] + slot_BP, 0)
        # One more than there are, so that the first exists even without any label.
        position_BP = F.pad(self._position_P, (0, 1))[index_BP]
        weight_BP = self.weight_NHW.flatten(1)[images_B[:, None], position_BP] * inside_BP
        width = self.labels_NHW.shape[2]
        return Points(torch.stack([position_BP % width, position_BP // width], -1).to(weight_BP), weight_BP)


def _choose(first_B: Tensor, first: Points, second: Points) -> Points:
    """Take the points of some images from one set, and those of the others from another."""
    return Points(
        torch.where(first_B[:, None, None], first.xy_BP2, second.xy_BP2),
        torch.where(first_B[:, None], first.weight_BP, second.weight_BP),
    )
