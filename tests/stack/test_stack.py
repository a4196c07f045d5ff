"""The stack as a whole: importing it does nothing, and preparing it prints nothing."""

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
