"""What every dataset shares: how images are read, augmented at the end, packed and batched."""

load_image = dict(type="mmseg_ext.LoadImageFromFile")
pack = dict(type="mmseg_ext.PackSegInputs")
finish = [dict(type="mmseg_ext.RandomFlip", prob=0.5), dict(type="mmseg_ext.PhotoMetricDistortion"), pack]
train_dataloader = dict(num_workers=4, persistent_workers=True, sampler=dict(type="InfiniteSampler", shuffle=True))
val_dataloader = dict(
    batch_size=1, num_workers=4, persistent_workers=True, sampler=dict(type="DefaultSampler", shuffle=False)
)
test_dataloader = val_dataloader
