"""Keys of a config that nothing reads: misspelt, or in the wrong place."""

import ast
import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISUALIZERS,
)

from mmseg_ext.errors import UserError

RUNNER_KEYS: set[str] = {
    *inspect.signature(Runner.__init__).parameters,
    *("find_unused_parameters", "sync_buffer", "runner_type", "model_wrapper_cfg", "compile", "tta_model"),
    *("tta_pipeline", "optimizer", "deterministic", "auto_scale_lr"),
} - {"self", "cfg"}
"""Top-level keys that the Runner or a command reads; every other one is a variable of the config files."""

REGISTRIES = (
    *(MODELS, DATASETS, TRANSFORMS, METRICS, HOOKS, LOOPS),
    *(OPTIMIZERS, OPTIM_WRAPPERS, PARAM_SCHEDULERS, DATA_SAMPLERS, VISUALIZERS),
)


def unread_options(config: Config, options: Mapping[str, Any]) -> list[str]:
    """Find the keys of ``--cfg-options`` that nothing reads.

    A key is read where the config has it, where it is an argument of the component that it is given to, of the type
    that the options give it, or where the Runner reads it.

    Args:
        config: The config before the options are applied.
        options: Values by dotted key.

    Returns:
        One line a key: what nothing reads, and the nearest known name.
    """
    return [line for key in options if (line := _unread_option(config, options, key)) is not None]


def _unread_option(config: Config, options: Mapping[str, Any], key: str) -> str | None:
    node: Any = config._cfg_dict
    path: list[str] = []
    for part in key.split("."):
        if isinstance(node, (list, tuple)):
            if not part.isdigit() or int(part) >= len(node):
                return None  # mmengine has its own error
            node = node[int(part)]
        elif isinstance(node, Mapping):
            if part not in node:
                kind = options.get(".".join([*path, "type"]), node.get("type"))
                # As --amp makes it.
                kind = "AmpOptimWrapper" if kind == "OptimWrapper" else kind
                known = arguments_of({"type": kind}) if path else RUNNER_KEYS
                if known is None or part in known:
                    return None
                return _line(key, part, [*node, *known])
            if not path and part not in RUNNER_KEYS:
                return (
                    f"`{key}` is a variable of the config files: nothing reads it once they are loaded. Set the key "
                    f"that holds its value{_holders(config, node[part])}."
                )
            node = node[part]
        else:
            return None
        path.append(part)
    return None


def unread_variables(path: str | Path) -> list[str]:
    """Find the top-level names of a config file that have no effect.

    Those are names that neither the Runner nor the file itself reads, and that are one letter from a key of the Runner
    or are variables of a base file: that has been loaded with its own value.

    Args:
        path: The config file.

    Returns:
        One line a name.
    """
    assigned, read, bases = _names_of(Path(path))
    of_bases = {name for base in bases for name in _assigned_with_bases(base)}
    lines = []
    for name in assigned:
        if name.startswith("_") or name in RUNNER_KEYS or name in read:
            continue
        if name in of_bases:
            lines.append(
                f"`{name}` is a variable that {Path(path).name} sets and does not read: its base files have been "
                "loaded with their own value. Set the keys that hold the value."
            )
        elif not name.endswith("_pipeline") and difflib.get_close_matches(name, RUNNER_KEYS, n=1, cutoff=0.85):
            lines.append(_line(name, name, RUNNER_KEYS))
    return lines


def _names_of(path: Path) -> tuple[list[str], set[str], list[Path]]:
    """Return the top-level names that a config file assigns, the names that it reads, and its base files."""
    # mmengine's {{_base_.name}} reads a base file's name, and is no Python.
    tree = ast.parse(re.sub(r"\{\{\s*([\w.]+)\s*\}\}", r"(\1)", path.read_text(encoding="utf-8")))
    values = {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bases = ast.literal_eval(values["_base_"]) if "_base_" in values else []
    bases = [bases] if isinstance(bases, str) else bases
    return list(values), read, [path.parent / base for base in bases if "::" not in base]


def _assigned_with_bases(path: Path) -> set[str]:
    assigned, _, bases = _names_of(path)
    return set(assigned).union(*map(_assigned_with_bases, bases))


def _line(key: str, part: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(part, sorted(set(known)), n=1)
    hint = f" Did you mean `{key.removesuffix(part)}{nearest[0]}`?" if nearest else ""
    return f"nothing reads `{key}`.{hint}"


def _holders(config: Config, value: Any) -> str:
    """Name some keys of a config that hold the value."""
    if isinstance(value, (Mapping, list, tuple)):
        return ""
    found = [
        key for key, other in _leaves(config._cfg_dict) if "." in key and type(other) is type(value) and other == value
    ]
    return f", such as {', '.join(found[:3])}" if found else ""


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else None
    if items is None:
        yield prefix.removesuffix("."), node
        return
    for key, value in items:
        yield from _leaves(value, f"{prefix}{key}.")


def arguments_of(node: Mapping) -> set[str] | None:
    """List the arguments of the component that a config builds; None where any key may be read."""
    kind = node.get("type")
    if kind is None:
        return None
    component: Any = kind
    if isinstance(kind, str):
        component = next((found for registry in REGISTRIES if (found := _look_up(registry, kind)) is not None), None)
    if component is None:
        return None
    names: set[str] = set()
    for owner in inspect.getmro(component) if inspect.isclass(component) else [component]:
        function = owner.__dict__.get("__init__") if inspect.isclass(owner) else owner
        if function is None:
            continue
        parameters = inspect.signature(function).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self"}


def _look_up(registry: Any, kind: str) -> Any:
    try:
        return registry.get(kind)
    except (ImportError, KeyError, UserError):
        return None
