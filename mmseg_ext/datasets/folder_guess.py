"""How images and masks lie in folders: a guess from their names, as arguments of `FolderDataset`.

No pixel is read.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmseg_ext.datasets.folder_dataset import MASK_SUFFIXES
from mmseg_ext.datasets.folder_patterns import holds_images, matching_folders
from mmseg_ext.downsampling.image_files import IMAGE_SUFFIXES
from mmseg_ext.errors import UserError
from mmseg_ext.points.images_below import is_label_folder

TRAIN_NAMES = ("train", "training", "trainset")
VAL_NAMES = ("val", "valid", "validation", "valset")
IMAGE_NAMES = ("images", "image", "imgs", "img", "img_dir", "rgb", "photos", "jpegimages")

_TAIL = re.compile(r"(?<=\w)[ _.-][A-Za-z]+$")
_NUMBER = r"[ _.-]*\d+"
_LABEL_TAIL = re.compile(r"[ _.-](mask|masks|label|labels|lab|gt|seg|segmentation|annotation|ann)$", re.IGNORECASE)


@dataclass
class FolderGuess:
    """Where images and masks lie.

    Attributes:
        root: The folder that both are named relative to.
        images: Folder of the images, or a pattern with a star; relative to `root`.
        masks: The same of the masks; None without masks.
        image_tail: What names of images end in.
        mask_tail: What names of masks end in.
        folders: What the star stands for, each with a slash behind it.
        doubts: What is not certain, in sentences.
    """

    root: Path
    images: str
    masks: str | None
    image_tail: str = ""
    mask_tail: str = ""
    folders: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def arguments(self) -> dict[str, Any]:
        """List the arguments of `FolderDataset` that differ from its own."""
        found: dict[str, Any] = {"data_root": self.root.as_posix()}
        for name, default in (("images", "images"), ("masks", "masks"), ("image_tail", ""), ("mask_tail", "")):
            if getattr(self, name) != default:
                found[name] = getattr(self, name)
        return found

    def of_split(self, names: Sequence[str]) -> dict[str, str] | None:
        """Return the folders of one split, where the star stands for train, val …; None where there is none."""
        name = next((folder[:-1] for folder in self.folders if folder[:-1].lower() in names), None)
        if name is None:
            return None
        filled = {"images": _filled(self.images, name)}
        return filled if self.masks is None else {**filled, "masks": _filled(self.masks, name)}


def guess_folders(
    images: Path, masks: Path | None, image_tail: str | None = None, mask_tail: str | None = None
) -> FolderGuess:
    """Find out where the masks of a folder of images lie, and what their names share.

    Args:
        images: The folder of the images, or one that holds a folder of images and one of masks.
        masks: The folder of the masks; None looks for it inside and beside `images`.
        image_tail: What names of images end in; None guesses it.
        mask_tail: The same of masks.

    Raises:
        UserError: A folder is missing or without images, or no mask bears the name of an image.
    """
    for folder in (images, masks):
        if folder is not None and not folder.is_dir():
            raise UserError(f"Expected a folder, found none at {folder}. Check the path.")
    is_named = masks is not None
    if masks is None:
        images, masks = _find_masks(images)
    root, parts = _common_root(images, masks)
    guess = FolderGuess(root, *parts)
    if not holds_images(images):
        guess.images, guess.masks = _as_patterns(images, root, guess)
    found = matching_folders(root, guess.images, guess.masks)
    guess.folders = [prefix for *_, prefix in found if prefix]
    if guess.masks is not None and not is_named:
        where = (root / guess.masks).as_posix()
        guess.doubts.append(f"The masks are taken from {where}: name another folder behind that of the images.")
    if guess.masks is not None:
        _guess_tails(guess, found, image_tail, mask_tail)
    else:
        guess.image_tail = image_tail or ""
    return guess


def guess_scenes(guess: FolderGuess, names: Sequence[str]) -> str | None:
    """Find out what shows the scene in the names of images; None where nothing does.

    Args:
        guess: Where the images lie.
        names: Paths of the images below the root, with forward slashes.

    Returns:
        A regular expression, for `FolderDataset`.
    """
    if "*" in guess.images and len(set(guess.folders)) > 1:
        before, _, behind = re.sub(r"\*+", "*", guess.images).partition("*")
        return f"^{re.escape(before)}(.+?){re.escape(behind)}/[^/]+$"
    pattern = rf"([^/]*?){_NUMBER}{re.escape(guess.image_tail)}\.[^./]+$"
    scenes = [match[1] if (match := re.search(pattern, name)) else name for name in names]
    return pattern if 3 <= len(set(scenes)) <= len(names) / 2 else None


def _filled(pattern: str, name: str) -> str:
    return re.sub(r"\*+", lambda _: name, pattern)


def _inner_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _find_masks(images: Path) -> tuple[Path, Path | None]:
    """Find the folders of the images and of the masks, where only one folder was named."""
    inner = _inner_folders(images)
    labels = [folder for folder in inner if is_label_folder(folder.name)]
    pictures = [folder for folder in inner if folder.name.lower() in IMAGE_NAMES]
    if len(labels) == len(pictures) == 1:
        return pictures[0], labels[0]
    stems = [path.stem for path in images.iterdir() if path.suffix.lower() in MASK_SUFFIXES]
    if any(_LABEL_TAIL.search(stem) for stem in stems):  # a_sat.jpg and a_mask.png in one folder
        return images, images
    if any(is_label_folder(below.name) for folder in inner for below in _inner_folders(folder)):
        return images, images
    beside = [folder for folder in _inner_folders(images.absolute().parent) if is_label_folder(folder.name)]
    if len(beside) == 1 and beside[0] != images.absolute() and not is_label_folder(images.name):
        return images, images.parent / beside[0].name
    return images, None


def _common_root(images: Path, masks: Path | None) -> tuple[Path, tuple[str, str | None]]:
    """Find the folder that both lie in, and both relative to it."""
    if masks is None:
        return images.parent, (images.name, None) if images.name else (".", None)
    if images == masks:
        return images, (".", ".")
    is_relative = not images.is_absolute() and not masks.is_absolute()
    both = [path if is_relative else path.absolute() for path in (images, masks)]
    root = Path(os.path.commonpath(both) or ".")
    if root in both:  # one lies in the other
        root = root.parent
    return root, (both[0].relative_to(root).as_posix(), both[1].relative_to(root).as_posix())


def _as_patterns(images: Path, root: Path, guess: FolderGuess) -> tuple[str, str | None]:
    """Name the folders inside a folder by a star: tiles with images and masks each, or both with the same folders."""
    for inner in _inner_folders(images):
        below = _inner_folders(inner)
        pictures = [folder.name for folder in below if folder.name.lower() in IMAGE_NAMES]
        labels = [folder.name for folder in below if is_label_folder(folder.name)]
        if pictures:
            base = images.relative_to(root).as_posix()
            prefix = "" if base == "." else f"{base}/"
            return f"{prefix}*/{pictures[0]}", f"{prefix}*/{labels[0]}" if labels else None
    return f"{guess.images}/**", None if guess.masks is None else f"{guess.masks}/**"


def _guess_tails(
    guess: FolderGuess, found: Sequence[tuple[Path, Path | None, str]], image_tail: str | None, mask_tail: str | None
) -> None:
    """Choose the tails by which most images have a mask."""
    images, masks = (_stems_of(found, which) for which in (0, 1))
    if guess.images == guess.masks:
        images = [stem for stem in images if not _LABEL_TAIL.search(stem)]
        masks = [stem for stem in masks if _LABEL_TAIL.search(stem)]
    image_tails, mask_tails = (
        ("", _most_common_tail(stems)) if given is None else (given,)
        for stems, given in ((images, image_tail), (masks, mask_tail))
    )
    counts = {(one, other): _count_pairs(images, masks, one, other) for one in image_tails for other in mask_tails}
    best = max(counts, key=lambda tails: counts[tails])
    if not counts[best]:
        shown = [repr(stems[0]) if stems else "none" for stems in (images, masks)]
        raise UserError(
            f"Expected masks that bear the names of their images, got images such as {shown[0]} and masks such as "
            f"{shown[1]}. Rename them, or say what the names end in by --image-tail and --mask-tail."
        )
    guess.image_tail, guess.mask_tail = best


def _stems_of(found: Sequence[tuple[Path, Path | None, str]], which: int) -> list[str]:
    suffixes, stems = (IMAGE_SUFFIXES, MASK_SUFFIXES)[which], []
    for row in found:
        folder = row[which]
        if isinstance(folder, Path) and folder.is_dir():
            stems += [f"{row[2]}{p.stem}" for p in sorted(folder.iterdir()) if p.suffix.lower() in suffixes]
    return stems


def _most_common_tail(stems: Sequence[str]) -> str:
    tails = Counter(match[0] for stem in stems if (match := _TAIL.search(stem)))
    return tails.most_common(1)[0][0] if tails else ""


def _count_pairs(images: Sequence[str], masks: Sequence[str], image_tail: str, mask_tail: str) -> int:
    """Count the images with a mask; none where an image lacks its tail, which `FolderDataset` refuses."""
    if not all(stem.endswith(image_tail) for stem in images):
        return 0
    names = {stem.removesuffix(mask_tail) for stem in masks if stem.endswith(mask_tail)}
    return sum(stem.removesuffix(image_tail) in names for stem in images)
