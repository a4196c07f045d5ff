import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from mmseg_ext.errors import UserError, run_command

TOOLS = sorted(path.stem for path in (Path(__file__).resolve().parents[1] / "tools").glob("*.py"))


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1)])
def test_the_status_is_that_of_the_command(returned, status, capsys):
    assert run_command(lambda: returned) == status
    assert capsys.readouterr() == ("", "")


def test_a_user_error_is_its_message_and_status_2(capsys):
    assert run_command(raising(UserError("Expected a, got b."))) == 2
    assert capsys.readouterr() == ("", "error: Expected a, got b.\n")


@pytest.mark.parametrize(("arguments", "message"), [((), "Stopped."), (("Go on.",), "Go on.")])
def test_ctrl_c_is_a_message_and_status_130(arguments, message, capsys):
    assert run_command(raising(KeyboardInterrupt()), *arguments) == 130
    assert capsys.readouterr() == ("", f"\n{message}\n")


def test_other_errors_keep_their_traceback():
    with pytest.raises(ValueError, match="a bug"):
        run_command(raising(ValueError("a bug")))


@pytest.mark.parametrize("num_lines", [1, 100_000])
def test_a_reader_that_ends_early_is_no_error(num_lines):
    code = (
        "import sys, time; from mmseg_ext.errors import run_command; sys.stdin.readline(); "
        f"sys.exit(run_command(lambda: print('line\\n' * {num_lines})))"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    process.stdout.close()  # before the command is let go
    _, printed = process.communicate("\n", timeout=60)
    assert (process.returncode, printed) == (141, "")


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_ends_with_one_line(name, monkeypatch, capsys):
    tool = importlib.import_module(f"tools.{name}")
    for error, status, printed in (
        (UserError("Expected a."), 2, "error: Expected a.\n"),
        (KeyboardInterrupt(), 130, "\nStopped."),
    ):

        def parse_args(argv, error=error):
            raise error

        monkeypatch.setattr(tool, "parse_args", parse_args)
        assert tool.main([]) == status
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(printed)
        assert captured.err.count("\n") == printed.count("\n") + (status == 130)
