"""Which layer of an exported graph is the first whose values are not those of the network.

Each node of the graph names the module of the network that it comes from.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmseg_ext.prediction.onnx_predictor import open_session

SCOPES = "pkg.torch.onnx.name_scopes"
MAX_DIFFERENCE = 1e-3
LAYERS_AT_ONCE = 64


class LayerDifference(NamedTuple):
    """A layer that differs.

    Attributes:
        name: Of the module in the segmentor, such as ``decode_head.conv_seg``.
        kind: Its class.
        what: How much its values differ, or its shapes.
    """

    name: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}): {self.what}"


def values_of_modules(graph: Any) -> dict[str, str]:
    """Return the last value of each innermost module of a graph, by the module's name, in the graph's order."""
    found: dict[str, str] = {}
    for node in graph.node:
        scopes = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), None)
        if scopes is not None and len(names := ast.literal_eval(scopes)) >= 2:
            found.pop(names[-2], None)
            found[names[-2]] = node.output[0]
    return found


def first_difference(
    network: nn.Module, model: Any, image: Tensor, max_difference: float = MAX_DIFFERENCE
) -> LayerDifference | None:
    """Compare the layers of a network with those of its exported graph.

    Modules without modules of their own are compared, where they are called once and not merged with others.

    Args:
        network: In evaluation mode; what was exported.
        model: onnx's ModelProto, with the names of the modules; gets outputs.
        image: (N, 3, H, W), the input of both.
        max_difference: Largest difference, as a part of the layer's largest value, that rounding may make.

    Returns:
        The first layer that differs; None where none does.
    """
    import onnx

    modules = {name: module for name, module in network.named_modules() if not list(module.children())}
    values = {name: value for name, value in values_of_modules(model.graph).items() if name in modules}
    present = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {*values.values()} - present)
    session = open_session(model.SerializeToString(), "cpu")
    inputs = {session.get_inputs()[0].name: image.numpy()}
    for names in _chunks(list(values), LAYERS_AT_ONCE):
        try:
            found = session.run([values[name] for name in names], inputs)
        except Exception as error:  # onnxruntime's own classes are derived from it directly
            return LayerDifference("the graph", "ONNX", " ".join(str(error).split()))
        difference = _compare(
            network, {n: modules[n] for n in names}, dict(zip(names, found, strict=True)), image, max_difference
        )
        if difference is not None:
            return difference
    return None


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _compare(
    network: nn.Module, modules: dict[str, nn.Module], values: dict[str, np.ndarray], image: Tensor, limit: float
) -> LayerDifference | None:
    """Run the network and compare the outputs of some modules, in their order in the graph."""
    differences: dict[str, str | None] = {}
    calls: dict[str, int] = {}

    def watch(name: str) -> Any:
        def compare(_module: nn.Module, _inputs: object, output: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            if isinstance(output, Tensor):
                differences[name] = _difference(output.numpy(), values[name], limit)

        return compare

    hooks = [module.register_forward_hook(watch(name)) for name, module in modules.items()]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    for name in modules:
        what = differences.get(name)
        if what is not None and calls[name] == 1:
            return LayerDifference(name.removeprefix("segmentor."), type(modules[name]).__name__, what)
    return None


def _difference(expected: np.ndarray, found: np.ndarray, limit: float) -> str | None:
    if expected.shape != found.shape:
        return f"expected the shape {expected.shape}, got {found.shape}"
    scale = float(np.abs(expected).max(initial=0)) or 1.0
    difference = float(np.abs(expected - found).max(initial=0)) / scale
    return f"values differ by {100 * difference:.2g} % of the largest" if not difference <= limit else None
