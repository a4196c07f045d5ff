"""The stack as a whole: importing it does nothing, and preparing it prints nothing."""

import pytest
from fresh_python import run_python


def test_importing_does_nothing(tmp_path):
    out, err = run_python(
        """
        import os, sys, warnings
        before = dict(os.environ), warnings.showwarning
        import mmseg_ext.stack
        assert (dict(os.environ), warnings.showwarning) == before
        print(sorted({"torch", "mmengine", "mmcv", "numpy", "timm"} & set(sys.modules)))
        """,
        tmp_path,
    )
    assert (out, err) == ("[]\n", "")


def test_prepared_imports_print_nothing(tmp_path):
    code = "from mmseg_ext import stack; stack.prepare(); stack.prepare(); import mmseg.models, mmseg.datasets"
    assert run_python(f"{code}, mmdet.models, mmdet.datasets", tmp_path) == ("", "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 1000), ({"GOMP_SPINCOUNT": "7"}, 7), ({"OMP_WAIT_POLICY": "PASSIVE"}, 0)],
)
def test_threads_that_wait_sleep_soon_unless_the_user_says_otherwise(given, expected, tmp_path):
    code = "from mmseg_ext import stack; stack.prepare(); import torch"
    out, shown = run_python(code, tmp_path, {**given, "OMP_DISPLAY_ENV": "VERBOSE"})
    assert out == ""
    if "GOMP_" in shown:  # torch brings GNU's OpenMP along
        assert f"GOMP_SPINCOUNT = '{expected}'" in shown
