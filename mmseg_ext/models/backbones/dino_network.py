"""What DINO needs from a network of timm, whatever its kind.

Shape suffixes: N batch, C channels, H height, W width, h w height and width in patches, L tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

Network = VisionTransformer | Eva | ConvNeXt


class Embedding(NamedTuple):
    """The input of the first block.

    Attributes:
        features: Tokens (N, L, C), class and register tokens first; for a ConvNeXt a feature map (N, C, h, w).
        grid: Height and width in patches.
        block_arguments: Additional keyword arguments of each block.
    """

    features: Tensor
    grid: tuple[int, int]
    block_arguments: list[dict[str, Tensor]]


class DINONetwork(ABC):
    """Adapter: one interface to the kinds of networks that DINO supports.

    It is no module: its network is registered by DINO, so that the keys of the state_dict are those of the network.

    Args:
        network: The network of timm, without a classifier.
    """

    blocks_name: ClassVar[str]
    """Attribute of the network that holds its blocks."""

    takes_queries: ClassVar[bool] = False
    """Whether tokens can be added between its blocks."""

    network: Network

    def __init__(self, network: Network) -> None:
        self.network = network

    @property
    def blocks(self) -> nn.Sequential | nn.ModuleList:
        """The transformer blocks or ConvNeXt stages, first to last."""
        return getattr(self.network, self.blocks_name)

    @property
    def feature_info(self) -> Sequence[Mapping[str, Any]]:
        """Description of each block's output, from timm: `num_chs`, and `reduction`, its stride."""
        return self.network.feature_info

    def keep_blocks(self, num_blocks: int) -> None:
        """Remove all blocks after the first `num_blocks`."""
        setattr(self.network, self.blocks_name, self.blocks[:num_blocks])

    @property
    @abstractmethod
    def stem(self) -> list[nn.Module]:
        """The modules before the first block."""

    @abstractmethod
    def embed(self, images_NCHW: Tensor) -> Embedding:
        """Compute the input of the first block.

        Args:
            images_NCHW: Images whose sides are multiples of the stride.
        """

    def arguments_of_longer(
        self, block_arguments: Sequence[dict[str, Tensor]], num_added: int
    ) -> Sequence[dict[str, Tensor]]:
        """Change the arguments of blocks for tokens to whose end `num_added` tokens without a position were added."""
        return block_arguments

    @abstractmethod
    def output(self, features: Tensor, index: int, grid: tuple[int, int]) -> Tensor:
        """Turn the output of a block into a feature map.

        Args:
            features: Output of the block.
            index: Index of the block.
            grid: Height and width in patches, from :meth:`embed`.

        Returns:
            The feature map (N, C, h, w), with the final norm applied where there is one.
        """

    def prefix(self, features: Tensor) -> Tensor:
        """Return the class and register tokens of a block's output, with the final norm, as a map (N, C, 1, tokens)."""
        raise NotImplementedError  # for networks that take queries only

    @abstractmethod
    def remove_unused(self, num_blocks: int, norm: bool) -> None:
        """Remove the blocks after the first `num_blocks`, classifiers and, without `norm`, the final norm."""

    @abstractmethod
    def convert(self, weights: dict[str, Tensor]) -> None:
        """Change weights in place from the layout of their release to the layout of this network.

        The position embedding of the network gets the grid of the weights.

        Args:
            weights: Weights whose keys were renamed to timm's, see
                :func:`~mmseg_ext.models.backbones.dino_formats.to_timm`.
        """
