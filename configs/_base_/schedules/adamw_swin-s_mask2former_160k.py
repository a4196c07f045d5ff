"""160,000 iterations of AdamW, as mmseg trains Mask2Former on Swin-S: 16 images an iteration.

The backbone learns at a tenth of the rate; norms and embeddings have no weight decay.
"""

_base_ = "./adamw_swin_160k.py"
depths = [2, 2, 18, 2]  # of Swin-S
embedding = dict(lr_mult=1.0, decay_mult=0.0)
backbone_norm = dict(lr_mult=0.1, decay_mult=0.0)
custom_keys = {
    "backbone": dict(lr_mult=0.1, decay_mult=1.0),
    "backbone.patch_embed.norm": backbone_norm,
    "backbone.norm": backbone_norm,
    "relative_position_bias_table": backbone_norm,
    "query_embed": embedding,
    "query_feat": embedding,
    "level_embed": embedding,
    **{
        f"backbone.stages.{stage}.blocks.{block}.norm": backbone_norm
        for stage, num_blocks in enumerate(depths)
        for block in range(num_blocks)
    },
    **{f"backbone.stages.{stage}.downsample.norm": backbone_norm for stage in range(len(depths) - 1)},
}
optim_wrapper = dict(
    optimizer=dict(lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(_delete_=True, custom_keys=custom_keys, norm_decay_mult=0.0),
    clip_grad=dict(max_norm=0.01, norm_type=2),
)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=160000, by_epoch=False)]
train_cfg = dict(val_interval=5000)
default_hooks = dict(checkpoint=dict(interval=5000))
