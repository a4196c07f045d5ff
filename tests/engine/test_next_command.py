import os
import sys

import pytest

from mmseg_ext.engine import next_command
from mmseg_ext.engine.next_command import command_to_compare, command_to_test, python_command, short_path


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(next_command, "python_command", lambda: "python")


def test_python_is_named_as_one_types_it(tmp_path, monkeypatch):
    for executable, found, name in (
        ("/usr/bin/python", "/usr/bin/python", "python"),
        (tmp_path / ".venv/bin/python", "/usr/bin/python", os.path.join(".venv", "bin", "python")),
        ("/opt/my python/bin/python", None, "'/opt/my python/bin/python'"),
    ):
        monkeypatch.setattr(sys, "executable", str(executable))
        monkeypatch.setattr(next_command.shutil, "which", lambda _, found=found: found)
        assert python_command() == name


def test_paths_below_the_current_folder_are_relative(tmp_path):
    assert short_path(tmp_path / "a" / "b") == os.path.join("a", "b")
    assert short_path("/elsewhere/b") == "/elsewhere/b"


def test_the_best_checkpoint_is_tested_and_else_the_last(tmp_path):
    run = tmp_path / "work dirs" / "run"
    run.mkdir(parents=True)
    assert command_to_test(run, None) == "python tools/test.py CONFIG CHECKPOINT"
    (run / "last_checkpoint").write_text(f"{run}/iter_9.pth\n")
    assert command_to_test(run, "configs/leaf.py") == "python tools/test.py configs/leaf.py 'work dirs/run/iter_9.pth'"
    for second, name in enumerate(("best_mIoU_iter_8.pth", "best_mIoU_iter_4.pth")):
        (run / name).write_bytes(b"weights")
        os.utime(run / name, (second, second))
    (run / "leaf.py").touch()
    expected = "python tools/test.py 'work dirs/run/leaf.py' 'work dirs/run/best_mIoU_iter_4.pth'"
    assert command_to_test(run, "configs/leaf.py") == expected
    assert command_to_compare(run) == "python extract_tables.py 'work dirs'"
