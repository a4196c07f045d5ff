"""A path to weights where no file is."""

import pytest

from mmseg_ext.errors import UserError


def test_weights_that_are_not_there_end_in_one_line(tmp_path):
    from mmengine.runner.checkpoint import _load_checkpoint

    with pytest.raises(
        UserError, match=r"Expected weights at .*/swin\.pth, found no file\. Name another .*init_cfg=None"
    ):
        _load_checkpoint(str(tmp_path / "swin.pth"))


def test_the_error_is_an_os_error_too(tmp_path):
    from mmengine.runner.checkpoint import _load_checkpoint

    from mmseg_ext import stack
    from mmseg_ext.models.backbones.weight_files import read_weights

    stack.prepare()
    for load in (_load_checkpoint, read_weights):
        with pytest.raises(FileNotFoundError) as caught:
            load(str(tmp_path / "swin.pth"))
        assert isinstance(caught.value, UserError)
        assert str(caught.value).startswith("Expected")
