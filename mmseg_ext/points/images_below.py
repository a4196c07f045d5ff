"""Images below a folder, by their bare file names."""

import os
import re
from functools import lru_cache

_LABEL_FOLDER = re.compile(r"(^|[^a-z])(masks?|labels?|ann(otation)?s?|gt|seg(mentation)?s?)([^a-z]|$)", re.IGNORECASE)


def is_label_folder(name: str) -> bool:
    """Whether a folder is named like one of labels: masks, annotations or gt."""
    return _LABEL_FOLDER.search(name) is not None


@lru_cache(maxsize=8)
def images_by_bare_name(root: str) -> dict[str, list[str]]:
    """List the files below a folder by their bare names: paths relative to it, with forward slashes, sorted.

    Hidden folders and those that are named like folders of labels (masks, annotations, gt …) are left out: an image and
    its mask often have one name. The folder is read once in a process.

    Args:
        root: The folder.
    """
    found: dict[str, list[str]] = {}
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".") and not is_label_folder(name)]
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in names:
            found.setdefault(name, []).append(name if below == "." else f"{below}/{name}")
    return {name: sorted(paths) for name, paths in found.items()}
