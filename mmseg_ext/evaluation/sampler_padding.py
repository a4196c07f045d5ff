"""Images that a process gets so that all have as many."""

from mmengine.dist import get_dist_info


def got_padding(num_images: int, size: int) -> bool:
    """Say whether the last image of this process is one that another process has as well.

    mmengine's sampler deals out image i to process i modulo their number, and begins anew to fill up the last round.

    Args:
        num_images: Images that this process got.
        size: Images of the dataset.
    """
    rank, num_processes = get_dist_info()
    return num_processes > 1 and (num_images - 1) * num_processes + rank >= size
