"""Stand-ins for what the pickle of a checkpoint names: they compute nothing and check their arguments.

They accept what torch.save writes for numbers, text, containers, tensors, NumPy arrays of numbers, `argparse.Namespace`
and mmengine's log buffers, and raise `pickle.UnpicklingError` for any other arguments.
"""

import math
import re
from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from pickle import UnpicklingError
from typing import Any

import torch

MAX_DEPTH = 100  # containers inside one another
STATISTICS = ("min", "max", "mean", "current")  # methods of mmengine's HistoryBuffer


class ForbiddenGlobalError(UnpicklingError):
    """A pickle names something of Python that weights do not need; the argument is the name."""


def expect(condition: bool, what: str) -> None:
    """Raise UnpicklingError unless the arguments of a stand-in are as torch.save writes them."""
    if not condition:
        raise UnpicklingError(f"unexpected arguments of a {what}")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**62


class StorageType:
    """Stands in for a storage class; `item_size` in bytes."""

    def __init__(self, item_size: int) -> None:
        self.item_size = item_size


class Storage:
    """Stands in for a storage; `num_bytes` is its size."""

    def __init__(self, storage_type: Any, num_elements: Any) -> None:
        expect(isinstance(storage_type, StorageType) and _is_count(num_elements), "storage")
        self.item_size = storage_type.item_size
        self.num_bytes = num_elements * self.item_size


class _Constant:
    """Stands in for a class that is an argument of another stand-in, and is never called."""


class _Holder:
    """Stands in for an object with content of its own."""

    content: tuple = ()


class _OrderedDict(OrderedDict):
    """Takes the attribute that nn.Module.state_dict adds, and no other."""

    content: tuple = ()

    def __setstate__(self, state: dict) -> None:
        expect(set(state) <= {"_metadata"}, "OrderedDict")
        self.content += (*state.values(),)


class _Namespace(_Holder):
    """Stands in for `argparse.Namespace`, which DINO's training checkpoints hold."""

    def __setstate__(self, state: dict) -> None:
        expect(not any(hasattr(Namespace, name) for name in state), "Namespace")
        self.content += (*state.values(),)


class _HistoryBuffer(_Holder):
    """Stands in for mmengine's buffer of logged values."""

    def __setstate__(self, state: dict) -> None:
        expect(set(state) <= {"max_length", "_log_history", "_count_history", "statistics_methods"}, "HistoryBuffer")
        methods = state.get("statistics_methods", {})
        expect(all(method is _METHODS.get(name) for name, method in methods.items()), "HistoryBuffer")
        self.content += tuple(value for name, value in state.items() if name != "statistics_methods")


_METHODS = {name: _Constant() for name in STATISTICS}


def _get_attribute(owner: Any, name: Any) -> _Constant:
    """Stand in for ``getattr``, by which a checkpoint names the methods of its log buffers; for that alone."""
    if owner is not _HistoryBuffer or name not in _METHODS:
        raise ForbiddenGlobalError("builtins.getattr")
    return _METHODS[name]


class _DataType:
    """Stands in for a `numpy.dtype` of numbers."""

    def __init__(self, code: str) -> None:
        expect(re.fullmatch(r"[<>=|]?(b1|[iu][1248]|f[248]|f16|c8|c16)", code) is not None, "numpy.dtype")
        self.item_size = int(re.sub(r"\D", "", code))

    def __setstate__(self, state: tuple) -> None:
        version, byte_order, *others = state
        expect(version == 3 and byte_order in ("<", ">", "|", "="), "numpy.dtype")
        expect(others == [None, None, None, -1, -1, 0], "numpy.dtype")


class _Array:
    """Stands in for a `numpy.ndarray` of numbers."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, data_type, is_fortran, data = state
        expect(version == 1 and type(is_fortran) is bool and type(data) is bytes, "numpy.ndarray")
        expect(type(shape) is tuple and len(shape) <= 32 and all(map(_is_count, shape)), "numpy.ndarray")
        expect(isinstance(data_type, _DataType), "numpy.ndarray")
        expect(math.prod(shape) * data_type.item_size == len(data), "numpy.ndarray")


def _new_data_type(code: Any, align: Any = False, copy: Any = True) -> _DataType:
    expect(align in (False, True) and copy in (False, True), "numpy.dtype")
    return _DataType(code)


def _new_array(kind: Any, shape: Any, type_code: Any) -> _Array:
    expect(kind is _ARRAY_CLASS and shape == (0,) and type_code in (b"b", "b"), "numpy.ndarray")
    return _Array()


def _new_scalar(data_type: Any, data: Any) -> float:
    expect(isinstance(data_type, _DataType) and type(data) is bytes, "NumPy number")
    expect(len(data) == data_type.item_size, "NumPy number")
    return 0.0


class _Tensor(_Holder):
    """Stands in for a tensor or a parameter."""

    def __init__(self, hooks: Any) -> None:
        self.hooks = hooks


def _new_tensor(
    storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, metadata: Any = None, item_size: int = 0
) -> _Tensor:
    """Check that the elements lie within the storage."""
    expect(isinstance(storage, Storage) and type(size) is tuple and type(stride) is tuple, "tensor")
    expect(len(size) == len(stride) and all(map(_is_count, (offset, *size, *stride))), "tensor")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    expect(0 in size or (last + 1) * (item_size or storage.item_size) <= storage.num_bytes, "tensor")
    expect(type(grad) is bool and type(hooks) is _OrderedDict and not metadata, "tensor")
    return _Tensor(hooks)


def _new_tensor_of_type(
    storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> _Tensor:
    expect(isinstance(dtype, torch.dtype), "tensor")
    return _new_tensor(storage, offset, size, stride, grad, hooks, metadata, dtype.itemsize)


def _new_parameter(data: Any, grad: Any, hooks: Any, state: Any = None) -> _Tensor:
    expect(isinstance(data, _Tensor) and type(grad) is bool and type(hooks) is _OrderedDict and not hooks, "parameter")
    return _with_attributes(data, state)


def _new_tensor_with_attributes(function: Any, kind: Any, arguments: Any, state: Any) -> _Tensor:
    expect(function in (_new_tensor, _new_tensor_of_type, _new_parameter) and kind in _TENSOR_CLASSES, "tensor")
    return _with_attributes(function(*arguments), state)


def _with_attributes(tensor: _Tensor, state: Any) -> _Tensor:
    """Give a tensor attributes of its own; none may replace one that every tensor has."""
    attributes = state[0] if type(state) is tuple and len(state) == 2 and not state[1] else state
    expect(not attributes or type(attributes) is dict, "tensor")
    expect(not any(hasattr(torch.nn.Parameter, name) for name in attributes or ()), "tensor")
    tensor.content += (*(attributes or {}).values(),)
    return tensor


def _encode(text: Any, encoding: Any) -> bytes:
    expect(type(text) is str and encoding in ("latin1", "latin-1"), "text")
    return text.encode("latin-1")


def _new_bytearray(*arguments: Any) -> bytes:
    expect(not arguments or type(arguments[0]) in (bytes, str), "bytearray")
    return b"" if not arguments else arguments[0] if type(arguments[0]) is bytes else _encode(*arguments)


def _only_called(container: Callable) -> Callable:
    """Make a function of a harmless class: a pickle can call it, but not use it as a class."""
    return lambda *arguments: container(*arguments)


_ARRAY_CLASS = _Constant()
_TENSOR_CLASSES = (_Constant(), _Constant())
STAND_INS: dict[str, Any] = {
    "collections.OrderedDict": _only_called(_OrderedDict),
    "collections.Counter": _only_called(Counter),
    "builtins.set": _only_called(set),
    "builtins.complex": _only_called(complex),
    "builtins.bytearray": _new_bytearray,
    "builtins.bytes": lambda: b"",
    "builtins.getattr": _get_attribute,
    "_codecs.encode": _encode,
    "argparse.Namespace": _Namespace,
    "mmengine.logging.history_buffer.HistoryBuffer": _HistoryBuffer,
    "numpy.ndarray": _ARRAY_CLASS,
    "numpy.dtype": _new_data_type,
    # NumPy 2 renamed the module; either NumPy reads checkpoints of both.
    "numpy.core.multiarray._reconstruct": _new_array,
    "numpy._core.multiarray._reconstruct": _new_array,
    "numpy.core.multiarray.scalar": _new_scalar,
    "numpy._core.multiarray.scalar": _new_scalar,
    "torch.Size": _only_called(torch.Size),
    "torch.device": _only_called(torch.device),
    "torch.Tensor": _TENSOR_CLASSES[0],
    "torch.nn.parameter.Parameter": _TENSOR_CLASSES[1],
    "torch._utils._rebuild_tensor_v2": _new_tensor,
    "torch._utils._rebuild_tensor_v3": _new_tensor_of_type,
    "torch._utils._rebuild_parameter": _new_parameter,
    "torch._utils._rebuild_parameter_with_state": _new_parameter,
    "torch._tensor._rebuild_from_type_v2": _new_tensor_with_attributes,
}
_LEAVES = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, Storage, _DataType, _Array)
_CONTAINERS = (list, tuple, set, torch.Size)


def check_content(content: Any) -> None:
    """Check that the content of a dry run is data: no functions, no containers in themselves, not too deep.

    Raises:
        UnpicklingError: It is not.
    """
    depths: dict[int, int] = {}

    def depth_of(value: Any) -> int:
        if type(value) in _LEAVES:
            return 0
        if id(value) not in depths:
            depths[id(value)] = MAX_DEPTH  # until it is known: a container in itself is too deep
            depths[id(value)] = 1 + max(map(depth_of, _parts(value)), default=0)
        expect(depths[id(value)] <= MAX_DEPTH, "container")
        return depths[id(value)]

    depth_of(content)


def _parts(value: Any) -> Iterable:
    if isinstance(value, dict):
        return (*value.keys(), *value.values(), *getattr(value, "content", ()))
    if isinstance(value, _Tensor):
        expect(not value.hooks, "tensor")
    if isinstance(value, _Holder):
        return value.content
    expect(type(value) in _CONTAINERS, "container")
    return value
