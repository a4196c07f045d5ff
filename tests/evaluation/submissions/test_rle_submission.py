"""The run-length file is read whatever its length, and other CSV files of the process as before."""

import csv

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions.rle_submission import read_rows, write_rows

COLUMNS = ("image", "runs")


def test_long_fields_are_read_and_the_limit_of_the_process_stays(tmp_path):
    limit = csv.field_size_limit()
    rows = {"a.png": "1 2 " * limit, "b.png": ""}
    write_rows(tmp_path / "out.csv", COLUMNS, rows)
    assert dict(read_rows(tmp_path / "out.csv", COLUMNS)) == rows
    assert csv.field_size_limit() == limit
    with pytest.raises(UserError, match="Expected the columns x, y, got image, runs"):
        list(read_rows(tmp_path / "out.csv", ("x", "y")))
    assert csv.field_size_limit() == limit
