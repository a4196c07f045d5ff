"""A path to weights where no file is ends in one line that says what to do."""

from pathlib import Path
from typing import Any

from mmseg_ext.errors import MissingFileError


def explain_missing_weights() -> None:
    """End a load of weights by mmengine from a path where no file is, in one line that says what to do."""
    from mmengine.runner.checkpoint import CheckpointLoader, load_from_local

    def load(filename: str, map_location: Any = None) -> Any:
        path = Path(filename).expanduser()
        if not path.is_file():
            raise MissingFileError(
                f"Expected weights at {path}, found no file. Name another (`checkpoint=` of the backbone or of its "
                "`init_cfg`, `load_from=` for a whole model), or go without: --cfg-options model.backbone.init_cfg=None"
            )
        return load_from_local(filename, map_location)

    CheckpointLoader.register_scheme(prefixes="", loader=load, force=True)
