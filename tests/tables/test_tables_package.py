"""The template, style and script of the page are files of the package, and are built with it."""

import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"comparison.html.j2", "score_page.css", "score_page.html.j2", "score_page.js"}


def test_the_page_files_are_resources_of_the_package() -> None:
    folder = resources.files("mmseg_ext.tables") / "page"
    assert {item.name for item in folder.iterdir() if item.is_file()} == NAMES
    assert all((folder / name).read_text(encoding="utf-8").strip() for name in NAMES)


def test_the_page_files_are_built(tmp_path: Path) -> None:
    """In a copy of the project, since a build writes beside its sources."""
    pytest.importorskip("setuptools", reason="setuptools is not installed: nothing here can build")
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "mmseg_ext").mkdir()
    shutil.copy(ROOT / "mmseg_ext" / "__init__.py", tmp_path / "mmseg_ext")
    shutil.copytree(ROOT / "mmseg_ext" / "tables", tmp_path / "mmseg_ext" / "tables")
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", "built"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert {path.name for path in (tmp_path / "built" / "mmseg_ext" / "tables" / "page").iterdir()} == NAMES
