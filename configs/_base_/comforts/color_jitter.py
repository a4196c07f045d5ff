"""Colour jitter: brightness ± 12 %, contrast and saturation ± 25 %, hue ± 18°.

Milder than PhotoMetricDistortion's own: for aerial images, whose colours tell the classes. A leaf names this file in
``_base_`` and puts ``_base_.color_jitter`` into its pipeline after the crop.
"""

color_jitter = dict(
    type="mmseg_ext.PhotoMetricDistortion",
    brightness_delta=32,
    contrast_range=(0.75, 1.25),
    saturation_range=(0.75, 1.25),
    hue_delta=9,
)
