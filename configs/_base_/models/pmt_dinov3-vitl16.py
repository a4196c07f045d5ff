"""PMT on a frozen DINOv3 ViT-L/16.

`checkpoint` is None, so that the file loads without a download. Give it the weights:
--cfg-options model.backbone.checkpoint=timm (timm's download) or =FILE. See docs/heads.md.
"""

_base_ = "./imagenet_preprocessor.py"
model = dict(
    type="mmseg_ext.EncoderDecoder",
    backbone=dict(
        type="mmseg_ext.DINO",
        arch="dinov3_vitl16",
        checkpoint=None,
        out_indices=(5, 11, 17, 23),
        prefix_tokens=True,
        frozen=True,
    ),
    decode_head=dict(
        type="mmseg_ext.PMTHead",
        in_channels=1024,
        num_classes=150,
        num_queries=100,
        num_blocks=6,
        num_heads=16,
        hidden_channels=1024,
        norm_cfg=dict(type="SyncBN", requires_grad=True),
        loss_decode=dict(type="mmseg_ext.PointMaskLoss"),
    ),
    test_cfg=dict(mode="slide", crop_size=(512, 512), stride=(512, 512)),
)
