"""mmengine's hub installs nothing."""

from fresh_python import run_python


def test_nothing_is_installed_by_itself(tmp_path):
    (tmp_path / "hub_base.py").write_text("_base_ = 'mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py'\n")
    out, _ = run_python(
        """
        import subprocess
        from mmseg_ext import stack
        from mmseg_ext.errors import UserError
        stack.prepare()
        def started(*args, **kwargs):
            raise AssertionError(f"a process was started: {args}")
        subprocess.Popen.__init__ = started
        import mmengine.hub, mmengine.utils
        from mmengine.config import Config
        name = "fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py"
        for what in (
            lambda: mmengine.hub.get_config(f"mmseg::{name}"),
            lambda: mmengine.hub.get_model(f"mmseg::{name}"),
            lambda: Config.fromfile("hub_base.py"),
            lambda: mmengine.hub.get_config("mmyolo::yolov5/x.py"),
            lambda: mmengine.utils.install_package("no-such-package"),
            lambda: mmengine.install_package("no-such-package"),
        ):
            try:
                what()
            except UserError as error:
                print(error)
        mmengine.utils.install_package("onedl-mmengine")
        print(len(mmengine.hub.get_config("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py").model) > 0)
        """,
        tmp_path,
    )
    lines = out.splitlines()
    assert len(lines) == 7
    for line in lines[:3]:
        assert "'mmsegmentation', which is not installed" in line
        assert ".mim/configs/NAME" in line
        assert "python -m pip" not in line
    assert lines[3].endswith("type: python -m pip install mmyolo")
    assert lines[4] == lines[5]
    assert lines[5].endswith("type: python -m pip install no-such-package")
    assert lines[6] == "True"
