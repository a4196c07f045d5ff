"""Config text that lies in a checkpoint or in a work dir is read as data, never executed.

A config file that the user names is code by design, and stays so.
"""

import ast
import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmseg_ext.errors import UserError
from mmseg_ext.stack.replacement import is_ours, one_line
from mmseg_ext.stack.safe_checkpoints import is_trusted

if TYPE_CHECKING:
    from mmengine.config import Config


class _DictCalls(ast.NodeTransformer):
    """Writes ``dict(a=1)`` as ``{'a': 1}``."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        names = [keyword.arg for keyword in node.keywords]
        if not isinstance(node.func, ast.Name) or node.func.id != "dict" or node.args or None in names:
            return node
        return ast.Dict([ast.Constant(name) for name in names], [keyword.value for keyword in node.keywords])


def _parse_assignments(text: str) -> dict[str, Any]:
    values = {}
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f"line {statement.lineno} is not an assignment")
        values[statement.targets[0].id] = ast.literal_eval(_DictCalls().visit(statement.value))
    return values


def parse_config_text(text: str, file_format: str = ".py", source: str = "a checkpoint") -> "Config":
    """Read what ``Config.dump`` writes: assignments of plain values.

    Args:
        text: The config.
        file_format: '.py' or '.json'.
        source: Where the text comes from, for the message.

    Raises:
        UserError: The text holds more than plain values.

    Example:
        >>> parse_config_text("model = dict(type='FCN', depths=[2, 2])").model.depths
        [2, 2]
    """
    parse: Any = {".py": _parse_assignments, ".json": json.loads}.get(file_format)
    if parse is None:
        raise UserError(f"Expected config text in the format .py or .json, got {file_format}.")
    try:
        return import_module("mmengine.config").Config(parse(text))
    except (SyntaxError, ValueError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise UserError(
            f"Expected only plain values in the config of {source}, got something else ({one_line(error)}). "
            "It is not executed. Name a config file of yours instead."
        ) from None


def read_dumped_config(path: str | Path) -> "Config":
    """Read the config that a run left in its work dir.

    Raises:
        UserError: The file holds more than plain values.
    """
    return parse_config_text(Path(path).read_text(encoding="utf-8", errors="replace"), source=str(path))


def parse_checkpoint_configs() -> None:
    """Let ``Config.fromstring`` never execute its text; mmengine calls it on the config that a checkpoint holds.

    With trusted checkpoints it works as mmengine's.
    """
    config_class = import_module("mmengine.config").Config
    stock = config_class.fromstring

    def fromstring(cfg_str: str, file_format: str) -> "Config":
        return stock(cfg_str, file_format) if is_trusted() else parse_config_text(cfg_str, file_format)

    if not is_ours(stock):
        config_class.fromstring = staticmethod(fromstring)
