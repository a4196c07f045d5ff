"""What arguments of the stack's classes may be, where these do not say it, or say it wrongly."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from torch import nn

from mmseg_ext.arguments import (
    ComponentConfig,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Rule,
    StrPath,
    fits,
)

_Components = Annotated[Sequence[ComponentConfig], Rule("a list of configs, each a dict with a `type`", len)]
_Optimizer = Annotated[Any, Rule("an optimizer", lambda value: hasattr(value, "param_groups"))]
_PlainInt = Annotated[int, Rule("a positive int", lambda value: isinstance(value, int) and value > 0)]  # no NumPy
_PlainShare = Annotated[float, Rule("a float in [0, 1]", lambda value: isinstance(value, float) and 0 <= value <= 1)]
_PlainShares = Annotated[
    Sequence[_PlainShare],
    Rule(
        "a list of floats in [0, 1] that are 1 or less together",
        lambda value: isinstance(value, list) and value and sum(value) <= 1,
    ),
]
_PlainIndex = Annotated[int, Rule("an int", lambda value: isinstance(value, int))]
_Direction = Literal["horizontal", "vertical", "diagonal"]
_LastStep = Annotated[int, Rule("an int of at least -1", lambda value: isinstance(value, int) and value >= -1)]
_InitConfig = ComponentConfig | Sequence[ComponentConfig] | None


def _is_metainfo(value: Any) -> bool:
    # mmengine's Config, which is allowed, is no Mapping.
    return hasattr(value, "get") and hasattr(value, "items") and fits(value.get("classes"), Sequence[str] | None)


_Metainfo = Annotated[Any, Rule("a dict whose `classes` are a list of names", _is_metainfo)]
_Prefix = dict[str, StrPath | None]

STOCK_ANNOTATIONS: dict[str, dict[str, Any]] = {
    "mmseg.BaseSegDataset": {
        "ann_file": str,
        "img_suffix": str,
        "seg_map_suffix": str,
        "metainfo": _Metainfo | None,
        "data_root": StrPath | None,
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
        "contrast_range": tuple[NonNegativeFloat, NonNegativeFloat],
        "saturation_range": tuple[NonNegativeFloat, NonNegativeFloat],
        "hue_delta": PositiveInt,
    },
    "mmcv.LoadImageFromFile": {"imdecode_backend": str | None},
    "mmcv.RandomFlip": {
        "prob": _PlainShare | _PlainShares,
        "direction": _Direction | Sequence[_Direction],
        "swap_seg_labels": Sequence[Sequence[int]] | None,
    },
    "mmcv.Resize": {
        "interpolation": Literal["nearest", "bilinear", "bicubic", "area", "lanczos", "box", "hamming"],
        "backend": Literal["cv2", "pillow"],
    },
    "mmseg.BaseDecodeHead": {
        "in_channels": _PlainInt | Sequence[PositiveInt],
        "channels": PositiveInt,
        "num_classes": PositiveInt,
        "out_channels": PositiveInt | None,
        "threshold": float | None,
        "dropout_ratio": Fraction,
        "conv_cfg": ComponentConfig | None,
        "norm_cfg": ComponentConfig | None,
        "act_cfg": ComponentConfig | None,
        "in_index": _PlainIndex | Sequence[int],
        "input_transform": Literal["resize_concat", "multiple_select"] | None,
        "loss_decode": ComponentConfig | _Components,
        "ignore_index": int | None,
        "sampler": ComponentConfig | None,
        "align_corners": bool,
        "init_cfg": _InitConfig,
    },
    "mmseg.FCNHead": {
        "num_convs": NonNegativeInt,
        "kernel_size": PositiveInt,
        "concat_input": bool,
        "dilation": _PlainInt,
    },
    "mmseg.FPNHead": {"feature_strides": Sequence[PositiveInt], "fixed_arguments": ("input_transform",)},
    "mmseg.UPerHead": {"pool_scales": Sequence[PositiveInt], "fixed_arguments": ("input_transform",)},
    "mmseg.EncoderDecoder": {
        "backbone": ComponentConfig,
        "decode_head": ComponentConfig | _Components,
        "neck": ComponentConfig | None,
        "auxiliary_head": ComponentConfig | _Components | None,
        "data_preprocessor": ComponentConfig | nn.Module | None,
        "init_cfg": _InitConfig,
    },
    "mmengine.BaseModule": {"init_cfg": _InitConfig},
    "mmengine.MLflowVisBackend": {"tracked_config_keys": dict | Sequence[str] | None},
    "mmengine.LRSchedulerMixin": {"optimizer": _Optimizer},
    "mmengine.OneCycleParamScheduler": {
        "total_steps": _PlainInt | None,
        "pct_start": _PlainShare,
        "anneal_strategy": Literal["cos", "linear"],
        "div_factor": PositiveFloat,
        "final_div_factor": PositiveFloat,
        "begin": NonNegativeInt,
        "end": PositiveInt,
        "last_step": _LastStep,
    },
    "mmengine.BaseMetric": {"collect_device": Literal["cpu", "gpu"], "collect_dir": StrPath | None},
}
