"""What every trained model that is applied has in common, whatever it is stored as.

Shape suffixes: N images, H height, W width, C channels of the output (1 for one sigmoid channel), K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.pictures import legend, overlay, sheet

if TYPE_CHECKING:
    from torch import Tensor

ImageInput = str | Path | np.ndarray

GPU_BATCH = 4
"""Windows in a batch on a GPU, unless another number is asked for."""


class WindowSettings(NamedTuple):
    """The windows that a raster is predicted in.

    Attributes:
        size: Height and width in pixels.
        overlap: Pixels that neighbouring windows share, along both axes.
        is_fixed: Whether the network takes this size only.
    """

    size: tuple[int, int]
    overlap: tuple[int, int]
    is_fixed: bool = False


@dataclass
class Prediction:
    """What a model says about one image.

    Attributes:
        classes_HW: Class indices, uint8; uint16 above 255 classes.
        probabilities_CHW: float32, of each class; (1, H, W), that of class 1, for one sigmoid channel; None unless they
            were asked for.
        names: The names of the classes.
        palette: uint8 (K, 3), RGB.
        image: What was predicted: its path, or the picture.
    """

    classes_HW: np.ndarray
    probabilities_CHW: np.ndarray | None
    names: tuple[str, ...]
    palette: np.ndarray
    image: ImageInput

    def overlay(self, alpha: float = 0.5, with_legend: bool = False) -> np.ndarray:
        """Draw the classes over the image.

        Args:
            alpha: Weight of the class colours, 0 to 1.
            with_legend: Whether to put the names of the classes in the picture below it.

        Returns:
            uint8 (H, W, 3), RGB.
        """
        picture_HWC = overlay(as_picture(self.image), self.classes_HW, self.palette.tolist(), alpha, ignore_index=-1)
        return add_legend(picture_HWC, self.classes_HW, self.names, self.palette) if with_legend else picture_HWC


def add_legend(
    picture_HWC: np.ndarray, classes_HW: np.ndarray, names: Sequence[str], palette: np.ndarray
) -> np.ndarray:
    """Put a legend of the classes that are in the picture below it."""
    present = [index for index in np.unique(classes_HW).tolist() if index < len(names)]
    strip = legend([names[i] for i in present], palette[present].tolist(), max(picture_HWC.shape[1], 160))
    return sheet([picture_HWC], strip)


def as_picture(image: ImageInput) -> np.ndarray:
    """Return an image as uint8 (H, W, 3), RGB: an array, or a file as viewers show it.

    Raises:
        UserError: The file cannot be decoded.
    """
    from mmseg_ext.prediction.image_reading import read_rgb

    picture = image if isinstance(image, np.ndarray) else read_rgb(image)
    if picture.dtype == np.uint8:
        return picture
    low, high = float(np.nanmin(picture)), float(np.nanmax(picture))
    return np.nan_to_num((picture - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def class_map_dtype(num_classes: int) -> type[np.uint8] | type[np.uint16]:
    """Return the integer type of a class map in which one value more than the classes fits, for "no data"."""
    return np.uint8 if num_classes <= 255 else np.uint16


class Predictor(ABC):
    """A trained model that turns images into class maps and probabilities.

    Args:
        names: The names of the classes.
        palette: uint8 (K, 3), RGB.
        threshold: For one sigmoid channel: a pixel is class 1 where its probability is above it. None for several
            channels, of which the largest decides.
        window: The windows in which rasters are predicted.
        fill: float32 (3,), RGB, in the units of the images: the value of pixels without data.
        batch_size: Windows in a batch, unless another number is asked for.
        is_byte: Whether the network was trained on values from 0 to 255; otherwise on the files' own.
    """

    def __init__(
        self,
        names: Sequence[str],
        palette: np.ndarray,
        threshold: float | None,
        window: WindowSettings,
        fill: np.ndarray,
        batch_size: int = 1,
        is_byte: bool = True,
    ) -> None:
        self.names = tuple(names)
        self.palette = np.asarray(palette, np.uint8)
        self.threshold = threshold
        self.window = window
        self.fill = np.asarray(fill, np.float32)
        self.batch_size = batch_size
        self.is_byte = is_byte

    @abstractmethod
    def logits(self, images_NHWC: np.ndarray) -> Tensor:
        """Predict images of one size, as they are: nothing is resized.

        Args:
            images_NHWC: RGB; uint8, or the type and units that the network was trained on.

        Returns:
            float32 (N, C, H, W): logits, up to a constant per pixel where there are several channels.
        """

    def prepare(self, image: ImageInput) -> Any:
        """Read and preprocess an image, without the network: what :meth:`predict_prepared` takes. Any thread may do so.

        Args:
            image: A path, or an array (H, W, 3), RGB.

        Raises:
            UserError: The file is no image that can be read.
        """
        from mmseg_ext.prediction.image_reading import read_rgb

        return image if isinstance(image, np.ndarray) else read_rgb(image)

    @abstractmethod
    def predict_prepared(
        self, images: Sequence[ImageInput], prepared: Sequence[Any], probabilities: bool = False
    ) -> list[Prediction]:
        """Predict whole images of any sizes.

        Args:
            images: Paths, or arrays (H, W, 3), RGB.
            prepared: What :meth:`prepare` has made of each.
            probabilities: Whether to keep the probabilities.
        """

    def predict_images(self, images: Sequence[ImageInput], probabilities: bool = False) -> list[Prediction]:
        """Predict whole images of any sizes; see :meth:`predict_prepared`."""
        return self.predict_prepared(images, [self.prepare(image) for image in images], probabilities)

    @overload
    def predict(self, images: ImageInput, probabilities: bool = ..., batch_size: int | None = ...) -> Prediction: ...

    @overload
    def predict(
        self, images: list[ImageInput] | tuple[ImageInput, ...], probabilities: bool = ..., batch_size: int | None = ...
    ) -> list[Prediction]: ...

    @overload
    def predict(
        self, images: Iterator[ImageInput], probabilities: bool = ..., batch_size: int | None = ...
    ) -> Iterator[Prediction]: ...

    def predict(
        self,
        images: ImageInput | list[ImageInput] | tuple[ImageInput, ...] | Iterator[ImageInput],
        probabilities: bool = False,
        batch_size: int | None = None,
    ) -> Prediction | list[Prediction] | Iterator[Prediction]:
        """Predict images.

        Args:
            images: A path, or an array (H, W, 3), RGB, uint8: one prediction. A list of these: a list. A generator: a
                generator, which holds one batch at a time.
            probabilities: Whether to keep the probabilities of the classes; C times the memory.
            batch_size: Images that the network sees at once, where they are of one size; None for the model's own.

        Raises:
            UserError: A file is no image that can be read, or an array no image.
        """
        if isinstance(images, str | Path | np.ndarray):
            return self.predict_images([checked_input(images)], probabilities)[0]
        stream = self._predict_stream(images, probabilities, batch_size or self.batch_size)
        return list(stream) if isinstance(images, list | tuple) else stream

    def _predict_stream(
        self, images: Iterable[ImageInput], probabilities: bool, batch_size: int
    ) -> Iterator[Prediction]:
        batch: list[ImageInput] = []
        for image in images:
            batch.append(checked_input(image))
            if len(batch) == batch_size:
                yield from self.predict_images(batch, probabilities)
                batch = []
        if batch:
            yield from self.predict_images(batch, probabilities)


def checked_input(image: ImageInput) -> ImageInput:
    """Return the path or the picture, or raise UserError."""
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise UserError(f"Expected an image (H, W, 3), RGB, got an array of shape {image.shape}.")
        return image
    if not isinstance(image, str | Path):
        raise UserError(f"Expected the path of an image or an array (H, W, 3), RGB, got {type(image).__name__}.")
    if not Path(image).is_file():
        raise UserError(f"Expected an image file, found none at {image}.")
    return image
