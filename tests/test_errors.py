import contextlib
import errno
import importlib
import io
import os
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


@pytest.mark.parametrize(
    ("error", "printed"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/w/a.png"), "/w/a.png: No space left on device. Free some"),
        (OSError(errno.EROFS, "Read-only file system", "/w"), "/w: Read-only file system. Correct the permissions"),
        (PermissionError(errno.EACCES, "Permission denied", b"/w/\xe9"), "/w/?: Permission denied. Correct"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.png"), "a.png: No such file or directory. It"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device, where the run writes: its work"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), "a: Is a directory."),
    ],
)
def test_what_the_system_refuses_is_one_line_and_status_2(error, printed):
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stderr(stream):
        assert run_command(raising(error)) == 2
    stream.seek(0)
    text = stream.read()
    assert text.startswith(f"error: {printed}")
    assert text.count("\n") == 1


def test_an_error_of_the_system_without_a_name_and_a_known_cause_keeps_its_traceback():
    with pytest.raises(OSError, match="strange"):
        run_command(raising(OSError("strange")))


def test_a_screen_of_ascii_shows_any_name():
    code = (
        "import sys; from mmseg_ext.errors import run_command; "
        "sys.exit(run_command(lambda: print('\\u2192 \\udce9 done')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\\u2192 \\udce9 done\n", b"")
