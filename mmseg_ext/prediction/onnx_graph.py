"""The graph of a network, by torch's exporter, and the ONNX file that holds it."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from mmseg_ext import __version__
from mmseg_ext.errors import UserError
from mmseg_ext.prediction.exportable_layers import exportable_layers
from mmseg_ext.prediction.exportable_network import ExportableNetwork
from mmseg_ext.prediction.onnx_predictor import one_line

INPUT, OUTPUT = "image", "probabilities"
AXES = ("batch", "height", "width")
MAX_BYTES = 2**31 - 1
"""A single ONNX file cannot be larger."""


def export_graph(network: ExportableNetwork, size: tuple[int, int], dynamic: bool) -> Any:
    """Export a network by torch's exporter.

    Args:
        network: In evaluation mode.
        size: Height and width of the images.
        dynamic: Whether the graph is to take images of any size.

    Returns:
        onnx's ModelProto, whose nodes name the modules that they come from.

    Raises:
        UserError: The network cannot be exported.
    """
    height, width = (_prime_from(size[0]), _prime_from(size[1] + 1)) if dynamic else size
    for num_images in (2, 1) if network.has_plain_head else (1,):
        free = [0] * (num_images > 1) + [2, 3] * dynamic
        image = torch.zeros(num_images, 3, height, width) + torch.linspace(0, 1, width)
        try:
            with _quiet(), exportable_layers(network), torch.no_grad():
                program: Any = torch.onnx.export(
                    network,
                    (image,),
                    dynamo=True,
                    dynamic_shapes=({axis: torch.export.Dim.DYNAMIC for axis in free},),
                    input_names=[INPUT],
                    output_names=[OUTPUT],
                    verbose=False,
                )
        except Exception as error:
            if num_images == 1:
                raise UserError(_cannot_export(network.segmentor, error, dynamic)) from error
        else:
            break  # some networks, such as K-Net, are written for the example's number of images
    model = program.model_proto
    _name_axes(model.graph, free)
    return model


def _prime_from(number: int) -> int:
    """Return the first prime from a number on: no multiple of a stride or a patch, so that padding is in the graph.

    Example:
        >>> _prime_from(128)
        131
    """
    while number < 2 or any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the exporter says to its developers."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _cannot_export(segmentor: Any, error: BaseException, dynamic: bool) -> str:
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    names = " over ".join(type(part).__name__ for part in (segmentor.decode_head, segmentor.backbone))
    fix = "Export it for one size, without --dynamic" if dynamic else "Predict with the checkpoint: tools/predict.py"
    return f"Expected a network that torch can export to ONNX, got {names}: {one_line(cause)}. {fix}."


def _name_axes(graph: Any, free: Sequence[int]) -> None:
    """Name the axes of any length; values between input and output lose their shapes, which name the old ones."""
    del graph.value_info[:]
    symbols = {}
    for axis in free:
        symbols[graph.input[0].type.tensor_type.shape.dim[axis].dim_param] = AXES[max(axis - 1, 0)]
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = symbols.get(dim.dim_param, dim.dim_param)


def to_file(model: Any, entries: Mapping[str, str]) -> bytes:
    """Return the content of an ONNX file.

    Args:
        model: From :func:`export_graph`; what it says of its origin, paths of this machine too, is left out.
        entries: Metadata.

    Raises:
        UserError: It is too large for one file.
    """
    finished = type(model)()
    finished.CopyFrom(model)
    finished.producer_name, finished.producer_version = "mmseg_ext", __version__
    graphs = [finished.graph, *finished.functions]
    for graph in graphs:
        for part in (graph, *graph.node, *getattr(graph, "initializer", ()), *graph.input, *graph.output):
            if hasattr(part, "metadata_props"):
                del part.metadata_props[:]
            if hasattr(part, "doc_string"):
                part.ClearField("doc_string")
    del finished.metadata_props[:]
    for key, value in entries.items():
        finished.metadata_props.add(key=key, value=value)
    num_bytes = finished.ByteSize()
    if num_bytes > MAX_BYTES:
        raise UserError(f"Expected a network below 2 GB, the limit of an ONNX file, got {num_bytes / 2**30:.1f} GB.")
    return finished.SerializeToString()
