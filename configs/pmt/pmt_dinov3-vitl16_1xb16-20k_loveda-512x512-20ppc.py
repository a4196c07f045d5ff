r"""PMT on a frozen DINOv3 ViT-L/16, LoveDA, 20 labelled points a class and image.

python tools/train.py configs/pmt/pmt_dinov3-vitl16_1xb16-20k_loveda-512x512-20ppc.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted for comparison: 58.5 mIoU on ADE20K with all labels (tue-mps/pmt, model zoo of DINOv3, 2026).
"""

_base_ = "./pmt_dinov3-vitl16_1xb16-20k_loveda-512x512.py"
train_dataloader = dict(dataset=dict(labels=dict(num_points=20, per="class")))
