"""The encoder-only mask transformer: queries among the tokens of a plain vision transformer.

Shape suffixes: N batch, L tokens, Q queries, C channels, K classes, h w height and width of a map, H W of the images.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmseg.structures import SegDataSample
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from mmseg_ext.arguments import ComponentConfig, PositiveInt, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_formats import check_complete
from mmseg_ext.models.backbones.intermediate_tokens import IntermediateTokens
from mmseg_ext.models.backbones.weight_files import read_weights
from mmseg_ext.models.heads.eomt_formats import MASK_PROBABILITIES, to_head
from mmseg_ext.models.heads.mask_prediction import MaskPrediction
from mmseg_ext.registry import MODELS


class Upscale(nn.Module):
    """Doubles height and width of a feature map: transposed convolution, GELU, depthwise convolution, norm.

    Args:
        channels: Of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, groups=channels, bias=False)
        self.norm = LayerNorm2d(channels)

    def forward(self, features_NChw: Tensor) -> Tensor:
        """Return the map at twice the size, (N, C, 2h, 2w)."""
        return self.norm(self.conv2(F.gelu(self.conv1(features_NChw))))


def _save_mask_probabilities(head: "EoMT", state_dict: dict[str, Any], prefix: str, _metadata: object) -> None:
    if head.mask_probabilities:
        state_dict[prefix + MASK_PROBABILITIES] = torch.tensor(head.mask_probabilities)


def _load_mask_probabilities(head: "EoMT", state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    probabilities = state_dict.pop(prefix + MASK_PROBABILITIES, None)
    if probabilities is not None:
        head.mask_probabilities = tuple(probabilities.tolist())


@MODELS.register_module()
class EoMT(MaskPrediction, BaseModule):
    """Queries that join the tokens of a vision transformer before its last blocks; each predicts a class and a mask.

    The backbone is a DINO with `query_blocks`, the number of these blocks. It is trained with them; LoRA, frozen blocks
    and layer-wise learning rates are the backbone's settings. In training a query attends to a patch only where the
    mask that it predicts before the block covers it; `MaskAnnealingHook` ends this block by block, so that a trained
    network predicts its masks once, behind the last block.

    Args:
        in_channels: Channels of the tokens.
        num_classes: Classes.
        num_queries: Queries.
        num_upscales: How often the patches are enlarged by two before masks are predicted: 2 for patches of 16 pixels,
            1 for 14 and 8, so that a mask has a quarter of the image's height and width, or two sevenths or a quarter.
        loss_decode: A loss of masks, such as ``dict(type='mmseg_ext.PointMaskLoss')``; by default that.
        checkpoint: A file, folder or address with a whole EoMT, of its authors, of transformers or of this package,
            from which queries and heads are taken. Give the backbone the same `checkpoint`.
        new_classes: Leave the class layer of `checkpoint` out, for other classes than those it was trained on.
        ignore_index: Marks pixels without a label.
        align_corners: Must be False; mmseg's segmentors read it.
        init_cfg: As for every module of mmengine.

    Raises:
        UserError: The weights do not match exactly, or the backbone returns feature maps or other channels.

    Attributes:
        mask_probabilities: Of each block the probability that a query attends only to its mask; empty: 1. In
            evaluation all queries do so where it is at least 0.5.

    Reference:
        Kerssies et al., Your ViT is Secretly an Image Segmentation Model, CVPR 2025.

    Example:
        >>> from mmseg_ext.models import DINO
        >>> tiny = dict(embed_dim=32, depth=3, num_heads=2)
        >>> backbone = DINO('dinov3_vits16', frozen=False, query_blocks=2, arch_overrides=tiny)
        >>> head = EoMT(in_channels=32, num_classes=5, num_queries=7)
        >>> classes, masks = head(backbone(torch.zeros(1, 3, 32, 48)))
        >>> len(masks), classes[-1].shape, masks[-1].shape
        (3, torch.Size([1, 7, 6]), torch.Size([1, 7, 8, 12]))
    """

    _convert = staticmethod(to_head)

    def __init__(
        self,
        in_channels: PositiveInt,
        num_classes: PositiveInt,
        num_queries: PositiveInt = 100,
        num_upscales: PositiveInt = 2,
        loss_decode: ComponentConfig | None = None,
        checkpoint: StrPath | None = None,
        new_classes: bool = False,
        ignore_index: int = 255,
        align_corners: Literal[False] = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels, self.num_queries = in_channels, num_queries
        self.num_classes = self.out_channels = num_classes
        self.ignore_index, self.align_corners = ignore_index, align_corners
        self.queries = nn.Embedding(num_queries, in_channels)
        self.class_head = nn.Linear(in_channels, num_classes + 1)
        self.mask_head = nn.Sequential(
            nn.Linear(in_channels, in_channels),
            nn.GELU(),
            nn.Linear(in_channels, in_channels),
            nn.GELU(),
            nn.Linear(in_channels, in_channels),
        )
        self.upscale = nn.Sequential(*(Upscale(in_channels) for _ in range(num_upscales)))
        self.loss_decode = MODELS.build(loss_decode or {"type": "mmseg_ext.PointMaskLoss"})
        self.mask_probabilities: tuple[float, ...] = ()
        self.register_state_dict_post_hook(_save_mask_probabilities)
        self.register_load_state_dict_pre_hook(_load_mask_probabilities)
        if checkpoint is not None:
            self.load_weights(str(checkpoint), new_classes)

    def load_weights(self, source: str, new_classes: bool) -> None:
        """Load the weights of a file, folder or address; `new_classes` leaves the class layer out.

        Raises:
            UserError: They do not match exactly.
        """
        weights, name = self._convert(read_weights(source), source)
        expected = {key: value.shape for key, value in self.state_dict().items()}
        mask_probabilities = weights.pop(MASK_PROBABILITIES, None)
        if new_classes:
            weights |= {f"class_head.{key}": value for key, value in self.class_head.state_dict().items()}
        check_complete(weights, expected, (), f"the weights of {type(self).__name__} in {source} (format: {name})")
        if mask_probabilities is not None:
            weights[MASK_PROBABILITIES] = mask_probabilities
        self.load_state_dict(weights)
        print_log(f"{type(self).__name__}: took {len(weights)} tensors from {source} (format: {name}).", "current")

    def forward(self, inputs: Sequence[IntermediateTokens]) -> tuple[list[Tensor], list[Tensor]]:
        """Run the last blocks of the backbone, with the queries among the tokens.

        Args:
            inputs: The output of a DINO with `query_blocks`.

        Returns:
            Class logits (N, Q, K + 1), 'no object' last, and mask logits (N, Q, h, w); in training those before each
            block and those behind the last one, in evaluation the latter alone.

        Raises:
            UserError: The backbone has no `query_blocks`, or other channels.
        """
        features = inputs[-1]
        channels = features.tokens.shape[-1] if isinstance(features, IntermediateTokens) else None
        if channels != self.in_channels:
            raise UserError(
                f"Expected tokens of {self.in_channels} channels, as `in_channels` says, from mmseg_ext.DINO with "
                f"`query_blocks`, got {'feature maps' if channels is None else f'{channels} channels'}."
            )
        blocks = features.blocks_for(self.num_queries)
        probabilities = self.mask_probabilities or (1.0,) * len(blocks)
        if len(probabilities) != len(blocks):
            raise UserError(
                f"Expected masked attention in {len(blocks)} blocks, as the backbone's `query_blocks` says, got "
                f"probabilities for {len(probabilities)}, from a checkpoint or MaskAnnealingHook."
            )
        queries_NQC = self.queries.weight.to(features.tokens.dtype).expand(len(features.tokens), -1, -1)
        tokens_NLC = torch.cat([features.tokens, queries_NQC], dim=1)
        predictions = []
        for block, probability in zip(blocks, probabilities, strict=True):
            mask = None
            is_masked = probability > 0 if self.training else probability >= 0.5
            if self.training or is_masked:
                predictions.append(self._predictions(tokens_NLC, features))
            if is_masked:
                mask = self._attention_mask(predictions[-1][1], tokens_NLC, features, probability)
            tokens_NLC = block(tokens_NLC, mask)
        predictions.append(self._predictions(tokens_NLC, features))
        class_logits, mask_logits = zip(*predictions if self.training else predictions[-1:], strict=True)
        return list(class_logits), list(mask_logits)

    def _predictions(self, tokens_NLC: Tensor, features: IntermediateTokens) -> tuple[Tensor, Tensor]:
        """Predict class and mask logits from the tokens before or behind a block."""
        tokens_NLC = features.norm(tokens_NLC)
        queries_NQC = tokens_NLC[:, -self.num_queries :]
        patches_NLC = tokens_NLC[:, features.num_prefix_tokens : -self.num_queries]
        patches_NChw = self.upscale(patches_NLC.mT.unflatten(2, features.grid))
        masks_NQhw = (self.mask_head(queries_NQC) @ patches_NChw.flatten(2)).unflatten(2, patches_NChw.shape[2:])
        return self.class_head(queries_NQC), masks_NQhw

    @torch.no_grad()
    def _attention_mask(
        self, masks_NQhw: Tensor, tokens_NLC: Tensor, features: IntermediateTokens, probability: float
    ) -> Tensor:
        """Compute the additive attention mask (N, 1, L, L): -inf where a query's mask does not cover a patch."""
        resized_NQhw = F.interpolate(masks_NQhw, features.grid, mode="bilinear", align_corners=False)
        hidden_NQL = resized_NQhw.flatten(2) <= 0
        if self.training and probability < 1:
            is_masked_NQ = torch.rand(hidden_NQL.shape[:2], device=hidden_NQL.device) <= probability
            hidden_NQL &= is_masked_NQ[..., None]
        num_tokens = tokens_NLC.shape[1]
        mask_N1LL = tokens_NLC.new_zeros(len(tokens_NLC), 1, num_tokens, num_tokens)
        patches = slice(features.num_prefix_tokens, num_tokens - self.num_queries)
        mask_N1LL[:, 0, -self.num_queries :, patches].masked_fill_(hidden_NQL, -torch.inf)
        return mask_N1LL

    def loss(
        self, x: Sequence[IntermediateTokens], batch_data_samples: list[SegDataSample], train_cfg: object
    ) -> dict[str, Tensor]:
        """Compute the losses of the predictions before each block and behind the last one.

        Args:
            x: The output of the backbone.
            batch_data_samples: With the labels in ``gt_sem_seg``.
            train_cfg: Not used.

        Returns:
            Every loss by its name; those before the blocks begin with 'd0.', 'd1.', …
        """
        return self.loss_decode(*self(x), batch_data_samples, self.ignore_index)

    def predict_masks(
        self, inputs: Sequence[IntermediateTokens], batch_img_metas: Sequence[Mapping[str, Any]]
    ) -> tuple[Tensor, Tensor]:
        """Compute class logits (N, Q, K + 1) and mask logits (N, Q, h, w) behind the last block."""
        class_logits, mask_logits = self(inputs)
        return class_logits[-1], mask_logits[-1]
