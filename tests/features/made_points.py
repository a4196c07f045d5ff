"""Points of three classes that a linear classifier tells apart mostly, on several images."""

import torch

from mmseg_ext.features.point_features import PointFeatures


def make_points(num_points=120, num_classes=3, num_features=6, num_images=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels_P = torch.arange(num_points) % num_classes
    centres_CF = torch.randn(num_classes, num_features, generator=generator)
    network_PF = centres_CF[labels_P] + torch.randn(num_points, num_features, generator=generator)
    descriptors_PD = 3 * centres_CF[labels_P] + torch.randn(num_points, num_features, generator=generator)
    weights_P = torch.rand(num_points, generator=generator) + 0.5
    images_P = torch.arange(num_points) * num_images // num_points
    # Features of any scale, as a network's are.
    return PointFeatures(100 * network_PF + 7, descriptors_PD, labels_P, weights_P, images_P)
