"""The list of private names: each is in the installed stack, and the package uses no other."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from pathlib import Path

import pytest

import mmseg_ext
from mmseg_ext.stack.upstream import UPSTREAM_NAMES

PACKAGE = Path(mmseg_ext.__file__).parent
LAST_PARTS = {entry.name.rpartition(".")[2] for entry in UPSTREAM_NAMES}
PARTS = {part for entry in UPSTREAM_NAMES for part in entry.name.split(".")}
STACK = (
    "mmengine",
    "mmcv",
    "mmseg",
    "mmdet",
    "timm",
    "torch",
    "torchvision",
    "rich",
    "numpy",
    "PIL",
    "huggingface_hub",
)
OF_PYTHON = {"_asdict", "_replace", "_fields", "_getframe"}  # documented
MADE_BY_PYTHON_AND_TORCH = {"_is_protocol", "_is_runtime_protocol", "_backward_cls", "_abc_impl"}


def is_private(name):
    return name.startswith("_") and not name.endswith("_")


def resolve(dotted):
    """Import the longest module of a dotted name and return the objects from there on."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = [importlib.import_module(".".join(parts[:length]))]
        except ModuleNotFoundError:
            continue
        break
    for part in parts[length:-1]:
        found.append(getattr(found[-1], part))
    return found[-1], parts[-1] if length < len(parts) else None


def parameters_of(owner, name):
    """Name the parameters of a function, also of one that is replaced by now."""
    function = getattr(owner, name)
    if not function.__module__.startswith("mmseg_ext."):
        return list(inspect.signature(function).parameters)
    nodes = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner))))
    stock = next(node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name)
    return [argument.arg for argument in stock.args.args]


@pytest.mark.parametrize("entry", UPSTREAM_NAMES, ids=lambda entry: entry.name)
def test_each_name_is_there(entry):
    owner, name = resolve(entry.name)
    if name is not None and not hasattr(owner, name):  # set on instances
        assert inspect.isclass(owner), f"{entry.name} is gone"
        sources = [inspect.getsource(kind) for kind in owner.__mro__ if kind.__module__.partition(".")[0] in STACK]
        assert any(f"self.{name}" in source or f"'{name}'" in source for source in sources), f"{entry.name} is gone"
    if entry.parameters:
        expected = entry.parameters.split()
        assert parameters_of(owner, name)[: len(expected)] == expected
    assert entry.why
    module = PACKAGE.joinpath(*entry.used_by.split(".")).with_suffix(".py")
    assert entry.name.rpartition(".")[2].lstrip("_") in module.read_text() or "_loop" in entry.name


def own_names(tree):
    """Names that a module defines: functions, classes, variables, arguments, attributes of its own objects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") else []
        elif isinstance(node, ast.arg):
            yield node.arg


def used_names(tree):
    """Private names and replaced functions that a module takes from elsewhere, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            names = [] if isinstance(node, ast.Import) else [a.name for a in node.names]
            if not modules[0].startswith("mmseg_ext"):
                parts = [part for module in modules for part in module.split(".")]
                yield from ((part, node.lineno) for part in (*parts, *names) if is_private(part))
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(STACK):
            parts = node.value.split(".")
            if all(part.isidentifier() for part in parts):
                yield from ((part, node.lineno) for part in parts if is_private(part))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            argument = {"getattr": 1, "hasattr": 1, "setattr": 1, "replace_everywhere": 0}.get(node.func.id)
            name = node.args[argument] if argument is not None and len(node.args) > argument else None
            if isinstance(name, ast.Constant) and (argument == 0 or is_private(str(name.value))):
                yield name.value, node.lineno
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).startswith("vars("):
            yield from [(node.slice.value, node.lineno)] if isinstance(node.slice, ast.Constant) else []


def test_no_other_name_is_used():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        known = {*own_names(tree), *PARTS, *OF_PYTHON}
        found += [f"{path.relative_to(PACKAGE)}:{line} {name}" for name, line in used_names(tree) if name not in known]
    assert not found, f"add to mmseg_ext/stack/upstream.py: {found}"


def test_no_other_method_is_overridden():
    found = []
    for module_info in pkgutil.walk_packages(mmseg_ext.__path__, "mmseg_ext."):
        module = importlib.import_module(module_info.name)
        for kind in vars(module).values():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                continue
            bases = [base for base in kind.__mro__[1:] if not base.__module__.startswith("mmseg_ext")]
            names = {name for name in vars(kind) if is_private(name) and any(name in vars(base) for base in bases)}
            found += [
                f"{module.__name__}.{kind.__name__}.{name}" for name in names - MADE_BY_PYTHON_AND_TORCH - LAST_PARTS
            ]
    assert not found, f"add to mmseg_ext/stack/upstream.py: {found}"


def test_the_scan_finds_private_names():
    source = """
from timm.models._helpers import load
import torch._dynamo
head._decode(runner._loop)
getattr(runner, "_iterations")
replace_everywhere("some_function", stock, ours)
vars(module)["some_name"] = import_module("mmseg._private")
class Own:
    def _method(self):
        self._own = self._method()
"""
    tree = ast.parse(source)
    found = {name for name, _ in used_names(tree)} - set(own_names(tree))
    expected = {"_helpers", "_dynamo", "_decode", "_loop", "_iterations", "some_function", "some_name", "_private"}
    assert found == expected
