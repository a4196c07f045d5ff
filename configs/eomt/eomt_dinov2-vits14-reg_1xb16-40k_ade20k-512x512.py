r"""EoMT on DINOv2 ViT-S with registers, ADE20K; queries in the last three blocks, as the authors have for this size.

python tools/train.py configs/eomt/eomt_dinov2-vits14-reg_1xb16-40k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted for comparison: 58.4 mIoU of ViT-L (Kerssies et al., CVPR 2025). For S the authors publish only COCO.
"""

_base_ = "./eomt_dinov2-vitl14-reg_1xb16-40k_ade20k-512x512.py"
model = dict(backbone=dict(arch="dinov2_vits14_reg", query_blocks=3), decode_head=dict(in_channels=384))
custom_hooks = [*_base_.custom_hooks[:-1], _base_.annealing_of_3]
