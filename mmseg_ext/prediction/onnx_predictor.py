"""An exported model as a predictor: onnxruntime alone, without checkpoint and config.

Shape suffixes: N images, H height, W width, C channels of the output.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmseg_ext.errors import UserError, missing_packages
from mmseg_ext.models.resampling.image_logits import ImageLogits
from mmseg_ext.models.resampling.predicted_images import Placement, predict_images
from mmseg_ext.models.segmentors.blockwise_prediction import window_starts
from mmseg_ext.prediction.blending import blend_windows, window_logits
from mmseg_ext.prediction.class_scores import classify
from mmseg_ext.prediction.class_scores import probabilities as probabilities_of
from mmseg_ext.prediction.exportable_network import WHITE, threshold_logit
from mmseg_ext.prediction.onnx_settings import read_settings
from mmseg_ext.prediction.predictor import GPU_BATCH, ImageInput, Prediction, Predictor, WindowSettings, class_map_dtype
from mmseg_ext.registry import TRANSFORMS

MESSAGE_LENGTH = 300
PROBABILITY_ROWS = 64
"""Rows of an image whose probabilities are computed at once."""


class GraphError(UserError):
    """An exported graph cannot be run on an image."""


def one_line(error: BaseException) -> str:
    """Return the message of another library in one line of at most :data:`MESSAGE_LENGTH` characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= MESSAGE_LENGTH else f"{text[: MESSAGE_LENGTH - 1]}…"


def require_packages(*names: str) -> None:
    """Refuse to go on without the packages that ONNX files need.

    Raises:
        UserError: One is not installed.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise missing_packages("ONNX files", *missing)


def open_session(model: str | Path | bytes, device: str | None = None) -> Any:
    """Open an ONNX file with onnxruntime.

    Args:
        model: The file, or what it holds.
        device: Such as 'cpu' or 'cuda:0'; None takes the GPU where onnxruntime can.

    Raises:
        UserError: onnxruntime is not installed, the file is no ONNX model, or there is no such device.
    """
    require_packages("onnxruntime")
    import onnxruntime

    kind, _, index = (device or "").partition(":")
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if kind not in ("", "cpu", "cuda") or (kind == "cuda" and not has_cuda) or not (index or "0").isdigit():
        raise UserError(
            f"Expected a device that onnxruntime knows, cpu{' or cuda' if has_cuda else ''}, got {device}. For GPUs "
            "install onnxruntime-gpu in its place."
        )
    providers: list[Any] = ["CPUExecutionProvider"]
    if has_cuda and kind != "cpu":
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(index or 0)}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors are raised; no need to print them as well
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=providers
        )
    except Exception as error:  # onnxruntime's own classes are derived from it directly
        name = "the exported graph" if isinstance(model, bytes) else model
        raise UserError(
            f"Expected an ONNX model in {name}, got a file that onnxruntime refuses: {one_line(error)}"
        ) from error


class OnnxPredictor(Predictor):
    """An exported model. Whole images are predicted as the checkpoint predicts them.

    They are resized as in the test pipeline; go through the network whole or, as in the config, in sliding windows; and
    the logits are resized to the image. A graph of one size sees an image in overlapping windows of that size.

    Args:
        path: A file that tools/export.py wrote, or its content.
        device: Such as 'cpu' or 'cuda:0'; None takes the GPU where onnxruntime can.

    Raises:
        UserError: onnxruntime is not installed, or the file is not such a file.
    """

    def __init__(self, path: str | Path | bytes, device: str | None = None) -> None:
        self.session = open_session(path, device)
        name = "the exported graph" if isinstance(path, bytes) else str(path)
        settings = read_settings(self.session.get_modelmeta().custom_metadata_map, name)
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or len(self.session.get_outputs()) != 1:
            raise UserError(
                f"Expected a graph of one image and one output in {name}, got another. Export the run again."
            )
        self.settings = settings
        self._input = inputs[0].name
        self._has_fixed_batch = inputs[0].shape[0] == 1
        self._resize_steps = [_build_step(step) for step in settings.resize]
        self._shift = 0.0 if settings.threshold is None else threshold_logit(settings.threshold)
        on_gpu = self.session.get_providers()[0] == "CUDAExecutionProvider"
        super().__init__(
            settings.names,
            np.array(settings.palette),
            settings.threshold,
            WindowSettings(tuple(settings.window), tuple(settings.overlap), settings.is_fixed),  # type: ignore[arg-type]
            np.array(settings.fill),
            batch_size=GPU_BATCH if on_gpu and not self._has_fixed_batch else 1,
            is_byte=settings.is_byte,
        )

    def logits(self, images_NHWC: np.ndarray) -> Tensor:
        """Predict images of one size; see :meth:`Predictor.logits`."""
        images_NCHW = np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2), np.float32) / np.float32(WHITE)
        batches = np.split(images_NCHW, len(images_NCHW)) if self._has_fixed_batch else [images_NCHW]
        found = [self._run(batch) for batch in batches]
        values_NCHW = torch.from_numpy(np.concatenate(found) if len(found) > 1 else found[0])
        if self.threshold is None:
            return values_NCHW.clamp_(min=torch.finfo(torch.float32).tiny).log_()
        values_NCHW = values_NCHW.double().clamp(1e-30, 1 - 1e-15)
        return (values_NCHW.log() - (-values_NCHW).log1p() + self._shift).float()

    def _run(self, images_NCHW: np.ndarray) -> np.ndarray:
        try:
            return self.session.run(None, {self._input: images_NCHW})[0]
        except Exception as error:  # onnxruntime's own classes are derived from it directly
            shape = " × ".join(map(str, images_NCHW.shape[2:]))
            raise GraphError(f"The exported graph refuses an image of {shape} pixels: {one_line(error)}") from error

    def resized(self, image_HWC: np.ndarray) -> np.ndarray:
        """Resize an image, RGB, as the test pipeline does."""
        results: Any = {"img": np.ascontiguousarray(image_HWC[..., ::-1]), "img_shape": image_HWC.shape[:2]}
        for step in self._resize_steps:
            results = step(results)
        return results["img"][..., ::-1]

    def predict_prepared(
        self, images: Sequence[ImageInput], prepared: Sequence[np.ndarray], probabilities: bool = False
    ) -> list[Prediction]:
        """Predict whole images; see :meth:`Predictor.predict_prepared`."""
        pairs = zip(images, prepared, strict=True)
        return [self._predict_image(image, image_HWC, probabilities) for image, image_HWC in pairs]

    @torch.no_grad()
    def _predict_image(self, image: ImageInput, image_HWC: np.ndarray, with_probabilities: bool) -> Prediction:
        height, width = image_HWC.shape[:2]
        logits = self._image_logits(self.resized(image_HWC))
        kept = None
        if with_probabilities:
            logits_CHW = _enlarged(logits, (height, width))
            classes_HW = classify(logits_CHW, self.threshold)
            kept = probabilities_of(logits_CHW, self.threshold).numpy()
        else:
            placement = Placement((0, logits.shape[0]), (0, logits.shape[1]), None, (height, width))
            threshold = 0.5 if self.threshold is None else self.threshold
            classes_HW = predict_images(logits, [placement], threshold)[0].prediction_HW
        found_HW = classes_HW.numpy().astype(class_map_dtype(len(self.names)))
        return Prediction(found_HW, kept, self.names, self.palette, image)

    def _image_logits(self, image_HWC: np.ndarray) -> ImageLogits:
        """Compute the logits of a resized image, as the checkpoint's test would."""
        shape = (image_HWC.shape[0], image_HWC.shape[1])
        corners = self.settings.align_corners
        if self.settings.slide is None:
            compute = blend_windows(self, image_HWC) if self.window.is_fixed else self.logits(image_HWC[None])[0]
            return ImageLogits.of_whole(compute[None], shape, corners)
        crop, stride = self.settings.slide["crop_size"], self.settings.slide["stride"]
        tops, lefts = (window_starts(*axis) for axis in zip(shape, crop, stride, strict=True))
        window = (min(crop[0], shape[0]), min(crop[1], shape[1]))

        def compute_window(top: int, left: int) -> Tensor:
            return window_logits(self, image_HWC[None, top : top + window[0], left : left + window[1]])

        return ImageLogits(shape, window, tops, lefts, compute_window, corners)


def _enlarged(logits: ImageLogits, shape: tuple[int, int]) -> Tensor:
    """Compute all logits at the size of the image, (C, H, W)."""
    height, width = shape
    found_CHW = torch.empty(logits.num_channels, height, width)
    (columns,) = logits.split(1, (0, logits.shape[1]), False, width, width)
    for rows in logits.split(0, (0, logits.shape[0]), False, height, PROBABILITY_ROWS):
        logits.prepare(rows.first, rows.last)
        found_CHW[:, rows.start : rows.stop] = logits.values(0, rows, columns).movedim(1, 0)
    return found_CHW


def _build_step(step: Mapping[str, Any]) -> Any:
    """Build a step that resizes images; :func:`read_settings` has let no other through."""
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in step.items()}
    scope = "mmseg_ext" if step["type"] == "Resize" else "mmseg"
    return TRANSFORMS.build({**arguments, "type": f"{scope}.{step['type']}"})
