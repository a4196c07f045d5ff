"""A checkpoint that does not fit its model is refused by name, not scored."""

import pytest
import torch
from torch import nn

from mmseg_ext.engine import launch
from mmseg_ext.engine.checkpoint_fit import check_fit
from mmseg_ext.errors import UserError


def make(width=3, **more):
    return nn.ModuleDict({"backbone": nn.Linear(2, width), "head": nn.BatchNorm1d(width), **more})


def test_what_fits_is_loaded():
    source, target = make(), make()
    check_fit(target, {"state_dict": source.state_dict()}, "a.pth")
    assert torch.equal(target["backbone"].weight, source["backbone"].weight)
    check_fit(target, {f"module.{name}": value for name, value in source.state_dict().items()}, "a.pth")
    check_fit(target, make(auxiliary=nn.Linear(1, 1)).state_dict(), "a.pth")  # unused weights are no error


def test_other_shapes_are_named():
    with pytest.raises(
        UserError, match=r"in a\.pth, got others: backbone\.weight has shape \(5, 2\), the model's \(3, 2\)"
    ):
        check_fit(make(3), {"state_dict": make(5).state_dict()}, "a.pth")
    with pytest.raises(UserError, match=r"backbone\.bias has shape \(5\), the model's \(3\); .*Name the config"):
        check_fit(make(3), {"state_dict": make(5).state_dict()}, "a.pth")


def test_missing_weights_are_named():
    with pytest.raises(
        UserError, match=r"got others: neck\.weight is missing; neck\.bias is missing\..*--allow-partial"
    ):
        check_fit(make(neck=nn.Linear(1, 1)), {"state_dict": make().state_dict()}, "a.pth")
    with pytest.raises(UserError, match=r"and 1 more\. Name"):
        check_fit(make(), {"state_dict": {}}, "a.pth")


@pytest.mark.parametrize("option", ["model.decode_head.channels", "model.neck.out_channels"])
def test_a_test_of_another_model_is_refused_unless_it_is_asked_for(tiny_config, tmp_path, option):
    options = {"train_cfg.max_iters": 3}
    launch.train(launch.load_config(str(tiny_config), str(tmp_path / "run"), options))
    checkpoint = str(tmp_path / "run" / "iter_3.pth")
    scores = launch.test(launch.load_config(str(tiny_config), str(tmp_path / "test")), checkpoint)
    assert 0 <= scores["aAcc"] <= 100
    other = {option: 9}
    if "neck" in option:
        other |= {"model.decode_head.in_channels": [9] * 4}
    config = launch.load_config(str(tiny_config), str(tmp_path / "other"), other)
    with pytest.raises(UserError, match=r"iter_3\.pth, got others: .* has shape \("):
        launch.test(config, checkpoint)
    config = launch.load_config(str(tiny_config), str(tmp_path / "load"), {**other, **options, "load_from": checkpoint})
    with pytest.raises(UserError, match="--allow-partial"):
        launch.train(config)
    config = launch.load_config(str(tiny_config), str(tmp_path / "part"), {**other, **options, "load_from": checkpoint})
    config.allow_partial = True
    assert launch.train(config).iter == 3
