"""Labelled points: sampled from label maps, on tensors, in files, resized; the areas that they represent."""
