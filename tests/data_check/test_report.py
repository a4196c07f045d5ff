"""The list of problems."""

import pytest

from mmseg_ext.data_check import Problem
from mmseg_ext.data_check.report import raise_for_problems
from mmseg_ext.errors import UserError


def test_errors_show_each_kind_before_a_second_of_one():
    problems = [Problem(f"{i}.png", "the mask is missing", "Add it.", "mask missing") for i in range(20)]
    problems.append(Problem("x.jpg", "is truncated", "Copy it.", "image unreadable"))
    with pytest.raises(UserError) as caught:
        raise_for_problems(problems, max_shown=3)
    assert str(caught.value).splitlines() == [
        "0.png: the mask is missing. Add it.",
        "x.jpg: is truncated. Copy it.",
        "1.png: the mask is missing. Add it.",
        "… and 18 more: mask missing (18)",
    ]
    raise_for_problems([])
