"""Reads the weights of a network from a file, a folder or an address, without running code from it."""

import argparse
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmseg_ext.errors import MissingFileError, UserError
from mmseg_ext.files import read_json
from mmseg_ext.stack import explained_download

# Keys under which training programs store the weights; of several networks in one file the teacher is used.
WRAPPERS = ("teacher", "state_dict", "model", "model_state_dict", "module")
FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def read_weights(source: str) -> dict[str, Tensor]:
    """Read a state dict from a file, also if it is nested in the checkpoint of a training program.

    Args:
        source: A file (`.safetensors`, or written by torch.save), a folder in the format of the Hugging Face hub, or an
            http address, which is downloaded once, into torch's cache.

    Returns:
        Tensors by key, on the CPU.

    Raises:
        UserError: The file does not exist, is damaged or contains code, or the download failed.
    """
    if source.startswith(("http://", "https://")):
        with explained_download(source), _explained_damage(source), torch.serialization.safe_globals(_harmless()):
            content = torch.hub.load_state_dict_from_url(source, map_location="cpu", weights_only=True)
        return _unwrap(content, source)
    path = Path(source).expanduser()
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise MissingFileError(
            f"Expected the weights of the backbone at {path}, found no file. Give `checkpoint` the path of a file, "
            "of a folder of the Hugging Face hub, an http address, or 'timm' for timm's own download."
        )
    return _unwrap(_read_file(path), str(path))


def _harmless() -> list[Any]:
    """Return the classes that DINO's training checkpoints contain besides weights; loading them runs no code."""
    return [argparse.Namespace]


@contextmanager
def _explained_damage(source: str) -> Iterator[None]:
    """Convert errors of torch and safetensors about unsafe or damaged files to a UserError."""
    try:
        yield
    except (UnpicklingError, EOFError, RuntimeError, SafetensorError) as error:
        text = " ".join(str(error).split())
        found = re.search(r"GLOBAL (\S+) (?:was not|whose)|got <class '([^']+)'>", text)
        if isinstance(error, UnpicklingError) and found:
            raise UserError(
                f"Refused to load {source}: besides weights it holds `{found[1] or found[2]}`, by which a file can run "
                "its own code. Where you trust it, load it yourself and save its state dict alone with torch.save."
            ) from None
        if isinstance(error, RuntimeError) and not re.search("PytorchStreamReader|TorchScript", text):
            raise
        raise UserError(
            f"Expected weights in {source}, got something else or a damaged file ({text[:160]}). Fetch it again."
        ) from None


def _read_file(path: Path) -> Any:
    with _explained_damage(str(path)):
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_harmless()):
            return torch.load(path, map_location="cpu", weights_only=True)


def _read_folder(folder: Path) -> dict[str, Tensor]:
    """Read the weights of a folder in the format of the Hugging Face hub, in one file or several."""
    found = next((folder / name for name in FOLDER_FILES if (folder / name).is_file()), None)
    if found is None:
        raise MissingFileError(
            f"Expected one of {', '.join(FOLDER_FILES)} in {folder}, found none. Name the file itself."
        )
    if found.suffix != ".json":
        return _unwrap(_read_file(found), str(found))
    weights: dict[str, Tensor] = {}
    for name in _files_of_index(found):
        if not (folder / name).is_file():
            raise MissingFileError(f"Expected {folder / name}, which {found.name} names, found none. Fetch it again.")
        weights |= _unwrap(_read_file(folder / name), str(folder / name))
    return weights


def _files_of_index(index: Path) -> list[str]:
    """List the files that an index of the Hugging Face hub names.

    Raises:
        UserError: It is no such index, or names a file outside of its folder.
    """
    try:
        names = sorted(set(read_json(index)["weight_map"].values()))
        if not names or any(not isinstance(name, str) or Path(name).name != name for name in names):
            raise ValueError("it names no files of its folder")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"Expected an index of weights (weight_map: file by tensor) in {index}, got something else ({error!r}). "
            "Fetch it again."
        ) from None
    return names


def _unwrap(content: Any, source: str) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        content = inner
    weights = {}
    if isinstance(content, Mapping):
        weights = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not weights:
        raise UserError(
            f"Expected a state dict (tensors by name) in {source}, got {type(content).__name__} without any."
        )
    return weights
