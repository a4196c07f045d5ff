"""Names of the images in a submission file."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath

from mmseg_ext.errors import UserError


def image_names(images: Sequence[str], keep_suffix: bool = False, separator: str = "/") -> list[str]:
    """Name each image by its bare name, and those that share one by their path below the folder that holds all.

    Args:
        images: Paths, each once.
        keep_suffix: Whether names end in .png, .jpg and so on.
        separator: Between folders.

    Returns:
        One name an image, all different.

    Raises:
        UserError: Two images differ by their suffix alone.

    Example:
        >>> image_names(["Val/Urban/1.png", "Val/Rural/1.png", "Val/Rural/2.png"])
        ['Urban/1', 'Rural/1', '2']
    """
    paths = [PurePath(os.path.abspath(image)) for image in images]
    ends = [path if keep_suffix else path.with_suffix("") for path in paths]
    sharing = defaultdict(list)
    for path, end in zip(paths, ends, strict=True):
        sharing[end.name].append(path)
    root = os.path.commonpath([path.parent for path in paths]) if paths else ""
    names = [end.name if len(sharing[end.name]) == 1 else separator.join(end.relative_to(root).parts) for end in ends]
    image_of: dict[str, str] = {}
    for name, image in zip(names, images, strict=True):
        if name in image_of:
            raise UserError(
                f"Expected images of different names, got {image_of[name]} and {image}, both {name!r}. "
                "Rename one, or keep the suffixes (`keep_suffix=True`)."
            )
        image_of[name] = image
    return names
