"""What our datasets share: images listed from folders, each with a name that does not depend on where the data lies."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset

from mmseg_ext.errors import UserError
from mmseg_ext.masks.decoded_cache import KEY, DecodedCache


def list_images(folder: Path, suffixes: Sequence[str], mend: str) -> list[Path]:
    """List the images of one folder, sorted by name; hidden files, such as macOS adds, are none.

    Args:
        folder: Where the images lie, directly.
        suffixes: File suffixes with their dot, lower case; compared without case.
        mend: What to do if the folder is missing or empty; ends the error message.

    Raises:
        UserError: The folder is missing, or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"Expected the folder {folder}, found none. {mend}")
    images = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))
    if not images:
        raise UserError(f"Expected images ({', '.join(suffixes)}) in {folder}, found none. {mend}")
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

    Args:
        *args: Passed to mmseg's BaseSegDataset.
        cache_dir: A folder for decoded images and masks: our loading transforms then decode each file once, not once an
            epoch. None keeps nothing.
        cache_gb: Most that the folder may take, in GB.
        **kwargs: Passed to mmseg's BaseSegDataset.

    Raises:
        UserError: The cache's folder cannot be made, or its limit is not positive.
    """

    def __init__(self, *args: Any, cache_dir: str | None = None, cache_gb: float = 10.0, **kwargs: Any) -> None:
        self.decoded_cache = None if cache_dir is None else DecodedCache(cache_dir, cache_gb)
        super().__init__(*args, **kwargs)

    def get_data_info(self, idx: int) -> dict:
        """Get a sample's entry, with the cache that its loading transforms use."""
        info = super().get_data_info(idx)
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
