"""K-Net with three stages over UPerNet, on a pyramid made of four layers of a frozen DINOv2 ViT-B/14.

The stages are those of mmseg's K-Net configs.
"""

_base_ = ["./upernet_dinov2-vitb14.py", "./knet_update_head.py"]
model = dict(
    decode_head=dict(
        _delete_=True,
        type="IterativeDecodeHead",
        num_stages=3,
        kernel_update_head=[_base_.update_head] * 3,
        kernel_generate_head=_base_.model.decode_head,
    ),
)
