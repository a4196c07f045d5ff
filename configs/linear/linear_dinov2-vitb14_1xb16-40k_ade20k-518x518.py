r"""DINOv2's linear evaluation on ADE20K: ViT-B/14, last layer.

python tools/train.py configs/linear/linear_dinov2-vitb14_1xb16-40k_ade20k-518x518.py \
    --cfg-options model.backbone.checkpoint=timm

Not measured yet. Other sizes are settings: arch, out_indices and in_channels. The published figures are those with +ms;
linear-ms_dinov2-vitb14_1xb16-40k_ade20k-518x518.py quotes them.
"""

_base_ = [
    "../_base_/models/linear_dinov2-vitb14.py",
    "../_base_/datasets/ade20k_518.py",
    "../_base_/schedules/adamw_linear_40k.py",
    "../_base_/default_runtime.py",
]
crop_size = (518, 518)
model = dict(data_preprocessor=dict(size=crop_size))
