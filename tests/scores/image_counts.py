"""Generated confusion matrices of images."""

import numpy as np

from mmseg_ext.scores.image_matrices import ImageMatrices

CLASSES = ("land", "water", "road")


def random_matrices(num_images, seed=0, num_classes=3, share=0.7):
    """Matrices (N, C, C) of images that show some of the classes."""
    rng = np.random.default_rng(seed)
    matrices = np.zeros((num_images, num_classes, num_classes), np.int64)
    for matrix in matrices:
        shown = rng.choice(num_classes, rng.integers(1, num_classes + 1), replace=False)
        for truth in shown:
            found = np.where(rng.random(80) < share, truth, rng.integers(0, num_classes, 80))
            matrix[truth] += np.bincount(found, minlength=num_classes)
    return matrices


def run_of(matrices, names=None, classes=CLASSES, **settings):
    """A run of these matrices; names like ``scene_1/7.png``, four images a scene."""
    names = names or [f"scene_{i // 4}/{i}.png" for i in range(len(matrices))]
    return ImageMatrices.of_matrices(names, matrices, classes, **settings)
