"""What the package imports is what pyproject.toml declares."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORTED_BY_CONFIGS = {"onedl-mmdetection"}


def normalized(name):
    return re.sub("[-_.]+", "-", name).lower()


def declared(requirements):
    return {normalized(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


def requirements(section):
    """Read the lists of a section of pyproject.toml, by name; a TOML list of strings is one of Python, too."""
    text = (ROOT / "pyproject.toml").read_text().split(f"[{section}]\n")[1].split("\n[")[0]
    return {name: ast.literal_eval(items) for name, items in re.findall(r"(?ms)^(\w+) = (\[.*?\])$", text)}


def imported_packages():
    paths = [
        ROOT / "extract_tables.py",
        *(p for folder in ("mmseg_ext", "tools") for p in (ROOT / folder).rglob("*.py")),
    ]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            yield from (name.partition(".")[0] for name in names)


def test_imports_and_dependencies_are_the_same():
    dependencies = declared(requirements("project")["dependencies"])
    extras = declared(name for group in requirements("project.optional-dependencies").values() for name in group)
    provided_by = packages_distributions()
    used = set()
    for package in set(imported_packages()) - sys.stdlib_module_names - {"mmseg_ext", "tools"}:
        providers = set(map(normalized, provided_by.get(package, [package])))
        assert providers & (dependencies | extras), f"pyproject.toml declares nothing that provides {package}"
        used |= providers
    assert dependencies - IMPORTED_BY_CONFIGS <= used
    assert "mmdet" in "".join(path.read_text() for path in (ROOT / "configs").rglob("*.py"))


def test_every_dependency_is_pinned():
    pinned = declared((ROOT / "constraints.txt").read_text().split())
    assert declared(requirements("project")["dependencies"]) <= pinned
