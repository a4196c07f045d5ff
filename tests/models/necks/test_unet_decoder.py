import pytest
import torch
from mmseg.registry import MODELS

from mmseg_ext.errors import UserError
from mmseg_ext.models import UNetDecoder


def test_every_feature_reaches_the_map_at_its_scale():
    torch.manual_seed(0)
    neck = UNetDecoder([6, 6, 6, 6], channels=(4, 8, 8, 16), norm_cfg={"type": "BN"}).eval()
    features = [torch.randn(2, 6, 5, 7, requires_grad=True) for _ in range(4)]
    sizes = [rescale(feature).shape[2:] for rescale, feature in zip(neck.rescalings, features, strict=True)]
    assert sizes == [(20, 28), (10, 14), (5, 7), (3, 4)]
    (decoded,) = neck(features)
    assert decoded.shape == (2, 4, 20, 28)
    decoded.square().sum().backward()
    assert all(feature.grad.abs().sum() > 0 for feature in features)
    assert all(parameter.grad is not None for parameter in neck.parameters())


def test_two_features_keep_the_backbones_size():
    neck = UNetDecoder([6, 3], channels=(4, 8), norm_cfg={"type": "BN"}).eval()
    assert neck((torch.zeros(1, 6, 1, 3), torch.zeros(1, 3, 1, 3)))[0].shape == (1, 4, 1, 3)


@pytest.mark.parametrize(("in_channels", "channels"), [([6, 6], (4, 4, 4)), ([6], (4,))])
def test_lists_that_do_not_fit_are_refused(in_channels, channels):
    with pytest.raises(UserError, match="as many `channels` as `in_channels`"):
        UNetDecoder(in_channels, channels)


@pytest.mark.usefixtures("mmseg_scope")
def test_dino_with_a_unet_decoder_trains():
    torch.manual_seed(0)
    model = MODELS.build(
        {
            "type": "EncoderDecoder",
            "backbone": {
                "type": "mmseg_ext.DINO",
                "arch": "dinov2_vits14",
                "out_indices": (0, 1, 2, 3),
                "arch_overrides": {"depth": 4, "embed_dim": 12, "num_heads": 2, "img_size": 28},
            },
            "neck": {
                "type": "mmseg_ext.UNetDecoder",
                "in_channels": [12] * 4,
                "channels": (4, 8, 8, 8),
                "norm_cfg": {"type": "BN"},
            },
            "decode_head": {
                "type": "mmseg_ext.PointFCNHead",
                "in_channels": 4,
                "in_index": 0,
                "channels": 4,
                "num_convs": 0,
                "concat_input": False,
                "num_classes": 3,
                "norm_cfg": {"type": "BN"},
            },
        }
    )
    images = torch.randn(2, 3, 30, 45)
    logits = model._forward(images)
    assert logits.shape == (2, 3, 12, 16), "four times ceil(30 / 14) by ceil(45 / 14)"
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.neck.parameters())
    assert all(parameter.grad is None for parameter in model.backbone.parameters()), "DINO is frozen by default"
