"""The JSON file of tools/dataset_stats.py."""

from pathlib import Path
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.files import read_json


def hint_to_write(path: str | Path) -> str:
    """Return the command that writes the file."""
    return f"Write it with: python tools/dataset_stats.py CONFIG --out {path}"


def read_record(path: str | Path) -> Any:
    """Read the file.

    Returns:
        What it holds, of any JSON type.

    Raises:
        UserError: The file is missing, or is no JSON.
    """
    try:
        return read_json(path)
    except FileNotFoundError:
        raise UserError(
            f"Expected the statistics of the training images in {path}, found no file. {hint_to_write(path)}"
        ) from None
    except OSError as error:
        raise UserError(f"Cannot read the statistics {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(
            f"Expected the statistics of a dataset in {path}, got something else ({error}). {hint_to_write(path)}"
        ) from error
