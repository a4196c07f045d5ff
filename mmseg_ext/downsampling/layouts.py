"""Where the images and masks of a dataset lie, by its tree."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmseg_ext.downsampling.image_files import IMAGE_SUFFIXES, JPEG_SUFFIXES, LABEL_SUFFIXES
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import COLOR_THRESHOLD
from mmseg_ext.masks.mask_meaning import FIX_BLURRED


class Pair(NamedTuple):
    """An image and its mask, as paths relative to the dataset's root with forward slashes; None for no mask."""

    image: str
    mask: str | None


class Failure(NamedTuple):
    """A file that was left out, and why; the reason continues the path."""

    path: str
    reason: str


class FolderPair(NamedTuple):
    """A folder of images and that of their masks, relative to the root; None where the images have none.

    A mask has its image's name, except for the suffix and the two tails (``_sat`` and ``_mask``).
    """

    images: str
    masks: str | None
    image_tail: str = ""
    mask_tail: str = ""


@dataclass(frozen=True)
class Layout:
    """A kind of tree.

    Attributes:
        name: Its name for ``--layout``.
        tree: Its description, for messages.
        find: Lists its folders below a root; nothing where the tree is of another kind.
        ignored: Labels (numbers) or colours ('#RRGGBB') that mean "not labelled".
        color_threshold: The lowest value that stands for 255, where the channels of colours are only nearly 0 or 255;
            None where colours are exact.
    """

    name: str
    tree: str
    find: Callable[[Path], list[FolderPair]]
    ignored: tuple[int | str, ...] = ()
    color_threshold: int | None = None


LOVEDA_NUMBERS = {"train": range(2522), "val": range(2522, 4191), "test": range(4191, 5987)}
"""Names of the images of LoveDA's splits."""


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _masks_or_none(root: Path, masks: str) -> str | None:
    return masks if (root / masks).is_dir() else None


def _find_ade20k(root: Path) -> list[FolderPair]:
    splits = set(_subfolders(root / "images")) & {"training", "validation"}
    if not any((root / "annotations" / split).is_dir() for split in splits):
        return []
    return [FolderPair(f"images/{s}", _masks_or_none(root, f"annotations/{s}")) for s in _subfolders(root / "images")]


def _find_loveda(root: Path) -> list[FolderPair]:
    folders = [f"{split}/{scene}" for split in ("Train", "Val", "Test") for scene in ("Urban", "Rural")]
    present = [folder for folder in folders if (root / folder / "images_png").is_dir()]
    if present:
        return [FolderPair(f"{f}/images_png", _masks_or_none(root, f"{f}/masks_png")) for f in present]
    return _find_converted_loveda(root)


def _find_converted_loveda(root: Path) -> list[FolderPair]:
    """Find the tree that mmseg's converter makes, known by its name or by the numbers of LoveDA's images.

    Other datasets of mmseg lie in such a tree too, and 0 is a class in some of them.
    """
    splits = [split for split in LOVEDA_NUMBERS if (root / "img_dir" / split).is_dir()]
    if "loveda" not in root.resolve().name.lower():
        stems = {split: [stem for stem, _ in _files(root / "img_dir" / split, (".png",), "")] for split in splits}
        numbered = all(s.isdecimal() and int(s) in LOVEDA_NUMBERS[split] for split in splits for s in stems[split])
        if not (numbered and stems.get("train") and stems.get("val")):
            return []
    return [FolderPair(f"img_dir/{split}", _masks_or_none(root, f"ann_dir/{split}")) for split in splits]


def _find_dubai(root: Path) -> list[FolderPair]:
    tiles = [name for name in _subfolders(root) if re.fullmatch(r"tile[ _-]?\d+", name, re.IGNORECASE)]
    tiles = [tile for tile in tiles if (root / tile / "images").is_dir() and (root / tile / "masks").is_dir()]
    return [FolderPair(f"{tile}/images", f"{tile}/masks") for tile in tiles]


def _find_deepglobe(root: Path) -> list[FolderPair]:
    pairs = []
    for folder in [".", *_subfolders(root)]:
        names = os.listdir(root / folder)
        if any(Path(name).stem.endswith("_sat") for name in names):
            has_masks = any(Path(name).stem.endswith("_mask") for name in names)
            pairs.append(FolderPair(folder, folder if has_masks else None, "_sat", "_mask"))
    return pairs


def find_folders(
    root: Path, images: str = "images", masks: str = "masks", image_tail: str = "", mask_tail: str = ""
) -> list[FolderPair]:
    """List the folders named `images` that stand beside one named `masks`, or are it, and those inside them.

    Searches the root, one level and two levels below.
    """
    pairs = []
    for depth in ("", "*/", "*/*/"):
        for folder in sorted(root.glob(f"{depth}{images}")):
            beside = folder.parent / masks
            if not (folder.is_dir() and beside.is_dir()):
                continue
            for inner, _, names in sorted(os.walk(folder)):
                if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in names):
                    below = Path(inner).relative_to(folder)
                    with_images, with_masks = (f.relative_to(root).as_posix() for f in (folder / below, beside / below))
                    pairs.append(FolderPair(with_images, with_masks, image_tail, mask_tail))
    return pairs


def _find_usual_folders(root: Path) -> list[FolderPair]:
    """Try the usual names of such folders."""
    for images, masks in (("images", "masks"), ("images", "annotations"), ("images", "labels"), ("img_dir", "ann_dir")):
        pairs = find_folders(root, images, masks)
        if pairs:
            return pairs
    return []


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("ade20k", "images/{training,validation} and annotations/{training,validation}", _find_ade20k, (0,)),
        Layout(
            "loveda",
            "{Train,Val,Test}/{Urban,Rural}/{images_png,masks_png}, or mmseg's {img_dir,ann_dir}/{train,val,test}",
            _find_loveda,
            (0,),
        ),
        Layout("dubai", "tile_<t>/{images,masks}", _find_dubai, ("#9B9B9B", "#000000")),
        Layout("deepglobe", "<id>_sat.jpg beside <id>_mask.png", _find_deepglobe, ("#000000",), COLOR_THRESHOLD),
        Layout("folders", "a folder of images beside one of masks", _find_usual_folders),
    )
}


def detect_layout(root: Path) -> Layout:
    """Find which kind of tree lies at `root`.

    Raises:
        UserError: There is no such folder, or its tree is of no known kind.
    """
    if not root.is_dir():
        raise UserError(f"Expected a dataset in the folder {root}, found no such folder.")
    for layout in LAYOUTS.values():
        if layout.find(root):
            return layout
    known = "; ".join(f"{layout.name}: {layout.tree}" for layout in LAYOUTS.values())
    raise UserError(
        f"Expected in {root} a tree of one of these kinds: {known}. Found {_describe(root)}. Name the folder that "
        "holds such a tree, or name its folders: --folders IMAGES MASKS."
    )


def _describe(root: Path) -> str:
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in os.scandir(root))
    return (", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")) if names else "nothing"


def list_pairs(root: Path, layout: Layout) -> tuple[list[Pair], list[Failure]]:
    """List the images of a tree with their masks, sorted.

    Returns:
        The pairs, and what does not match: images without a mask in folders that have masks, masks without an image.

    Raises:
        UserError: The tree is not of this kind, or holds no image.
    """
    folders = layout.find(root)
    if not folders:
        raise UserError(f"Expected in {root} the tree of --layout {layout.name} ({layout.tree}), found none.")
    pairs: list[Pair] = []
    failures: list[Failure] = []
    for folder in folders:
        for item in _pair_folder(root, folder):
            if isinstance(item, Pair):
                pairs.append(item)
            else:
                failures.append(item)
    if not pairs and not failures:
        raise UserError(f"Expected images ({', '.join(IMAGE_SUFFIXES)}) in {root / folders[0].images}, found none.")
    return sorted(pairs), sorted(failures)


def _pair_folder(root: Path, folder: FolderPair) -> Iterator[Pair | Failure]:
    images = _files(root / folder.images, IMAGE_SUFFIXES, folder.image_tail)
    if folder.images == folder.masks and folder.mask_tail:  # one folder for both: the tails distinguish them
        images = [(stem, name) for stem, name in images if not os.path.splitext(name)[0].endswith(folder.mask_tail)]
    masks: dict[str, list[str]] = {}
    if folder.masks is not None:
        for stem, name in _files(root / folder.masks, LABEL_SUFFIXES, folder.mask_tail):
            masks.setdefault(stem, []).append(name)
    blurred: set[str] = set()
    if folder.masks is not None and (folder.masks != folder.images or folder.mask_tail):
        blurred = {stem for stem, _ in _files(root / folder.masks, JPEG_SUFFIXES, folder.mask_tail)}
    taken: set[str] = set()
    for stem, name in images:
        image = _join(folder.images, name)
        found = masks.get(stem, [])
        if stem in taken:
            yield Failure(image, "shares its mask with another image of the same name")
        elif folder.masks is None:
            yield Pair(image, None)
        elif len(found) == 1:
            yield Pair(image, _join(folder.masks, found[0]))
        elif found:
            yield Failure(image, f"has several masks: {', '.join(found)}")
        elif stem in blurred:
            yield Failure(image, f"has a JPEG as its mask, which blurs labels; {FIX_BLURRED} --colors or --values")
        else:
            yield Failure(image, f"has no mask in {folder.masks}")
        taken.add(stem)
    for stem in sorted(masks.keys() - taken):
        yield Failure(_join(folder.masks or "", masks[stem][0]), f"has no image in {folder.images}")


def _files(folder: Path, suffixes: Sequence[str], tail: str) -> list[tuple[str, str]]:
    """List the files of a folder that end in a tail and a suffix: (stem without the tail, name), sorted."""
    if not folder.is_dir():
        return []
    found = []
    for name in os.listdir(folder):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in suffixes and stem.endswith(tail) and not name.startswith("."):
            found.append((stem[: len(stem) - len(tail)], name))
    return sorted(found)


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
