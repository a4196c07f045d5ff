"""Configs that cannot be loaded, said in one line."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

import mmengine

from mmseg_ext.errors import UserError


@contextlib.contextmanager
def explain_config_faults(name: str) -> Iterator[None]:
    """Raise what mmengine refuses in a config, or in options for it, as an error with the file's name.

    These are a base that is missing, a dict over a list, a key that two bases set, an unknown variable of the base.
    An error of the Python code in a config keeps its traceback, which shows the line.

    Args:
        name: What is loaded in the context: the config's path, and the options where these are applied.

    Raises:
        UserError: mmengine raised an error of its own.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        if not raised_in.is_relative_to(Path(mmengine.__file__).parent):
            raise
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise UserError(f"Expected a config that can be loaded, got {name}: {said}") from error
