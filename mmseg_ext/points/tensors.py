"""Points of a batch of label maps, on any device.

Shape suffixes: N batch, H height, W width, L pixels of an image, K points of an image.
"""

import torch
from torch import Tensor


def sample_points(
    labels_NHW: Tensor, num_points: int, generator: torch.Generator | None = None, ignore_index: int = 255
) -> Tensor:
    """Keep the labels of some labelled pixels of each image and ignore all others.

    Every pixel draws a rank, and the labelled pixels of lowest rank are kept: from the same state of the generator, a
    smaller budget is a subset of a larger one. Where fewer pixels are labelled, all of them are kept. The points differ
    from those of the transform ``SamplePoints``, which are fixed by the image's name.

    Args:
        labels_NHW: Integer class indices, on any device.
        num_points: Points of an image.
        generator: What ranks are drawn from, and where; by default the global generator of the labels' device.
        ignore_index: Marks pixels without a label, before and after.

    Returns:
        A new tensor of the shape, type and device of `labels_NHW`.

    Example:
        >>> labels = torch.tensor([[[0, 255], [3, 1]]])
        >>> points = sample_points(labels, 2)
        >>> int((points != 255).sum()), int(points[0, 0, 1])
        (2, 255)
    """
    labels_NL = labels_NHW.flatten(1)
    device = labels_NL.device if generator is None else generator.device
    # 63 random bits: two of 10⁸ pixels tie once in 2,000 images, and a tie only makes the choice between the two.
    ranks_NL = torch.randint(2**63 - 1, labels_NL.shape, generator=generator, device=device).to(labels_NL.device)
    ranks_NL.masked_fill_(labels_NL == ignore_index, 2**63 - 1)
    chosen_NK = ranks_NL.topk(min(max(num_points, 0), ranks_NL.shape[1]), largest=False, sorted=False).indices
    points_NL = torch.full_like(labels_NL, ignore_index, memory_format=torch.contiguous_format)
    # Where too few pixels are labelled, ignored ones are chosen as well; their label is ignore_index.
    points_NL.scatter_(1, chosen_NK, labels_NL.gather(1, chosen_NK))
    return points_NL.view(labels_NHW.shape)
