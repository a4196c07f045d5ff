"""A backbone without features, for heads that look at colour and texture alone."""

import torch
from torch import Tensor, nn

from mmseg_ext.registry import MODELS


@MODELS.register_module()
class NoNetwork(nn.Module):
    """Takes the place of a backbone under a `LightHead` of :class:`~mmseg_ext.features.ExtraTrees` alone.

    Args:
        init_cfg: Must be None; mmengine passes it.
    """

    def __init__(self, init_cfg: None = None) -> None:
        super().__init__()
        # mmengine's Runner builds an optimizer, which refuses a model without parameters.
        self.unused = nn.Parameter(torch.zeros(1), requires_grad=False)

    def init_weights(self) -> None:
        """Do nothing: there is nothing to initialise."""

    def forward(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        """Return no feature maps."""
        return ()
