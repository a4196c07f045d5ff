"""Small segmentors of several heads, stock mmseg's and ours with the same weights, and samples to predict."""

import copy

import torch
import torch.nn.functional as F
from comparisons import assert_same_classes
from knet_settings import kernel_update_head
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_ext.registry import MODELS

SLIDE = {"mode": "slide", "crop_size": (32, 40), "stride": (20, 24)}


@MODELS.register_module(force=True)
class StridedBackbone(BaseModule):
    """Features at a quarter of the size, rounded up."""

    def __init__(self, stride=4):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=stride, padding=1)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return (self.conv(x),)


@MODELS.register_module(force=True)
class MaskProductHead(BaseDecodeHead):
    """Predicts as Mask2Former does: enlarged masks times class probabilities, with a `predict` of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.masks = nn.Conv2d(self.in_channels, 6, 1)
        self.classes = nn.Parameter(torch.randn(6, self.num_classes))

    def forward(self, inputs):
        return self.masks(inputs[0])

    def predict(self, inputs, batch_img_metas, test_cfg):
        masks = F.interpolate(self.forward(inputs), size=batch_img_metas[0]["pad_shape"], mode="bilinear").sigmoid()
        return torch.einsum("qc,nqhw->nchw", self.classes.softmax(1), masks)


def fcn_head(num_classes=5, **kwargs):
    return {
        "type": "FCNHead",
        "in_channels": 8,
        "in_index": 0,
        "channels": 8,
        "num_convs": 1,
        "concat_input": False,
        "norm_cfg": {"type": "BN"},
        "num_classes": num_classes,
        "init_cfg": None,
        **kwargs,
    }


def knet_head():
    update = kernel_update_head(5, feat_transform_cfg={"conv_cfg": {"type": "Conv2d"}, "act_cfg": None})
    return {
        "type": "IterativeDecodeHead",
        "num_stages": 1,
        "kernel_update_head": [update],
        "kernel_generate_head": fcn_head(),
    }


def pmt_head(num_classes=5):
    return {
        "type": "mmseg_ext.PMTHead",
        "in_channels": 8,
        "num_classes": num_classes,
        "in_index": 0,
        "prefix_tokens": False,
        "num_blocks": 1,
        "num_heads": 2,
        "num_queries": 7,
        "num_upscales": 1,
        "norm_cfg": {"type": "BN"},
    }


HEADS = {
    "softmax": fcn_head(),
    "corners": fcn_head(align_corners=True),
    "many classes": fcn_head(num_classes=150),
    "sigmoid": fcn_head(num_classes=2, out_channels=1, threshold=0.45),
    "knet": knet_head(),
    "queries": pmt_head(),
    "masks": fcn_head(type="mmseg_ext.MaskProductHead", num_convs=None, concat_input=None),
    "enc": fcn_head(type="EncHead", num_convs=None, concat_input=None, num_codes=4, use_se_loss=False, in_channels=[8]),
}
HEADS["masks"] = {k: v for k, v in HEADS["masks"].items() if v is not None or k == "init_cfg"}
HEADS["masks"].pop("norm_cfg")
HEADS["enc"] = {k: v for k, v in HEADS["enc"].items() if v is not None or k == "init_cfg"} | {"in_index": [0]}


def build(kind, head, test_cfg=None, **kwargs):
    """Stock and ours with the same random weights, in evaluation mode."""
    torch.manual_seed(0)
    model = MODELS.build(
        {
            "type": kind,
            "backbone": {"type": "mmseg_ext.StridedBackbone"},
            "decode_head": copy.deepcopy(head),
            "test_cfg": ConfigDict(test_cfg or {"mode": "whole"}),
            **kwargs,
        }
    )
    generator = torch.Generator().manual_seed(5)
    for name, parameter in model.named_parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
        if head["type"] in ("IterativeDecodeHead", "mmseg_ext.PMTHead") and name.endswith("bias"):
            parameter.data.zero_()  # random biases drown K-Net's kernels: its classes would be near ties everywhere
        if name in ("decode_head.queries.weight", "decode_head.class_head.weight", "decode_head.mask_head.4.weight"):
            parameter.data *= 8  # or all queries predict the same
    return model.eval()


def build_pair(head, test_cfg=None, **kwargs):
    return build("EncoderDecoder", head, test_cfg), build("mmseg_ext.EncoderDecoder", head, test_cfg, **kwargs)


def make_samples(shape, originals, padding=(0, 0, 0, 0), flip=None, num_classes=None, padding_key="img_padding_size"):
    """Samples as the test pipeline and SegDataPreProcessor leave them; padding is left, right, top, bottom."""
    samples = []
    for i, original in enumerate(originals):
        left, right, top, bottom = padding
        meta = {
            "img_path": f"images/{i}.png",
            "seg_map_path": f"masks/{i}.png",
            "ori_shape": original,
            "img_shape": (shape[0] - top - bottom, shape[1] - left - right),
            "pad_shape": shape,
            padding_key: padding,
            "flip": flip is not None,
            "flip_direction": flip,
        }
        sample = SegDataSample(metainfo=meta)
        if num_classes:
            generator = torch.Generator().manual_seed(i)
            labels = torch.randint(num_classes, original, generator=generator)
            labels[torch.rand(original, generator=generator) < 0.3] = 255
            sample.gt_sem_seg = PixelData(data=labels[None])
        samples.append(sample)
    return samples


def assert_stock_classes(found, expected, stock):
    """Check a sample's class map by the logits in stock's own sample; of one channel these are probabilities."""
    scores = expected.seg_logits.data
    assert_same_classes(found.pred_sem_seg.data[0], scores, stock.decode_head.threshold if len(scores) == 1 else None)


def compare(pair, shape, originals, **kwargs):
    inputs = torch.randn(len(originals), 3, *shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        stock, ours = (model.predict(inputs, make_samples(shape, originals, **kwargs)) for model in pair)
    for expected, found, original in zip(stock, ours, originals, strict=True):
        assert found.pred_sem_seg.data.dtype == expected.pred_sem_seg.data.dtype
        assert tuple(found.pred_sem_seg.data.shape) == (1, *original)
        assert_stock_classes(found, expected, pair[0])
        assert len(expected.pred_sem_seg.data.unique()) > 1
        assert found.metainfo == expected.metainfo
        assert "seg_logits" not in found
    return stock, ours
