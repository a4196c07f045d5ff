"""What a backbone hands to a head that runs the backbone's last blocks itself.

Shape suffixes: N batch, L tokens, C channels.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

Block = Callable[[Tensor, Tensor | None], Tensor]
"""Of tokens (N, L, C) and an additive attention mask, which broadcasts to (N, heads, L, L), or None: the new tokens."""


class IntermediateTokens(NamedTuple):
    """Tokens of a vision transformer before its last blocks.

    Attributes:
        tokens: (N, L, C): class and register tokens, then the patches row by row.
        grid: Height and width in patches.
        num_prefix_tokens: Number of class and register tokens.
        norm: The norm behind the last block.
        blocks_for: Returns the last blocks, for tokens to whose end so many tokens without a position were added.
    """

    tokens: Tensor
    grid: tuple[int, int]
    num_prefix_tokens: int
    norm: nn.Module
    blocks_for: Callable[[int], Sequence[Block]]
