"""Work dirs of tiny networks of every kind with random weights, and images to predict."""

import copy

import cv2
import numpy as np
import torch
from knet_settings import kernel_update_head
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

VIT = {"embed_dim": 32, "depth": 3, "num_heads": 2}
BN = {"type": "BN"}
NAMES = ["land", "water", "road"]
PALETTE = [[0, 120, 0], [0, 0, 200], [90, 90, 90]]


def head(kind, in_channels, **settings):
    common = {"in_channels": in_channels, "num_classes": 3, "norm_cfg": BN, "align_corners": False}
    return {"type": kind, **common, **settings}


RESNET = {"type": "ResNetV1c", "depth": 18, "stem_channels": 8, "base_channels": 8, "norm_cfg": BN}
FPN = {"type": "FPN", "in_channels": [8, 16, 32, 64], "out_channels": 8, "num_outs": 4}
FPN_HEAD = head("FPNHead", [8] * 4, in_index=[0, 1, 2, 3], feature_strides=[4, 8, 16, 32], channels=8)
FCN = {"channels": 8, "num_convs": 1, "concat_input": False, "in_index": 0}
UPER = {"in_index": [0, 1], "pool_scales": (1, 2, 3, 6), "channels": 8}
SWIN = {"embed_dims": 8, "depths": [2, 2], "num_heads": [2, 2], "strides": (4, 2), "out_indices": (0, 1)}
UPDATE = kernel_update_head(3, feat_transform_cfg={"conv_cfg": {"type": "Conv2d"}, "act_cfg": None})
KNET = {
    "type": "IterativeDecodeHead",
    "num_stages": 2,
    "kernel_update_head": [UPDATE] * 2,
    "kernel_generate_head": head("UPerHead", [8, 16], **UPER),
}


def dino(arch, **settings):
    return {"type": "mmseg_ext.DINO", "arch": arch, "out_indices": [2], "arch_overrides": VIT, **settings}


def linear(arch, **overrides):
    linear_head = head("mmseg_ext.LinearHead", [32])
    return {"backbone": dino(arch, arch_overrides={**VIT, **overrides}), "decode_head": linear_head}


NETWORKS = {
    "fpn": {"backbone": RESNET, "neck": FPN, "decode_head": FPN_HEAD},
    "upernet": {"backbone": {"type": "SwinTransformer", **SWIN}, "decode_head": head("UPerHead", [8, 16], **UPER)},
    "unet": {
        "backbone": {"type": "mmseg_ext.SMPBackbone", "encoder_name": "resnet18", "decoder_channels": (16, 8, 8, 8, 8)},
        "decode_head": head("FCNHead", 8, **FCN),
    },
    "dinov2": linear("dinov2_vits14", img_size=56),
    "dinov2_reg": linear("dinov2_vits14_reg", img_size=56),
    "dinov3": linear("dinov3_vits16"),
    "knet": {
        "backbone": {**RESNET, "num_stages": 2, "strides": (1, 2), "dilations": (1, 1), "out_indices": (0, 1)},
        "decode_head": KNET,
    },
    "efficientnet": {
        "backbone": {"type": "mmseg_ext.EfficientNetLite", "checkpoint": None, "out_indices": (1, 2, 3, 4)},
        "neck": {**FPN, "in_channels": [24, 40, 112, 320]},
        "decode_head": FPN_HEAD,
    },
}

FEATURES = {
    "type": "mmseg_ext.FeatureSegmentor",
    "backbone": {**RESNET, "num_stages": 2, "strides": (1, 2), "dilations": (1, 1), "out_indices": (0, 1)},
    "decode_head": {
        "type": "mmseg_ext.LightHead",
        "num_classes": 3,
        "classifiers": [{"type": "mmseg_ext.LogisticRegression", "C": 0.01}],
    },
}


def fitted(segmentor):
    """Give a light head random weights, as if it were fitted."""
    randomized(segmentor)
    classifier = segmentor.decode_head.classifiers[0]
    classifier.weight, classifier.bias = torch.randn(3, 8 + 16), torch.randn(3)
    segmentor.decode_head.num_points.fill_(10)
    return segmentor


SIGMOID = {
    **NETWORKS["unet"],
    "decode_head": {**head("FCNHead", 8, **FCN), "num_classes": 2, "out_channels": 1, "threshold": 0.37},
}


def randomized(segmentor):
    """Give parameters and statistics random values, so that each one shows in the output."""
    generator = torch.Generator().manual_seed(1)
    for name, values in [*segmentor.named_parameters(), *segmentor.named_buffers()]:
        if not values.is_floating_point() or values.ndim == 0:
            continue
        noise = torch.randn(values.shape, generator=generator)
        if name.endswith("running_var"):
            values.data = 1 + 0.3 * noise.abs()
        elif values.ndim == 1:
            values.data += 0.1 * noise
        elif "conv_seg" in name or "fc_mask" in name:
            values.data = noise
    return segmentor


def save_run(folder, network, pipeline=(), meta=None, prepare=randomized, names=NAMES, **model):
    """Write the config and the checkpoint of a run, and some images that it tests."""
    folder.mkdir(parents=True, exist_ok=True)
    images = folder.parent / "images"
    images.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for name, (height, width) in {"a": (70, 90), "b": (97, 61)}.items():
        spots = cv2.resize(generator.integers(0, 256, (9, 11, 3), np.uint8), (width, height))
        cv2.imwrite(str(images / f"{name}.png"), spots)
    preprocessor = {
        "type": "SegDataPreProcessor",
        "mean": [120.0, 110.0, 100.0],
        "std": [60.0, 50.0, 40.0],
        "bgr_to_rgb": True,
        "size": (64, 64),
    }
    segmentor = {"type": "EncoderDecoder", "data_preprocessor": preprocessor, "test_cfg": {"mode": "whole"}}
    segmentor = {**segmentor, **copy.deepcopy(network), **model}
    steps = [{"type": "LoadImageFromFile"}, *pipeline, {"type": "PackSegInputs"}]
    dataset = {
        "type": "BaseSegDataset",
        "data_prefix": {"img_path": str(images)},
        "img_suffix": ".png",
        "metainfo": {"classes": list(names), "palette": PALETTE[: len(names)]},
        "test_mode": True,
        "pipeline": steps,
    }
    config = Config({"default_scope": "mmseg", "model": segmentor, "test_dataloader": {"dataset": dataset}})
    config.dump(str(folder / "run.py"))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmseg"):
        built = prepare(MODELS.build(copy.deepcopy(config.model)))
    meta = {"dataset_meta": {"classes": list(names), "palette": PALETTE[: len(names)]}, **(meta or {})}
    torch.save({"meta": meta, "state_dict": built.state_dict()}, folder / "iter_1.pth")
    return folder
