"""A resize that loses no points."""

from mmcv.transforms import Resize

from mmseg_ext.points.resizing import resize_points
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PointSafeResize(Resize):
    """mmcv's Resize, with point labels moved as coordinates: each stays exactly one pixel at any scale.

    Nearest-neighbour resizing keeps each point with probability scale² (or copies it scale² times). Here two points
    that fall on one pixel become one; ``num_merged_points`` counts them. Takes the arguments of Resize, and works
    inside ``RandomResize(resize_type='mmseg_ext.PointSafeResize')``. Made for sparse labels: a dense map, enlarged,
    would be left with holes.
    """

    def _resize_seg(self, results: dict) -> None:
        """Move the points of every segmentation field to the new image's size."""
        if results.get("scale") is None:
            return
        # The image is resized first, so its shape already is the new one, whatever was rounded.
        shape = results["img_shape"]
        num_merged = 0
        for key in results.get("seg_fields", []):
            if results.get(key) is not None:
                results[key], merged = resize_points(results[key], shape)
                num_merged += merged
        results["num_merged_points"] = num_merged
