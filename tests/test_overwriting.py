"""Commands overwrite no file but those that they wrote themselves."""

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.overwriting import refuse_other_file


def test_only_own_files_are_overwritten(tmp_path):
    path = tmp_path / "out.csv"
    refuse_other_file(path, "tools/x.py", pytest.fail)
    path.write_text("")
    refuse_other_file(path, "tools/x.py", lambda: True)
    with pytest.raises(UserError, match=r"out\.csv, or one that tools/x\.py wrote and nobody changed, found another"):
        refuse_other_file(path, "tools/x.py", lambda: False)
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "missing")
    with pytest.raises(UserError, match="found another"):
        refuse_other_file(link, "tools/x.py", lambda: False)
