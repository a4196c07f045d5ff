"""Checks what a checkpoint file holds before torch reads it.

A pickle is a program: it names functions of Python and calls them. torch's ``weights_only=True`` allows a fixed list of
functions, but passes them any arguments that the file gives, and some arguments crash the process. Here the program
runs first with the stand-ins of `pickle_stand_ins`. Tensor data are not read.
"""

import io
import pickle
import pickletools
from typing import Any, BinaryIO

import torch

from mmseg_ext.stack.pickle_stand_ins import (
    STAND_INS,
    ForbiddenGlobalError,
    Storage,
    StorageType,
    check_content,
    expect,
)

# What torch's reader of weights knows.
OPCODES = (
    "PROTO STOP MARK GLOBAL NEWOBJ REDUCE BUILD BINPERSID NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT "
    "BINUNICODE SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM "
    "SETITEMS EMPTY_SET BINGET LONG_BINGET BINPUT LONG_BINPUT"
)
STORAGES = {
    "UntypedStorage": 1,
    "BoolStorage": 1,
    "ByteStorage": 1,
    "CharStorage": 1,
    "ShortStorage": 2,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "IntStorage": 4,
    "FloatStorage": 4,
    "LongStorage": 8,
    "DoubleStorage": 8,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}
"""Bytes of an element of each storage class."""
LEGACY_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


def check_checkpoint(file: BinaryIO) -> None:
    """Raise an error unless torch can read a checkpoint without running code and without crashing.

    Args:
        file: What torch.save wrote, in its zip format or in the legacy one. The position is restored.

    Raises:
        ForbiddenGlobalError: The file names something of Python that weights do not need.
        Exception: The file is damaged or is something else. The type depends on the damage.
    """
    start = file.tell()
    try:
        is_zip = file.read(4) == b"PK\x03\x04"
        size = file.seek(0, io.SEEK_END) - start
        file.seek(start)
        (_check_zip if is_zip else _check_legacy)(file, size)
    finally:
        file.seek(start)


def _check_zip(file: BinaryIO, size: int) -> None:
    # torch's own reader: another one may find other records in the same bytes.
    reader = torch._C.PyTorchFileReader(file)
    sizes = {name: _record_size(reader, name) for name in reader.get_all_records()}
    if "constants.pkl" in sizes:
        raise pickle.UnpicklingError("a TorchScript archive")
    if sum(sizes.values()) > size:
        raise pickle.UnpicklingError(f"{sum(sizes.values())} bytes of content in a file of {size}")
    for key, num_bytes in dry_run(io.BytesIO(reader.get_record("data.pkl")))[1].items():
        if num_bytes != sizes[f"data/{key}"]:
            raise pickle.UnpicklingError(f"{sizes[f'data/{key}']} bytes for a storage of {num_bytes}")


def _record_size(reader: Any, name: str) -> int:
    # torch 2.11 cannot tell a record's size without reading it.
    return reader.get_record_size(name) if hasattr(reader, "get_record_size") else len(reader.get_record(name))


def _check_legacy(file: BinaryIO, size: int) -> None:
    if dry_run(file)[0] != LEGACY_MAGIC_NUMBER:
        raise pickle.UnpicklingError("not written by torch.save")
    dry_run(file)  # version of the format
    dry_run(file)  # byte order and sizes of integers
    storages = dry_run(file)[1]
    keys = dry_run(file)[0]
    if sorted(keys) != sorted(storages):
        raise pickle.UnpicklingError("storages without data")
    # Each storage follows its number of elements, in 8 bytes.
    if file.tell() + 8 * len(keys) + sum(storages.values()) > size:
        raise pickle.UnpicklingError("the end of the file is missing")


def dry_run(file: BinaryIO) -> tuple[Any, dict[str, int]]:
    """Run the pickle at the position of a file with stand-ins, and leave the position behind it.

    Returns:
        The content with stand-ins in place of tensors and arrays, and the bytes of each storage by its key.

    Raises:
        ForbiddenGlobalError: The pickle names something that weights do not need.
        Exception: The pickle is damaged or is something else.
    """
    start = file.tell()
    num_puts = 0
    supported = frozenset(OPCODES.split())
    bounded: Any = _WithinFile(file)
    for opcode, argument, _ in pickletools.genops(bounded):
        if opcode.name not in supported:
            raise pickle.UnpicklingError(f"unsupported opcode {opcode.name}")
        if opcode.name == "PROTO" and argument not in (2, 3):
            raise pickle.UnpicklingError(f"unsupported pickle protocol {argument}")
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            num_puts += 1
            # Python allocates its memo up to the highest index.
            if not isinstance(argument, int) or argument > 2 * num_puts:
                raise pickle.UnpicklingError(f"unexpected memo index {argument}")
    end = file.tell()
    file.seek(start)
    run = _DryRun(io.BytesIO(file.read(end - start)), encoding="utf-8")
    run.storages = {}
    content = run.load()
    check_content(content)
    return content, run.storages


class _WithinFile:
    """Reads no more bytes than there are: Python allocates as many as a forged length demands."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.readline = file, file.readline
        position = file.tell()
        self.size = file.seek(0, io.SEEK_END)
        file.seek(position)

    def read(self, size: int) -> bytes:
        return self.file.read(min(size, self.size - self.file.tell()))


class _DryRun(pickle.Unpickler):
    """Replaces the globals and the storages that a pickle names by stand-ins."""

    storages: dict[str, int]

    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{'builtins' if module == '__builtin__' else module}.{name}"  # Python 2's name, in protocol 2
        if full_name in STAND_INS:
            return STAND_INS[full_name]
        if module in ("torch", "torch.cuda", "torch.storage") and name in STORAGES:
            return StorageType(STORAGES[name])
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise ForbiddenGlobalError(full_name)

    def persistent_load(self, pid: Any) -> Storage:
        kind, storage_type, key, location, num_elements, *view = pid
        storage = Storage(storage_type, num_elements)
        expect(kind == "storage" and type(key) is str and type(location) is str, "storage")
        expect(self.storages.setdefault(key, storage.num_bytes) == storage.num_bytes, "storage")
        if not view or view[0] is None:
            return storage
        _, offset, num_elements_of_view = view[0]
        part = Storage(storage_type, offset + num_elements_of_view)
        expect(offset >= 0 and part.num_bytes <= storage.num_bytes, "view")
        return Storage(storage_type, num_elements_of_view)
