r"""Land cover: U-Net on ResNet-34, weighted cross-entropy, rare classes shown more often, images at a quarter of 2448².

python tools/downsample.py data/deepglobe --factor 4
python tools/dataset_stats.py configs/unet/unet_resnet34_1xb8-20k_deepglobeds4-512x512.py \
    --cfg-options train_dataloader.dataset.split=all --out work_dirs/deepglobeds4_statistics.json
python tools/train.py configs/unet/unet_resnet34_1xb8-20k_deepglobeds4-512x512.py

Follows a land-cover U-Net on ResNet-34 with weighted cross-entropy, weight 0 for "unknown", and 2448² images reduced to
512. Quoted, not measured here: its author had a validation mIoU of 0.65, rangeland and barren land being hard, at 2.2
images/s. Here "unknown" is ignored, which is the same to the loss, and cannot be predicted, which weight 0 leaves
possible. The images are reduced once, by areas, and not at every reading; predictions are scored on the original masks
too (original/mIoU). The weights are the inverse square roots of the classes' pixels, milder than median frequency where
a sampler helps as well.
"""

_base_ = [
    "../_base_/models/unet_resnet34.py",
    "../_base_/datasets/deepglobeds4.py",
    "../_base_/schedules/adamw_20k.py",
    "../_base_/default_runtime.py",
]
statistics = "work_dirs/deepglobeds4_statistics.json"
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=6, loss_decode=dict(class_weight=f"{statistics}:inverse_square_root")),
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type="mmseg_ext.RareClassSampler", statistics=statistics, temperature=0.1)
)
