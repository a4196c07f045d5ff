"""The progress bar."""

import pytest

from mmseg_ext.progress import ProgressDisplay


def test_bar_on_a_terminal(capsys):
    with ProgressDisplay("Checking", pytest.fail, delay=0, terminal=True) as display:
        display(1, 3)
        display(2, 3)
        assert display._bar.tasks[0].completed == 2
