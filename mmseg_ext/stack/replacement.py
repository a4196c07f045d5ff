"""Functions of the stack that are replaced by ours in the running process."""

import sys
from typing import Any

from mmseg_ext.escaping import printable


def is_ours(function: Any) -> bool:
    """Whether the function is one of ours, put in place by an earlier call."""
    return str(getattr(function, "__module__", None)).startswith("mmseg_ext.")


def replace_everywhere(name: str, original: Any, replacement: Any) -> None:
    """Replace a function in every loaded module that holds it under its name."""
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get(name) is original:
            setattr(module, name, replacement)


def one_line(text: object, limit: int = 200) -> str:
    """Write a text in one line of at most `limit` characters."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"
