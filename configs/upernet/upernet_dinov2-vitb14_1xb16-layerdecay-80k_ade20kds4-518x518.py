r"""UPerNet on DINOv2 ViT-B/14, fine-tuned with layer decay 0.8, ADE20K at a quarter of its resolution.

python tools/train.py configs/upernet/upernet_dinov2-vitb14_1xb16-layerdecay-80k_ade20kds4-518x518.py \
    --cfg-options model.backbone.checkpoint=timm

Not measured yet; nothing is published for it.
"""

_base_ = [
    "../_base_/models/upernet_dinov2-vitb14.py",
    "../_base_/datasets/ade20kds4_518.py",
    "../_base_/schedules/adamw_layerdecay_80k.py",
    "../_base_/default_runtime.py",
]
crop_size = (518, 518)
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(frozen=False, drop_path_rate=0.1, with_cp=True),
)
