"""A path to weights where no file is."""

import pytest

from mmseg_ext.errors import UserError


def test_weights_that_are_not_there_end_in_one_line(tmp_path):
    from mmengine.runner.checkpoint import _load_checkpoint

    with pytest.raises(
        UserError, match=r"Expected weights at .*/swin\.pth, found no file\. Name another .*init_cfg=None"
    ):
        _load_checkpoint(str(tmp_path / "swin.pth"))
