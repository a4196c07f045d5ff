"""Our run lengths as pycocotools has them."""

import numpy as np
from pycocotools import mask as coco


def to_coco(rle, shape):
    """pycocotools' compressed mask: lengths of zeros and ones in turn, down the columns."""
    numbers = np.array(rle.split(), int).reshape(-1, 2)
    bounds = np.stack([numbers[:, 0] - 1, numbers.sum(1) - 1], 1).ravel()
    counts = np.diff(bounds, prepend=0, append=shape[0] * shape[1])
    # A mask whose last pixel is positive ends with ones.
    counts = counts[:-1] if counts[-1] == 0 else counts
    return coco.frPyObjects({"size": list(shape), "counts": counts.tolist()}, *shape)
