"""Checkpoint files around pickles that tests write themselves."""

import io
import zipfile
from pathlib import Path

import torch


def pack(pickle_bytes: bytes, template: bytes | None = None) -> bytes:
    """Put a pickle into a file of torch.save, in place of the template's."""
    if template is None:
        template = save({"weight": torch.ones(2)})
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(template)) as old, zipfile.ZipFile(packed, "w") as new:
        for record in old.namelist():
            new.writestr(record, pickle_bytes if Path(record).name == "data.pkl" else old.read(record))
    return packed.getvalue()


def unpack(file: bytes) -> bytes:
    """Return the pickle of a file of torch.save."""
    with zipfile.ZipFile(io.BytesIO(file)) as opened:
        return opened.read(next(name for name in opened.namelist() if name.endswith("data.pkl")))


def save(content: object, legacy: bool = False) -> bytes:
    """Return the file that torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()
