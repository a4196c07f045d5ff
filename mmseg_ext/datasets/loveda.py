"""LoveDA: land cover of three Chinese cities at 0.3 m, urban and rural."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from mmseg_ext.arguments import FractionBelowOne, StrPath
from mmseg_ext.datasets.holdout import hold_out
from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset, list_images
from mmseg_ext.errors import UserError
from mmseg_ext.registry import DATASETS

Scene = Literal["urban", "rural"]
SCENES: tuple[Scene, ...] = ("urban", "rural")
SPLIT_FOLDERS = {"train": "Train", "holdout": "Train", "val": "Val", "test": "Test"}
FIX = "Unpack LoveDA's Train.zip, Val.zip and Test.zip there, or set `data_root`; data/README.md shows the tree."


@DATASETS.register_module()
class LoveDADataset(NamedSegDataset):
    """LoveDA in its official layout, ``{Train,Val,Test}/{Urban,Rural}/{images_png,masks_png}/<number>.png``.

    The tree that mmseg's converter makes of it, ``{img_dir,ann_dir}/{train,val,test}/<number>.png``, is read too. It
    does not say which scene an image is of: its samples have no ``scene``, and the held-out share is one of all images.

    Images are 1024 × 1024 RGB. Masks hold 0 for "no data" and 1..7 for the classes; with ``reduce_zero_label`` (always
    on) these become 255 and 0..6. Test has no masks: its samples lack ``seg_map_path``, and the steps of the pipeline
    that load labels are left out. Every sample keeps its ``scene``.

    Args:
        data_root: The folder that holds Train, Val and Test, or img_dir and ann_dir.
        split: 'train', 'val', 'test', or 'holdout': the part of Train that `holdout` takes away from 'train'.
        scenes: 'urban', 'rural' or both; both with mmseg's tree.
        holdout: Share of Train, scene by scene, kept for validation; for people who keep Val as their test set. The
            choice is fixed by the file names.
        **kwargs: Passed to `NamedSegDataset` (labels, cache_dir) and mmseg's BaseSegDataset (pipeline, indices, …).

    Raises:
        UserError: A folder is missing or empty, a mask is missing, or an argument is out of range.

    Reference:
        Wang et al., LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive Semantic Segmentation, NeurIPS 2021
        Datasets and Benchmarks. Licence: CC BY-NC-SA 4.0 (academic use only).
    """

    METAINFO = {
        "classes": ("background", "building", "road", "water", "barren", "forest", "agricultural"),
        "palette": [
            [255, 255, 255],
            [255, 0, 0],
            [255, 255, 0],
            [0, 0, 255],
            [159, 129, 183],
            [0, 255, 0],
            [255, 195, 128],
        ],
    }

    fixed_arguments = ("img_suffix", "seg_map_suffix", "reduce_zero_label", "has_masks")

    def __init__(
        self,
        data_root: StrPath = "data/loveDA",
        split: Literal["train", "val", "test", "holdout"] = "train",
        scenes: Scene | Collection[Scene] = SCENES,
        holdout: FractionBelowOne = 0.0,
        **kwargs: Any,
    ) -> None:
        scenes = [scenes] if isinstance(scenes, str) else list(scenes)
        if not scenes:
            raise UserError("Expected `scenes` to hold 'urban', 'rural' or both, got none.")
        if split == "holdout" and holdout == 0:
            raise UserError("Expected `holdout` > 0 with split='holdout', got 0. Set the share, e.g. holdout=0.1.")
        self.split = split
        self.scenes = scenes
        self.holdout = holdout
        super().__init__(
            data_root=data_root,
            img_suffix=".png",
            seg_map_suffix=".png",
            reduce_zero_label=True,
            has_masks=split != "test",
            **kwargs,
        )

    def list_samples(self) -> list[dict]:
        """List the split's images, scene by scene where the tree tells them apart."""
        root = Path(self.data_root)
        official = SPLIT_FOLDERS[self.split]
        if (root / "img_dir").is_dir() and not (root / official).is_dir():
            if set(self.scenes) != set(SCENES):
                raise UserError(
                    f"Expected the official tree, {official}/{{Urban,Rural}}, in {root} for scenes={self.scenes}, got "
                    "mmseg's, which does not tell scenes apart. Unpack LoveDA's archives, or leave `scenes` out."
                )
            split = official.lower()
            images = self._chosen(list_images(root / "img_dir" / split, [".png"], FIX))
            return self.make_samples(images, lambda image: root / "ann_dir" / split / image.name)
        samples: list[dict] = []
        for scene in self.scenes:
            folder = root / official / scene.capitalize()
            images = self._chosen(list_images(folder / "images_png", [".png"], FIX))
            found = self.make_samples(images, lambda image: image.parents[1] / "masks_png" / image.name)
            samples += [{**sample, "scene": scene} for sample in found]
        return samples

    def _chosen(self, images: list[Path]) -> list[Path]:
        """Take the split's share of a folder's images."""
        if self.split not in ("train", "holdout") or not self.holdout:
            return images
        held = hold_out([image.name for image in images], self.holdout)
        return [image for image in images if (image.name in held) == (self.split == "holdout")]
