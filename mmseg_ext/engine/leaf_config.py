"""The leaf config of a new run, written as a person would: at most ten lines over the base configs."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmseg_ext.errors import UserError
from mmseg_ext.escaping import escape_templates, printable
from mmseg_ext.files import refuse_other_file, replace_file

COMMAND = "tools/new_run.py"
CONFIGS = Path(__file__).resolve().parents[2] / "configs"
_DIGEST = re.compile(r", sha256 ([0-9a-f]{16})\.")


class Model(NamedTuple):
    """A kind of model that a leaf can have.

    Attributes:
        bases: Below configs/_base_/.
        name: Of the config; the braces are the dataset.
        tool: The command that trains it.
        settings: Of ``model``, without those of the head.
        points_head: Of the head for points that were not drawn a number for each class.
    """

    bases: tuple[str, ...]
    name: str
    tool: str
    settings: str = ""
    points_head: Mapping[str, Any] = {}


MODELS = {
    "features": Model(
        ("models/features_effnetlite0", "datasets/folder_1024", "schedules/fit", "default_runtime"),
        "features_effnetlite0_1xb1-1_{}-1024x1024",
        "tools/fit.py",
        points_head={"class_weight": "balanced"},
    ),
    "fpn": Model(
        ("models/fpn_effnetlite0", "datasets/folder_256x256", "schedules/adamw_400", "default_runtime"),
        "pointfpn_effnetlite0_1xb2-400_{}-256x256",
        "tools/train.py",
        "data_preprocessor=dict(size=_base_.crop_size), ",
    ),
}


def leaf_name(model: str, dataset: str) -> str:
    """Name a leaf by the convention of mmseg.

    Example:
        >>> leaf_name("features", "My Fields")
        'features_effnetlite0_1xb1-1_myfields-1024x1024.py'
    """
    plain = re.sub(r"[^a-z0-9]", "", dataset.lower()) or "folder"
    return f"{MODELS[model].name.format(plain)}.py"


def format_leaf(
    path: Path,
    model: str,
    title: str,
    dataset: Mapping[str, Any],
    splits: Mapping[str, Mapping[str, Any]],
    head: Mapping[str, Any],
) -> str:
    """Write the text of a leaf.

    Args:
        path: Where it will lie: inside the project the bases are named relative to it.
        model: Key of :data:`MODELS`.
        title: First sentence of its docstring, without the full stop.
        dataset: Arguments of `FolderDataset` that all splits share.
        splits: Further arguments of 'train' and 'val'.
        head: Arguments of the model's head.
    """
    kind = MODELS[model]
    folder = CONFIGS / "_base_"
    if path.resolve().is_relative_to(CONFIGS.parent):
        folder = Path(os.path.relpath(folder, path.resolve().parent))
    bases = ", ".join(_literal(f"{folder.as_posix()}/{base}.py") for base in kind.bases)
    more = {split: "".join(f"{key}={_literal(value)}, " for key, value in splits[split].items()) for split in splits}
    title = printable(title).replace("\\", "/").replace('"', "'")
    lines = [
        f'"""{title}.',
        "",
        f"python {kind.tool} {_shown_path(path)}",
        f'Written by {COMMAND}."""',
        f"_base_ = [{bases}]",
        f"shared = {_literal(dataset)}",
        f"train_dataloader = dict(dataset=dict({more['train']}**shared))",
        f"val_dataloader = dict(dataset=dict({more['val']}**shared))",
        "test_dataloader = val_dataloader",
        f"model = dict({kind.settings}decode_head={_literal(head)})",
    ]
    text = escape_templates("\n".join(lines) + "\n")
    return text.replace(f"{COMMAND}.", f"{COMMAND}, sha256 {_digest(text)}.", 1)


def write_leaf(path: Path, text: str) -> None:
    """Write a leaf; one that the command wrote and nobody changed is replaced.

    Raises:
        UserError: There is another file.
    """
    if path.suffix != ".py":
        raise UserError(f"Expected --out to name a config, a .py file, got {path}.")

    def is_own() -> bool:
        try:
            found = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return False
        claimed = _DIGEST.search(found)
        return claimed is not None and claimed[1] == _digest(_DIGEST.sub(".", found, count=1))

    refuse_other_file(path, COMMAND, is_own)
    replace_file(path, text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _shown_path(path: Path) -> str:
    shown = printable(path).replace("\\", "/").replace('"', "'")
    return f"'{shown}'" if " " in shown else shown


def _literal(value: Any) -> str:
    """Write a value as Python source: dicts as ``dict(…)``, strings in double quotes.

    Example:
        >>> _literal({"classes": ["a"], "split": "val", "only_labelled": True})
        'dict(classes=["a"], split="val", only_labelled=True)'
    """
    if isinstance(value, Mapping):
        return f"dict({', '.join(f'{key}={_literal(item)}' for key, item in value.items())})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
