"""Name a dataset: from its type in a config, else from the words of a config's name."""

import hashlib
import re

from .config_source import base_name

_MAX_LENGTH = 100
_SHORT_NAMES = {
    "ADE20KDataset": "ade20",
    "DownsampledADE20KDataset": "ade20",
    "LoveDADataset": "loveda",
    "DubaiAerialDataset": "dubai",
    "iSAIDDataset": "isaid",
}
_GENERIC_TYPES = frozenset({"BaseSegDataset", "BinaryMaskDataset", "CustomDataset", "FolderDataset"})
"""Classes for any folder: the folder's name tells their datasets apart."""

_WORDS = {
    "ade20": "ade20",
    "loveda": "loveda",
    "dubai": "dubai",
    "cityscapes": "cityscapes",
    "coco-stuff": "coco_stuff",
    "pascal-context": "pascal_context",
    "potsdam": "potsdam",
    "vaihingen": "isprs",
    "isaid": "isaid",
    "spacenet": "spacenet",
    "deepglobe": "deep_globe_land_cover",
    "mapillary": "mapillary",
    "bdd100k": "bdd100k",
    "nyu": "nyu",
    "voc": "pascal_voc",
    "ade": "ade20",
}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def plain_type(name: str) -> str:
    """Drop the registry scope: ``mmseg_ext.LinearHead`` is ``LinearHead``."""
    return name.rsplit(".", 1)[-1]


def dataset_from_type(name: str, data_root: str = "") -> str:
    """Return the short name of a dataset.

    Args:
        name: Its class.
        data_root: Its folder, which names it where the class is for any folder.

    Example:
        >>> dataset_from_type("BaseSegDataset", "data/roofs")
        'roofs'
        >>> [dataset_from_type(name) for name in ("mmseg_ext.DownsampledADE20KDataset", "BinaryMaskDataset")]
        ['ade20', 'binary_mask']
    """
    plain = plain_type(name)
    if plain in _GENERIC_TYPES and (folder := file_name(base_name(data_root).lower())):
        return folder
    return _SHORT_NAMES.get(plain) or file_name(_HUMP.sub("_", plain.replace("Dataset", "")).lower()) or "unknown"


def dataset_from_words(name: str) -> str:
    """Return the dataset that a config's name names; empty where it names none.

    Example:
        >>> dataset_from_words("linear_dinov2-vitb14_1xb16-40k_loveda-518x518-20pts")
        'loveda'
    """
    lower = name.lower().replace("_", "-")
    return next((dataset for word, dataset in _WORDS.items() if re.search(rf"(?<![a-z]){word}", lower)), "")


def factor_from_words(name: str) -> int | None:
    """Return the downsampling factor in a config's name: 4 for ``ade20kds4``."""
    match = re.search(r"(?<=[a-z0-9])ds(\d{1,3})(?![a-z0-9])", name.lower())
    return int(match[1]) if match else None


def file_name(name: str) -> str:
    """Make a name safe as the start of a file's name; a long one is shortened and keeps a digest of the whole."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")
    if len(safe) <= _MAX_LENGTH:
        return safe
    return f"{safe[:_MAX_LENGTH]}-{hashlib.sha1(safe.encode(), usedforsecurity=False).hexdigest()[:8]}"
