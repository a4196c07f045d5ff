"""Checkpoints in the tar format of torch before 0.1.10."""

import io
import pickle
import tarfile

import pytest
import torch

from mmseg_ext import stack
from mmseg_ext.errors import UserError


@pytest.mark.parametrize("trust", [False, True])
def test_a_tar_archive_is_one_line(tmp_path, trust):
    path = tmp_path / "old.pth"
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps({"a": 1}, 2)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    stack.safe_checkpoints(trust=trust)
    try:
        with pytest.raises(UserError, match=r"old\.pth, got .*a tar archive, as torch before 0\.1\.10 saved") as caught:
            torch.load(path, map_location="cpu", weights_only=not trust)
    finally:
        stack.safe_checkpoints(trust=False)
    assert "\n" not in str(caught.value)
