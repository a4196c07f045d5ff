"""A resize that loses no points."""

from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.resize import Resize, move_points


@TRANSFORMS.register_module()
class PointSafeResize(Resize):
    """mmseg's Resize, with point labels moved as coordinates: each stays exactly one pixel at any scale.

    Nearest-neighbour resizing keeps each point with probability scale² (or copies it scale² times). Here two points
    that fall on one pixel become one; ``num_merged_points`` counts them. Takes the arguments of Resize, and works
    inside ``RandomResize(resize_type='mmseg_ext.PointSafeResize')``. Made for sparse labels: a dense map, enlarged,
    would be left with holes.

    For pipelines whose dataset takes no ``labels=``; there ``mmseg_ext.Resize`` does the same by itself.
    """

    def _resize_seg(self, results: dict) -> None:
        """Move the points of every segmentation field to the new image's size."""
        move_points(results)
