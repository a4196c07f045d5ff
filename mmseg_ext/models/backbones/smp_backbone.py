"""The encoders and decoders of segmentation-models-pytorch as one backbone."""

import difflib
import inspect
from collections.abc import Iterable
from functools import partial
from types import ModuleType
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_ext.arguments import PositiveInt
from mmseg_ext.errors import UserError, missing_packages
from mmseg_ext.registry import MODELS
from mmseg_ext.stack import explained_download

ARCHITECTURES = {"unet": "Unet", "unet++": "UnetPlusPlus", "fpn": "FPN", "deeplabv3+": "DeepLabV3Plus"}
"""Names of the decoders, and their classes in smp."""

_OF_THE_HEAD = ("classes", "activation", "aux_params", "upsampling")
_TIMM = "tu-"


def _import_smp() -> ModuleType:
    try:
        import segmentation_models_pytorch
    except ImportError as error:
        raise missing_packages("SMPBackbone", "segmentation-models-pytorch") from error
    return segmentation_models_pytorch


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)
    return f", such as {', '.join(close)}" if close else ""


def _class_of(arch: str) -> type[nn.Module]:
    names = {key: name for key, name in ARCHITECTURES.items()}
    names |= {name.lower(): name for name in ARCHITECTURES.values()}
    if arch.lower() not in names:
        raise UserError(f"Expected `arch` to be one of {', '.join(ARCHITECTURES)}, got {arch!r}.")
    return getattr(_import_smp(), names[arch.lower()])


def _check_encoder(name: str, weights: str | bool | None) -> None:
    """Check that an encoder and its pretrained weights exist.

    Raises:
        UserError: One of them does not exist.
    """
    import timm

    encoders = _import_smp().encoders.encoders
    if name.startswith(_TIMM):
        model = name.removeprefix(_TIMM)
        if not timm.is_model(model.partition(".")[0]):
            close = _suggest(model, timm.list_models())
            raise UserError(f"Expected an `encoder_name` 'tu-' and the name of a timm model{close}, got {name!r}.")
    elif name not in encoders:
        raise UserError(
            f"Expected `encoder_name` to be an encoder of segmentation-models-pytorch{_suggest(name, encoders)}, or "
            f"'tu-' and the name of a timm model, got {name!r}."
        )
    elif weights is not None and weights not in encoders[name]["pretrained_settings"]:
        known = ", ".join(map(repr, encoders[name]["pretrained_settings"]))
        raise UserError(f"Expected `encoder_weights` of {name} to be None or one of {known}, got {weights!r}.")


def _build(
    kind: type[nn.Module], encoder_name: str, in_channels: int, kwargs: dict[str, Any], weights: str | bool | None
) -> Any:
    """Build a model of smp."""
    is_timm = encoder_name.startswith(_TIMM)

    def build() -> Any:
        return kind(
            encoder_name=encoder_name,
            encoder_weights=True if is_timm and weights is not None else weights,
            in_channels=in_channels,
            classes=1,
            **kwargs,
        )

    try:
        if weights is None or is_timm:  # timm's own downloads are explained by mmseg_ext.stack
            return build()
        source = _import_smp().encoders.encoders[encoder_name]["pretrained_settings"][weights]["repo_id"]
        with explained_download(source):
            return build()
    except UserError as error:
        raise UserError(f"{error} (SMPBackbone: model.backbone.encoder_weights=None)") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"Expected what {kind.__name__} with {encoder_name} takes: {error}") from error


@MODELS.register_module()
class SMPBackbone(BaseModule):
    """Encoder and decoder of segmentation-models-pytorch, for a head of mmseg or this package.

    Images can have any size: they are padded with zeros at the right and bottom to a multiple of the encoder's stride,
    and the feature map is cropped. If the decoder's map is smaller than the image (FPN and DeepLabV3+: a quarter), it
    is enlarged to the size of the image.

    The keys of the state_dict, encoder.… and decoder.…, are smp's: ``init_cfg=dict(type='Pretrained', checkpoint=…)``
    loads a model that was trained with smp, except for its head.

    Args:
        arch: 'unet', 'unet++', 'fpn' or 'deeplabv3+'; smp's class names are also accepted. DeepLabV3+ cannot be
            trained with a batch size of 1, because of the batch norm after its global pooling.
        encoder_name: One of smp's encoders (resnet34, efficientnet-b0, mit_b2, …), or 'tu-' and the name of a timm
            model (tu-convnext_tiny).
        encoder_weights: Pretrained weights of the encoder by smp's name, such as 'imagenet'; for 'tu-' encoders
            any value but None loads those of the model's name. They are loaded by `init_weights`, when training starts.
            None, the default, for random weights without a download.
        in_channels: Channels of the images.
        init_cfg: As for any module of mmengine.
        **kwargs: Passed to smp's class: encoder_depth, decoder_channels, decoder_attention_type='scse' (U-Net and
            U-Net++), decoder_use_norm, …; with a 'tu-' encoder also what timm's model takes.

    Raises:
        UserError: segmentation-models-pytorch is not installed, does not know a name or an argument, or cannot
            download the weights.

    Reference:
        Iakubovskii, Segmentation Models PyTorch, 2019, MIT licence. U-Net: Ronneberger et al., MICCAI 2015; U-Net++:
        Zhou et al., DLMIA 2018; FPN: Kirillov et al., CVPR 2019; DeepLabV3+: Chen et al., ECCV 2018; scSE: Roy et al.,
        MICCAI 2018.

    Example:
        >>> import torch
        >>> backbone = SMPBackbone('unet', 'resnet18', decoder_channels=(32, 16, 16, 8, 8))
        >>> backbone.out_channels, backbone(torch.zeros(1, 3, 33, 50))[0].shape
        (8, torch.Size([1, 8, 33, 50]))
    """

    takes_other_keywords = True

    def __init__(
        self,
        arch: str = "unet",
        encoder_name: str = "resnet34",
        encoder_weights: str | bool | None = None,
        in_channels: PositiveInt = 3,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(init_cfg)
        kind = _class_of(arch)
        _check_encoder(encoder_name, encoder_weights)
        is_timm = encoder_name.startswith(_TIMM)
        known = [name for name in inspect.signature(kind.__init__).parameters if name not in ("self", "kwargs")]
        wrong = [name for name in kwargs if name in _OF_THE_HEAD or (name not in known and not is_timm)]
        if wrong:
            takes = [name for name in known if name not in (*_OF_THE_HEAD, "encoder_name", "encoder_weights")]
            raise UserError(f"Expected arguments of {kind.__name__} ({', '.join(takes)}), got {wrong[0]!r}.")
        self.encoder_weights = encoder_weights
        self._build_with = partial(_build, kind, encoder_name, in_channels, kwargs)
        model = self._build_with(None)
        self.encoder, self.decoder = model.encoder, model.decoder
        # Some encoders have an `init_weights`, which mmengine would call over the pretrained weights.
        self.encoder.is_init = True
        self.stride = int(model.encoder.output_stride)
        self.out_channels = int(model.segmentation_head[0].in_channels)

    def init_weights(self) -> None:
        """Load the encoder's pretrained weights, then what `init_cfg` names.

        mmengine calls it when training starts, so testing a checkpoint needs no download.

        Raises:
            UserError: The weights cannot be downloaded.
        """
        if self.encoder_weights is not None:
            pretrained = self._build_with(self.encoder_weights)
            self.encoder.load_state_dict(pretrained.encoder.state_dict())
        super().init_weights()

    def forward(self, images_NCHW: Tensor) -> tuple[Tensor]:
        """Compute the decoder's feature map.

        Args:
            images_NCHW: Normalised images.

        Returns:
            One feature map (N, out_channels, H, W).
        """
        height, width = images_NCHW.shape[2:]
        bottom, right = -height % self.stride, -width % self.stride
        padded = F.pad(images_NCHW, (0, right, 0, bottom)) if bottom or right else images_NCHW
        features = self.decoder(self.encoder(padded))
        if features.shape[2:] != padded.shape[2:]:
            features = F.interpolate(features, size=padded.shape[2:], mode="bilinear", align_corners=False)
        return (features[:, :, :height, :width],)
