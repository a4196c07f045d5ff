"""Folders of images and of their masks, named by one path or by a pattern with a star."""

from pathlib import Path

from mmseg_ext.downsampling.image_files import IMAGE_SUFFIXES
from mmseg_ext.errors import UserError
from mmseg_ext.points.images_below import is_label_folder


def holds_images(folder: Path) -> bool:
    """Whether images lie in a folder, directly."""
    return any(path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") for path in folder.iterdir())


def matching_folders(root: Path, images: str | Path, masks: str | Path | None) -> list[tuple[Path, Path | None, str]]:
    """Find the folders of images that a path with one ``*`` or ``**`` stands for, each with that of its masks.

    Args:
        root: What both are relative to.
        images: A folder, or as in ``'*/images'`` and ``'images/**'`` a pattern.
        masks: A folder, or a pattern in which the star stands for the same folders.

    Returns:
        The folders of images and of masks, and what the star stands for, with a slash behind it. Where there is a star,
        hidden folders and those without an image are left out, and without masks those that are named like masks.

    Raises:
        UserError: A pattern has several stars, only one of both has any, or no folder matches.
    """
    parts, mask_parts = Path(images).parts, () if masks is None else Path(masks).parts
    stars = [[index for index, part in enumerate(some) if "*" in part] for some in (parts, mask_parts)]
    if not any(stars):
        return [(root / images, None if masks is None else root / masks, "")]
    if len(stars[0]) != 1 or (masks is not None and len(stars[1]) != 1):
        raise UserError(
            f"Expected one folder named * or ** in `images` and in `masks` for folders inside folders, got {images!r} "
            f"and {masks!r}."
        )
    base, num_behind = root.joinpath(*parts[: stars[0][0]]), len(parts) - stars[0][0] - 1
    found: list[tuple[Path, Path | None, str]] = []
    for folder in sorted(base.glob("/".join(parts[stars[0][0] :]))):
        inner = folder.relative_to(base).parts
        inner = inner[: len(inner) - num_behind]
        is_left_out = any(part.startswith(".") or (masks is None and is_label_folder(part)) for part in inner)
        if is_left_out or not folder.is_dir() or not holds_images(folder):
            continue
        mask_folder = None
        if masks is not None:
            mask_folder = root.joinpath(*mask_parts[: stars[1][0]], *inner, *mask_parts[stars[1][0] + 1 :])
        found.append((folder, mask_folder, "".join(f"{part}/" for part in inner)))
    if not found:
        raise UserError(f"Expected folders of images that match {images} in {root}, found none.")
    return found
