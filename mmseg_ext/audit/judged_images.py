"""The images of a dataset with their labels, as files hold them and as a model sees them."""

from collections.abc import Mapping
from typing import Any

from mmengine.dataset import pseudo_collate

from mmseg_ext.engine.loaded_samples import build_loading_dataset
from mmseg_ext.image_names import image_name
from mmseg_ext.transforms import PackSegInputs, Resize


class JudgedImages:
    """A dataset, read an image at a time.

    Args:
        dataset: Config of a dataset whose pipeline loads labels.
        scale: What images are resized to, keeping their ratio.

    Attributes:
        names: Of the images, relative to the data root.
        classes: Names of the classes.
        palette: Their colours, RGB.

    Raises:
        UserError: The dataset is a wrapper, loads no labels, has no class names, or no images.
    """

    def __init__(self, dataset: Mapping[str, Any], scale: tuple[int, int]) -> None:
        self.dataset = build_loading_dataset(dataset)
        self.classes = list(self.dataset.metainfo["classes"])
        self.palette = [list(color) for color in self.dataset.metainfo["palette"]]
        root = self.dataset.data_root
        self.names = [image_name(self.dataset.get_data_info(i), root, "audit") for i in range(len(self.dataset))]
        self._resize, self._pack = Resize(scale=scale, keep_ratio=True), PackSegInputs()

    def __len__(self) -> int:
        return len(self.names)

    def sample(self, index: int) -> dict:
        """Read an image, ``img`` (BGR uint8, (H, W, 3)), and its labels, ``gt_seg_map`` (uint8 (H, W), 255 for none)."""
        return self.dataset[index]

    def __getitem__(self, index: int) -> dict:
        """Read an image as a batch of its own."""
        return self.as_batch(self.sample(index))

    def as_batch(self, sample: dict) -> dict:
        """Resize and pack a sample of the dataset."""
        return pseudo_collate([self._pack(self._resize(dict(sample, seg_fields=list(sample["seg_fields"]))))])
