"""The folder of a prediction, and the processes that write to it."""

import subprocess
import sys

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.output_folder import OutputFolder

HOLD = """
import sys
from mmseg_ext.prediction.output_folder import OutputFolder
OutputFolder(sys.argv[1], {}, process="1-2")
print("holds", flush=True)
sys.stdin.read()
"""


def test_two_processes_do_not_predict_one_share(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "holds\n"
            with pytest.raises(UserError, match=rf"found process {other.pid} on .* at share 1/2 in .* its own --shard"):
                OutputFolder(tmp_path, {}, process="1-2")
            OutputFolder(tmp_path, {}, process="2-2").close()
        finally:
            other.kill()
    OutputFolder(tmp_path, {}, process="1-2").close()  # killed: the lock is gone


def test_a_folder_that_is_closed_can_be_opened_by_another_process(tmp_path):
    OutputFolder(tmp_path, {}, process="1-2").close()
    done = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], input="", stdout=subprocess.PIPE, text=True)
    assert done.stdout == "holds\n"
