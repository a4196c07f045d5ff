"""What arguments of the stack's classes may be, where these do not say it, or say it wrongly."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from mmseg_ext.arguments import (
    ComponentConfig,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Rule,
    StrPath,
)

_Config = dict[str, Any] | None
_InitConfig = ComponentConfig | Sequence[ComponentConfig] | None
# mmengine's Config is no Mapping, but metainfo may be one.
_Metainfo = Annotated[Any, Rule("a dict", lambda value: isinstance(value, Mapping) or hasattr(value, "_cfg_dict"))]
_Prefix = dict[str, StrPath | Literal[""] | None]

STOCK_ANNOTATIONS: dict[str, dict[str, Any]] = {
    "mmseg.BaseSegDataset": {
        "ann_file": StrPath | Literal[""],
        "img_suffix": str,
        "seg_map_suffix": str,
        "metainfo": _Metainfo | None,
        "data_root": StrPath | Literal[""] | None,
        "data_prefix": _Prefix,
        "pipeline": Sequence[ComponentConfig | Callable],
        "max_refetch": NonNegativeInt,
        "reduce_zero_label": bool,
    },
    "mmseg.LoadAnnotations": {
        "reduce_zero_label": bool | None,
        "backend_args": dict | None,
        "imdecode_backend": str | None,
    },
    "mmseg.PackSegInputs": {"meta_keys": Sequence[str]},
    "mmseg.PhotoMetricDistortion": {
        "brightness_delta": NonNegativeFloat,
        "contrast_range": tuple[float, float],
        "saturation_range": tuple[float, float],
        "hue_delta": PositiveInt,
    },
    "mmcv.LoadImageFromFile": {"imdecode_backend": str | None},
    "mmcv.RandomFlip": {
        "prob": Fraction | Sequence[Fraction] | None,
        "swap_seg_labels": Sequence[Sequence[int]] | None,
    },
    "mmcv.Resize": {
        "scale": PositiveInt | tuple[PositiveInt, PositiveInt] | Literal[0] | None,
        "scale_factor": PositiveFloat | tuple[PositiveFloat, PositiveFloat] | None,
        "interpolation": Literal["nearest", "bilinear", "bicubic", "area", "lanczos", "box", "hamming"],
        "backend": Literal["cv2", "pillow"],
    },
    "mmseg.BaseDecodeHead": {
        "in_channels": PositiveInt | Sequence[PositiveInt],
        "channels": PositiveInt,
        "num_classes": PositiveInt,
        "out_channels": PositiveInt | None,
        "threshold": float | None,
        "dropout_ratio": Fraction,
        "conv_cfg": _Config,
        "norm_cfg": _Config,
        "act_cfg": _Config,
        "in_index": int | Sequence[int],
        "input_transform": Literal["resize_concat", "multiple_select"] | None,
        "loss_decode": ComponentConfig | Sequence[ComponentConfig],
        "ignore_index": int | None,
        "sampler": ComponentConfig | None,
        "align_corners": bool,
        "init_cfg": _InitConfig,
    },
    "mmseg.FCNHead": {
        "num_convs": NonNegativeInt,
        "kernel_size": PositiveInt,
        "concat_input": bool,
        "dilation": PositiveInt,
    },
    "mmseg.FPNHead": {"feature_strides": Sequence[PositiveInt]},
    "mmseg.UPerHead": {"pool_scales": Sequence[PositiveInt]},
    "mmseg.EncoderDecoder": {
        "backbone": ComponentConfig,
        "decode_head": ComponentConfig | Sequence[ComponentConfig],
        "neck": ComponentConfig | None,
        "auxiliary_head": ComponentConfig | Sequence[ComponentConfig] | None,
        "init_cfg": _InitConfig,
    },
    "mmengine.BaseModule": {"init_cfg": _InitConfig},
    "mmengine.BaseMetric": {"collect_device": Literal["cpu", "gpu"], "collect_dir": StrPath | None},
}
