"""Logits evaluated at the resolution of the labels or of the image: at single points, or in blocks of pixels."""
