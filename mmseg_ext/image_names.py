"""What an image is called wherever its path must not matter: relative to the data root, with forward slashes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmseg_ext.errors import UserError


def image_name(results: Mapping[str, Any], data_root: str | Path | None, transform: str) -> str:
    """Name an image by its path relative to the data root, with forward slashes.

    Args:
        results: A sample with img_name (our datasets give it) or img_path.
        data_root: Where the data lies; None takes img_name.
        transform: Name of the caller, for messages.

    Raises:
        UserError: The name cannot be known, or the image does not lie below `data_root`.
    """
    if data_root is None:
        if "img_name" in results:
            return results["img_name"]
        raise UserError(
            f"Expected `img_name` in the sample of {results['img_path']}, which its dataset does not give. "
            f"Set {transform}(data_root=…): points are known by the image's path relative to it."
        )
    try:
        # Symbolic links are not followed: what they point to differs from machine to machine.
        image = Path(os.path.abspath(results["img_path"]))
        return image.relative_to(os.path.abspath(data_root)).as_posix()
    except ValueError:
        raise UserError(
            f"Expected images below {transform}(data_root={data_root!r}), got {results['img_path']}."
        ) from None


def name_bytes(name: str) -> bytes:
    r"""Encode a name to hash it: in UTF-8, also a file name that is not in UTF-8 on disk.

    Example:
        >>> name_bytes("caf\udce9.png")
        b'caf\xed\xb3\xa9.png'
    """
    return name.encode(errors="surrogatepass")
