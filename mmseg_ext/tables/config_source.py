"""Read a dumped config as data: its text is parsed, never executed."""

import ast
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

MAX_CONFIG_LENGTH = 2**22
"""Characters of a config; a longer text is not parsed."""

_MAX_RANGE = 4096
_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*) *= *(?=\S|$)", re.MULTILINE)
_TIMESTAMP = re.compile(r"[_-]?\d{8}_\d{6}$")

UNKNOWN = object()
"""A value that is more than data, such as a variable or a sum."""


def base_name(path: str) -> str:
    r"""Return a config's base name from a path of any system, without ``.py`` and without a trailing timestamp.

    Example:
        >>> base_name("C:\\runs\\fcn_loveda.py")
        'fcn_loveda'
        >>> base_name("fcn_loveda_20250513_162948")
        'fcn_loveda'
    """
    name = path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].strip()
    return _TIMESTAMP.sub("", name.removesuffix(".py"))


def split_assignments(source: str) -> list[tuple[str, str]]:
    r"""Split a config into its top-level assignments, as (name, source of the assignment).

    A last line without its newline is left out together with the assignment it belongs to: it may be cut.

    Example:
        >>> split_assignments("seed = 1\nwork_dir = 'runs'\nresume = Fal")
        [('seed', 'seed = 1\n'), ('work_dir', "work_dir = 'runs'\n")]
    """
    if len(source) > MAX_CONFIG_LENGTH:
        return []
    starts = list(_ASSIGNMENT.finditer(source))
    ends = [*(match.start() for match in starts[1:]), len(source)][: len(starts)]
    chunks = [(match[1], source[match.start() : end]) for match, end in zip(starts, ends, strict=True)]
    if chunks and not source.endswith("\n"):
        chunks.pop()
    return chunks


def parse_chunks(chunks: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Read assignments.

    Args:
        chunks: (name, source of the assignment) pairs.

    Returns:
        The values by name; those that cannot be read as data are left out.
    """
    values = ((name, _parse_assignment(chunk)) for name, chunk in chunks)
    return {name: value for name, value in values if value is not UNKNOWN}


@lru_cache(maxsize=4096)
def _parse_assignment(chunk: str) -> Any:
    """Parse one assignment; it is remembered, since the runs of a study share most of them."""
    for text in (chunk, chunk.replace("\\", "/")):  # Windows paths written with single backslashes
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
            statement = tree.body[0] if tree.body else None
            if isinstance(statement, ast.Assign):
                return _value(statement.value)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return UNKNOWN


def _value(node: ast.expr) -> Any:
    """Turn an expression into the plain value it writes; anything else becomes UNKNOWN."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        keys = [_value(key) if key is not None else UNKNOWN for key in node.keys]
        return {
            key: _value(item) for key, item in zip(keys, node.values, strict=True) if isinstance(key, (str, int, float))
        }
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _value(node.operand)
        if isinstance(value, (int, float)):
            return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        arguments = [_value(item) for item in node.args]
        if node.func.id == "dict" and not node.args:
            return {item.arg: _value(item.value) for item in node.keywords if item.arg}
        if node.func.id == "range" and all(isinstance(item, int) for item in arguments) and 1 <= len(arguments) <= 2:
            span = range(*arguments)
            return list(span) if span.stop - span.start <= _MAX_RANGE else UNKNOWN
    return UNKNOWN
