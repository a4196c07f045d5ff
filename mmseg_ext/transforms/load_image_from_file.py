"""mmcv's LoadImageFromFile, faster."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile as StockLoadImageFromFile
from mmengine import fileio

from mmseg_ext.errors import UserError
from mmseg_ext.masks.decoded_cache import cached
from mmseg_ext.masks.orientation import TIFF_SIGNATURES, decode_as_shown
from mmseg_ext.masks.png_decoding import RGB, decode_plain_png, read_png_header
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.stack.freed_memory import keep_freed_memory


def decode_bgr(content: bytes, path: str) -> np.ndarray | None:
    """Decode an image as ``cv2.imdecode(…, cv2.IMREAD_COLOR)`` does, to the same bytes, but lose nothing silently.

    A WebP is turned by its EXIF orientation too, which OpenCV ignores there.

    Args:
        content: The file.
        path: Its name, for messages.

    Returns:
        uint8 (H, W, 3), BGR; None where the file cannot be decoded.

    Raises:
        UserError: The file holds more than OpenCV would hand over: a TIFF of more than three bands, more than eight
            bits a value. Transparency of a PNG is left out, as in stock.
    """
    header = read_png_header(content)
    if header is not None:
        if header.color_type == RGB:
            rgb_HWC = decode_plain_png(content, RGB)
            if rgb_HWC is not None:
                return cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2BGR)
        if header.bit_depth == 16:
            _refuse_loss(content, path)
    elif content.startswith(TIFF_SIGNATURES):
        _refuse_loss(content, path)
    return decode_as_shown(content)


def _refuse_loss(content: bytes, path: str) -> None:
    whole = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if whole is None:
        return
    num_bands = 1 if whole.ndim == 2 else whole.shape[2]
    if whole.dtype != np.uint8:
        found = f"{whole.dtype} values, which would be cut down to eight bits"
    elif num_bands > 3:
        found = f"{num_bands} bands, of which three would be kept"
    else:
        return
    raise UserError(
        f"Expected an image of eight bits and three bands, or one, in {path}, got {found}. Convert the file, or read "
        "all of it with LoadImageFromFile(color_type='unchanged')."
    )


@TRANSFORMS.register_module()
class LoadImageFromFile(StockLoadImageFromFile):
    """mmcv's LoadImageFromFile: the same arguments and, bit for bit, the same arrays.

    PNGs are decoded several times as fast, JPEGs by OpenCV as in stock, and a dataset's ``cache_dir`` is used. An
    image that stock would cut down silently (a fourth band, 16 bits) is refused. An EXIF orientation is followed with
    every decoder and `color_type`, but for those named …_ignore_orientation; stock does not follow it in WebP files,
    with ``color_type='unchanged'`` and with the decoders 'tifffile' and 'turbojpeg'.

    Raises:
        UserError: With ``color_type='color'``: the file holds more bands or more bits than would be handed over.
    """

    turns_by_exif = True
    """For the check before training: the EXIF orientation is followed in all formats."""

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']``."""
        keep_freed_memory()
        path = results["img_path"]
        try:
            # A cached array is one of local files; of other storage the cache could not see that it changed.
            local = self.file_client_args is None and self.backend_args is None
            kind = f"image {self.color_type} {self.imdecode_backend}"
            image = cached(results if local else {}, path, kind, lambda: self._load(path))
        except UserError:
            raise
        except Exception as error:
            if self.ignore_empty:
                return None
            if getattr(error, "filename", None):  # it says which file
                raise
            raise UserError(f"Cannot load the image {path}: {error}. Replace the file.") from error
        if self.to_float32:
            image = image.astype(np.float32)
        results["img"] = image
        results["img_shape"] = image.shape[:2]
        results["ori_shape"] = image.shape[:2]
        return results

    def _load(self, path: str) -> np.ndarray:
        image: Any
        if self.file_client_args is not None:
            content = fileio.FileClient.infer_client(self.file_client_args, path).get(path)
        else:
            content = fileio.get(path, backend_args=self.backend_args)
        if self.color_type == "color" and self.imdecode_backend == "cv2":
            image = decode_bgr(content, path)
        else:
            image = decode_as_shown(content, self.color_type, self.imdecode_backend)
        if image is None:
            raise UserError(f"Expected an image in {path}, got something that cannot be decoded. Replace the file.")
        return image
