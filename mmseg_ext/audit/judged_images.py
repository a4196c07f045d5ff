"""The images of a dataset with their labels, as files hold them."""

from collections.abc import Mapping
from typing import Any

from mmseg_ext.engine.loaded_samples import build_loading_dataset
from mmseg_ext.image_names import image_name


class JudgedImages:
    """A dataset, read an image at a time.

    Args:
        dataset: Config of a dataset whose pipeline loads labels.

    Attributes:
        names: Of the images, relative to the data root.
        classes: Names of the classes.
        palette: Their colours, RGB.

    Raises:
        UserError: The dataset is a wrapper, loads no labels, has no class names, or no images.
    """

    def __init__(self, dataset: Mapping[str, Any]) -> None:
        self.dataset = build_loading_dataset(dataset)
        self.classes = list(self.dataset.metainfo["classes"])
        self.palette = [list(color) for color in self.dataset.metainfo["palette"]]
        root = self.dataset.data_root
        self.names = [image_name(self.dataset.get_data_info(i), root, "audit") for i in range(len(self.dataset))]

    def __len__(self) -> int:
        return len(self.names)

    def sample(self, index: int) -> dict:
        """Read an image, ``img`` (uint8 BGR, (H, W, 3)), and its labels, ``gt_seg_map`` (uint8, 255 for none)."""
        return self.dataset[index]
