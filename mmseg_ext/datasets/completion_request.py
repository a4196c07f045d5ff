"""What the completed labels of a dataset depend on, and whether a folder of them is up to date.

The labels are completed before a run, by the engine; a dataset finds them by what it is asked for.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmseg_ext.data_check.facts_cache import default_cache_dir, stamp_of
from mmseg_ext.errors import UserError
from mmseg_ext.files import find_json
from mmseg_ext.image_names import name_bytes
from mmseg_ext.points.completed_labels import RECORD
from mmseg_ext.points.label_budget import LabelBudget

FORMAT = 2
"""Raised whenever labels are completed or stored differently: older ones are then completed again."""
NOT_ASKED = ("grow", "resample", "complete")
COMMAND = "python tools/complete_labels.py CONFIG"


@dataclass(frozen=True)
class CompletionRequest:
    """What completed labels are asked for.

    Attributes:
        settings: What they depend on besides the files, ready for JSON.
        files: The images, masks and lists that they are made from.
        folder: Where they are kept, if no other folder is named.
    """

    settings: dict[str, Any]
    files: list[str]
    folder: Path

    def stamps(self) -> dict[str, list[int]]:
        """Describe the state of all files.

        Raises:
            UserError: One cannot be read.
        """
        try:
            return {path: stamp_of(path, os.stat(path)) for path in self.files}
        except OSError as error:
            raise UserError(f"Cannot read {error.filename}: {error.strerror}. Put the file there.") from error

    def is_met_by(self, folder: str | Path, model: str | None = None) -> bool:
        """Whether a folder holds these labels, made from the files as they are.

        Args:
            folder: Of completed labels.
            model: Digest of the model that is to have made them; None takes any.
        """
        record = find_json(Path(folder) / RECORD)
        if not isinstance(record, Mapping) or record.get("settings") != self.settings:
            return False
        return record.get("model") == (model or record.get("model")) and record.get("files") == self.stamps()

    def found_folder(self) -> str:
        """Return the folder where the labels are kept.

        Raises:
            UserError: They are not there, or are those of other files; names the command that completes them.
        """
        if not self.is_met_by(self.folder):
            state = "those of files that have changed since" if (self.folder / RECORD).is_file() else "none"
            raise UserError(
                f"Expected the completed labels of {self.settings['dataset']}, found {state}. Complete them with: "
                f"{COMMAND}; tools/train.py does so by itself."
            )
        return str(self.folder)


def request_completion(dataset: Any, budget: LabelBudget, loading: list[Any]) -> CompletionRequest:
    """Describe what a dataset with a label budget asks for.

    Args:
        dataset: Of images listed in its entries.
        budget: With `complete`.
        loading: The steps of its pipeline that load images and labels.
    """
    dataset.full_init()
    entries = [dataset.get_listed_info(index) for index in range(len(dataset))]
    points = {key: value for key, value in vars(budget).items() if key not in NOT_ASKED}
    complete = {} if budget.complete is None else asdict(budget.complete)
    lists = [os.path.abspath(path) for path in (budget.file, budget.areas) if path is not None]
    settings = {
        "format": FORMAT,
        "dataset": type(dataset).__name__,
        "points": points,
        "model": complete.get("model"),
        "scale": complete.get("scale"),
        "classes": dataset.metainfo.get("classes"),
        "label_map": [[str(key), value] for key, value in (dataset.label_map or {}).items()],
        "reduce_zero_label": dataset.reduce_zero_label,
        "loading": loading,
        "root": os.path.abspath(dataset.data_root or ""),
        "images": [entry["img_name"] for entry in entries],
    }
    settings = json.loads(json.dumps(settings, sort_keys=True, default=repr))
    files = [os.path.abspath(e[key]) for e in entries for key in ("img_path", "seg_map_path") if e.get(key)]
    digest = hashlib.blake2b(name_bytes(json.dumps(settings, sort_keys=True)), digest_size=8).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(settings["root"]).name) or "root"
    return CompletionRequest(settings, [*lists, *files], default_cache_dir() / "completed" / f"{name}-{digest}")
