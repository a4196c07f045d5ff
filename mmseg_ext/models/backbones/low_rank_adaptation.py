"""Low-rank adaptation of linear layers.

The library peft is not used. It wraps layers, but timm's attention of DINOv3 reads the weight of the wrapped layer
directly, so the adaptation would have no effect, without an error. Here a layer stays an ``nn.Linear`` with its keys.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import torch.nn.functional as F
from timm.models.eva import EvaAttention
from torch import Tensor, nn

from mmseg_ext.arguments import PositiveFloat, PositiveInt, checked
from mmseg_ext.errors import UserError

DEFAULT_TARGETS = ("attn.qkv", "attn.proj")


class LowRankLinear(nn.Linear):
    """A frozen linear layer plus a trained one of low rank, which is zero at first.

    y = W x + b + (alpha / rank) · B A x. A is initialised at random, B with zeros. Only A and B are trained.

    Args:
        layer: The layer to adapt; its weight and bias are shared, not copied.
        rank: Number of rows of A.
        alpha: The adaptation is multiplied by alpha / rank.

    Reference:
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, section 4.1.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.weight.requires_grad_(False)
        if self.bias is not None:
            self.bias.requires_grad_(False)
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(layer.weight.new_empty(rank, layer.in_features))
        self.lora_b = nn.Parameter(layer.weight.new_zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=5**0.5)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer to (…, in_features)."""
        return super().forward(input) + F.linear(F.linear(input, self.lora_a), self.lora_b) * self.scale


@partial(checked, name="lora")
def adapt_blocks(
    blocks: Iterable[nn.Module],
    rank: PositiveInt = 8,
    alpha: PositiveFloat | None = None,
    targets: str | Sequence[str] = DEFAULT_TARGETS,
) -> int:
    """Add low-rank adaptations to transformer blocks, in place.

    Args:
        blocks: The blocks; their other parameters should be frozen already.
        rank: Number of rows of A.
        alpha: The adaptation is multiplied by alpha / rank; the rank by default.
        targets: The ends of the names of the layers to adapt.

    Returns:
        The number of adapted layers.

    Raises:
        UserError: A setting is unknown or not positive, or no layer of a block has one of the names.
    """
    alpha = rank if alpha is None else alpha
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    count = 0
    for block in blocks:
        names = [name for name, module in block.named_modules() if isinstance(module, nn.Linear)]
        for target in targets:
            chosen = [name for name in names if f".{name}".endswith(f".{target}")]
            if not chosen:
                raise UserError(f"Expected `lora.targets` among {', '.join(names)}, got {target!r}.")
            for name in chosen:
                parent = block.get_submodule(name.rpartition(".")[0])
                layer = block.get_submodule(name)
                if isinstance(layer, nn.Linear) and not isinstance(layer, LowRankLinear):
                    setattr(parent, name.rpartition(".")[2], LowRankLinear(layer, rank, alpha))
                    count += 1
                if isinstance(parent, EvaAttention):
                    parent.qkv_bias_separate = True  # otherwise it reads the weight and never calls the layer
    return count
