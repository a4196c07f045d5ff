"""ConvNeXt as a network of DINO."""

from timm.models.convnext import ConvNeXt
from torch import Tensor, nn

from mmseg_ext.models.backbones.dino_network import DINONetwork, Embedding


class DINOConvNeXt(DINONetwork):
    """Adapter for timm's ConvNeXt. Its blocks are the stages; only the last stage has a norm."""

    blocks_name = "stages"
    network: ConvNeXt

    @property
    def stem(self) -> list[nn.Module]:
        """The stem."""
        return [self.network.stem]

    def embed(self, images_NCHW: Tensor) -> Embedding:
        """Compute the feature map of the stem."""
        features_NChw = self.network.stem(images_NCHW)
        return Embedding(features_NChw, (features_NChw.shape[2], features_NChw.shape[3]), [{}] * len(self.blocks))

    def output(self, features: Tensor, index: int, grid: tuple[int, int]) -> Tensor:
        """Return the map of a stage, with the norm after the last stage."""
        is_last = index == len(self.feature_info) - 1
        return self.network.get_submodule("head.norm")(features) if is_last else features

    def remove_unused(self, num_blocks: int, norm: bool) -> None:
        """Remove later stages, and the head except for its norm."""
        last_norm = self.network.get_submodule("head.norm")
        has_norm = norm and num_blocks == len(self.blocks)
        self.keep_blocks(num_blocks)
        self.network.norm_pre = nn.Identity()
        self.network.register_module("head", nn.ModuleDict({"norm": last_norm if has_norm else nn.Identity()}))

    def convert(self, weights: dict[str, Tensor]) -> None:
        """Change nothing: all releases have timm's layout."""
