"""What our datasets share: images listed from folders, each with a name that does not depend on where the data lies."""

import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from mmseg_ext.arguments import PositiveFloat, StrPath
from mmseg_ext.datasets.completion_request import CompletionRequest, request_completion
from mmseg_ext.datasets.downsampled_copy import DownsampledCopy
from mmseg_ext.datasets.label_steps import loading_steps, with_label_budget, without_label_loading
from mmseg_ext.errors import UserError
from mmseg_ext.masks.decoded_cache import KEY, DecodedCache
from mmseg_ext.points.completed_labels import FOLDER_KEY
from mmseg_ext.points.images_below import images_by_bare_name
from mmseg_ext.points.label_budget import SPARSE_LABELS, LabelBudget


def list_images(folder: Path, suffixes: Sequence[str], fix: str, recursive: bool = False) -> list[Path]:
    """List the images of one folder, sorted by name; hidden files, such as macOS adds, are none.

    Args:
        folder: Where the images lie, directly.
        suffixes: File suffixes with their dot, lower case; compared without case.
        fix: What to do if the folder is missing or empty; ends the error message.
        recursive: Also list the images in the folders below, but for those of masks and hidden ones.

    Raises:
        UserError: The folder is missing, or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"Expected the folder {folder}, found none. {fix}")
    below = images_by_bare_name(str(folder)).values() if recursive else [os.listdir(folder)]
    paths = (folder / name for names in below for name in names)
    images = sorted(p for p in paths if p.suffix.lower() in suffixes and not p.name.startswith("."))
    if not images:
        raise UserError(f"Expected images ({', '.join(suffixes)}) in {folder}, found none. {fix}")
    return images


def pair_masks(images: Iterable[Path], mask_of: dict[Path, Path]) -> None:
    """Check that every image has its mask.

    Raises:
        UserError: Masks are missing; names the first and says how many.
    """
    images = list(images)
    missing = [p for p in images if not mask_of[p].is_file()]
    if missing:
        first = missing[0]
        raise UserError(
            f"Expected the mask {mask_of[first]} for the image {first}, found none "
            f"({len(missing)} of {len(images)} images have no mask). Add the masks or remove the images."
        )


class NamedSegDataset(BaseSegDataset):
    """A segmentation dataset whose samples carry ``img_name``: the image's path relative to the data root.

    The name has forward slashes and is the same on every machine; `SamplePoints` fixes a sample's points by it.
    Subclasses say in :meth:`list_samples` what they hold.

    With `labels` the steps of the label budget follow the step of the pipeline that loads labels, and the samples are
    marked: ``sparse_labels`` is 'points' or 'regions' (see ``mmseg_ext.points.label_budget``).

    Args:
        *args: Passed to mmseg's BaseSegDataset.
        labels: Which labels to train on: ``dict(num_points=20)``, with `per`, `strategy`, `seed` and `resample` as
            `SamplePoints` takes them, or ``dict(file='points.csv')``, with `classes` (the dataset's own by default),
            `allow_empty` and `frame` as `LoadPointAnnotations` does; either with `areas` (a file, see `WeighLabels`)
            and `grow` (True, or the settings of `GrowPoints`), or `complete` (True, or a dict with `min_confidence`,
            `weigh`, `model` and `scale`: the points are completed to labels of all pixels before the run). None: all
            labels. With a file no masks are needed.
        has_masks: Whether there are masks. Without them, and without a file of points, the steps of the pipeline that
            load labels are left out.
        cache_dir: A folder for decoded images and masks: our loading transforms then decode each file once, not once an
            epoch. None keeps nothing.
        cache_gb: Most that the folder may take, in GB.
        **kwargs: Passed to mmseg's BaseSegDataset.

    Raises:
        UserError: The cache's folder cannot be made, or its limit is not positive; `labels` is wrong, or the pipeline
            would lose the points.
    """

    original_labels = False
    """Whether the metainfo names the folder of the masks that a copy was made of, for `OriginalResolutionMetric`."""

    def __init__(
        self,
        *args: Any,
        labels: dict | None = None,
        has_masks: bool = True,
        cache_dir: StrPath | None = None,
        cache_gb: PositiveFloat = 10.0,
        **kwargs: Any,
    ) -> None:
        self.label_budget = None if labels is None else LabelBudget.from_config(labels)
        self.reads_masks = has_masks and (self.label_budget is None or self.label_budget.file is None)
        pipeline = kwargs.get("pipeline", [])
        self._loading_steps = loading_steps(pipeline)
        if self.label_budget is not None:
            if not has_masks and self.label_budget.file is None:
                raise UserError(
                    f"Expected masks to sample points from, got {type(self).__name__} of images without masks. Leave "
                    "`labels` out, or name a file of points: labels=dict(file='points.csv')."
                )
            own = self.METAINFO.get("classes") or (kwargs.get("metainfo") or {}).get("classes")
            if self.label_budget.file is not None and self.label_budget.classes is None and own:
                self.label_budget = replace(self.label_budget, classes=tuple(own))
            kwargs["pipeline"] = with_label_budget(pipeline, self.label_budget)
        elif not has_masks:
            kwargs["pipeline"] = without_label_loading(pipeline)
        self.decoded_cache = None if cache_dir is None else DecodedCache(cache_dir, cache_gb)
        super().__init__(*args, **kwargs)

    @cached_property
    def completion_request(self) -> CompletionRequest:
        """What completed labels ``labels=dict(…, complete=…)`` asks for."""
        if self.label_budget is None or self.label_budget.complete is None:
            raise UserError(
                f"Expected {type(self).__name__} with labels=dict(…, complete=True), got labels without it."
            )
        return request_completion(self, self.label_budget, self._loading_steps)

    @cached_property
    def _completed_folder(self) -> str:
        return self.completion_request.found_folder()

    def get_listed_info(self, idx: int) -> dict:
        """Get a sample's entry as it is listed."""
        return super().get_data_info(idx)

    def get_data_info(self, idx: int) -> dict:
        """Get a sample's entry, with the mark of sparse labels and what its loading transforms use.

        Raises:
            UserError: The labels are to be completed, and are not.
        """
        info = self.get_listed_info(idx)
        if self.label_budget is not None:
            info[SPARSE_LABELS] = self.label_budget.sparsity
            if self.label_budget.complete is not None:
                info[FOLDER_KEY] = self._completed_folder
        if self.decoded_cache is not None:
            info[KEY] = self.decoded_cache
        return info

    @abstractmethod
    def list_samples(self) -> list[dict]:
        """List the samples, in a fixed order.

        Returns:
            One dict a sample: ``img_path`` (Path), ``seg_map_path`` (Path) where the split has masks, and anything
            else that the sample should keep (a scene, a tile).
        """

    def make_samples(
        self, images: Sequence[Path], mask_of: Callable[[Path], Path], copy: DownsampledCopy | None = None
    ) -> list[dict]:
        """Make a sample of every image, with its mask where masks are read.

        Args:
            images: The images.
            mask_of: Finds the path of an image's mask.
            copy: The copy that the images are of; with `original_labels` the masks of its original are looked up.

        Raises:
            UserError: A mask is missing.
        """
        if not self.reads_masks:
            if self.original_labels and self.label_budget is not None:
                text = f"original_labels=True has no effect: the labels are those of {self.label_budget.file}"
                print_log(text, "current", logging.WARNING)
            return [{"img_path": image} for image in images]
        masks = {image: mask_of(image) for image in images}
        pair_masks(images, masks)
        if copy is not None and self.original_labels:
            self._metainfo["original_labels"] = copy.original_roots(list(masks.values()))
        return [{"img_path": image, "seg_map_path": mask} for image, mask in masks.items()]

    def load_data_list(self) -> list[dict]:
        """Give every sample of :meth:`list_samples` its name and the fields that mmseg's transforms read.

        Raises:
            UserError: There are no samples.
        """
        root = Path(self.data_root or "")
        data_list = []
        for sample in self.list_samples():
            info = dict(sample)
            info["img_name"] = Path(info["img_path"]).relative_to(root).as_posix()
            for key in ("img_path", "seg_map_path"):
                if key in info:
                    info[key] = str(info[key])
            info.update(label_map=self.label_map, reduce_zero_label=self.reduce_zero_label, seg_fields=[])
            data_list.append(info)
        if not data_list:
            raise UserError(
                f"Expected {type(self).__name__} to select images below {root}, got none of those that are there. "
                "Change the arguments that choose among them (split, fold, scenes, holdout)."
            )
        return data_list
