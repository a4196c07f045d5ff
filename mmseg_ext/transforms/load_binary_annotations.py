"""Masks of one class and its background."""

from collections.abc import Mapping

from mmcv.transforms import BaseTransform

from mmseg_ext.masks.binary_masks import BinaryKind, BinaryMeaning
from mmseg_ext.masks.decoded_cache import cached
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadBinaryAnnotations(BaseTransform):
    """Load a mask of 0 and 255, or of 0 and 1, as class indices: 0 background, 1 foreground, 255 not labelled.

    Required keys: seg_map_path. Added keys: gt_seg_map (uint8 (H, W)); 'gt_seg_map' joins seg_fields.

    Args:
        kind: '0/255' (nothing is ignored), or '0/1' where 255 means "not labelled".

    Raises:
        UserError: A mask cannot be read or holds other values than its kind allows; the message names the file.
    """

    def __init__(self, kind: BinaryKind = "0/255") -> None:
        self.kind = BinaryMeaning(kind).kind

    def transform(self, results: dict) -> dict:
        """Load ``results['seg_map_path']``."""
        path = results["seg_map_path"]
        settings = f"{type(self).__name__} {self.kind}"
        results["gt_seg_map"] = cached(results, path, settings, lambda: BinaryMeaning(self.kind).read_mask(path))
        results["seg_fields"].append("gt_seg_map")
        return results

    def mask_meaning(self, label_map: Mapping[int, int] | None) -> BinaryMeaning:
        """Say what the values mean; a label map does not change it."""
        return BinaryMeaning(self.kind)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kind={self.kind!r})"
