"""40,000 iterations of AdamW for a decoder on a frozen backbone."""

_base_ = "./adamw_linear_40k.py"
optim_wrapper = dict(optimizer=dict(lr=1e-4, weight_decay=0.05), clip_grad=dict(max_norm=1.0, norm_type=2))
