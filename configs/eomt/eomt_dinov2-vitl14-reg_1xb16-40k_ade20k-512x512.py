r"""EoMT on DINOv2 ViT-L with registers, ADE20K.

python tools/train.py configs/eomt/eomt_dinov2-vitl14-reg_1xb16-40k_ade20k-512x512.py \
    --cfg-options model.backbone.checkpoint=timm

Quoted: 58.4 mIoU (Kerssies et al., CVPR 2025; model zoo of tue-mps/eomt; 16 images an iteration, 31 epochs).

Differs from the authors' recipe:
- 40,000 iterations for their 39,153. Backbone and head warm up together for 1,500; theirs 1,000, after the head's 500.
- The rates fall by 0.8 from the head to the last block as well. Norms and biases have no weight decay.
- Pixels without a label are left out of the masks' loss; theirs are negatives of every mask
  (model.decode_head.loss_decode.type=mmseg_ext.MaskLoss).
"""

_base_ = [
    "../_base_/models/eomt_dinov2-vitl14-reg.py",
    "../_base_/datasets/ade20k_jitter.py",
    "../_base_/schedules/adamw_eomt_40k.py",
    "../_base_/comforts/amp.py",
    "../_base_/default_runtime.py",
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
optim_wrapper = _base_.amp
custom_hooks = [*_base_.custom_hooks, _base_.annealing]
