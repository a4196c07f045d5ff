import pytest

from mmseg_ext.engine import launch
from mmseg_ext.errors import UserError

BASE = 'val_evaluator = [dict(type="IoUMetric")]\ntrain_dataloader = dict(dataset=dict(pipeline=[dict(type="A")]))\n'


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (
            '_base_ = "./base.py"\nval_evaluator = dict(type="IoUMetric")\n',
            "val_evaluator is a dict in the child config",
        ),
        ('_base_ = ["./base.py", "./base.py"]\n', "Duplicate key is not allowed among bases"),
        ('_base_ = "./none.py"\n', r"none\.py"),
        ('_base_ = "./base.py"\nx = _base_.nope\n', "nope"),
    ],
    ids=["dict over list", "key in two bases", "no base", "unknown variable"],
)
def test_a_config_that_mmengine_refuses_is_said_with_its_file(tmp_path, leaf, said):
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "leaf.py").write_text(leaf)
    with pytest.raises(UserError, match=rf"(?s)Expected a config that can be loaded, got .*leaf\.py: .*{said}"):
        launch.load_config(str(tmp_path / "leaf.py"))


@pytest.mark.parametrize(
    "key",
    ["val_evaluator.metrics", "train_dataloader.dataset.pipeline.9.scale", "val_evaluator.0.type.x"],
    ids=["key of a list", "index beyond a list", "key of a string"],
)
def test_options_that_mmengine_refuses_are_said_with_file_and_key(tmp_path, key):
    (tmp_path / "base.py").write_text(BASE)
    with pytest.raises(UserError, match=rf"got .*base\.py with --cfg-options {key}: "):
        launch.load_config(str(tmp_path / "base.py"), cfg_options={key: 1})


def test_an_error_of_the_python_code_in_a_config_keeps_its_traceback(tmp_path):
    (tmp_path / "leaf.py").write_text("x = nope\n")
    with pytest.raises(NameError, match="nope"):
        launch.load_config(str(tmp_path / "leaf.py"))
