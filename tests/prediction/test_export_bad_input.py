"""What cannot be exported says so in one line, before anything is written."""

import cv2
import pytest
import torch
from small_runs import NETWORKS, SIGMOID, head, save_run
from torch import nn

import tools.export
from mmseg_ext import load_model
from mmseg_ext.errors import UserError
from mmseg_ext.prediction import onnx_predictor
from mmseg_ext.prediction.export import ExportOptions, export, resize_steps, run_images
from mmseg_ext.registry import MODELS

UNFITTED = {
    "type": "mmseg_ext.FeatureSegmentor",
    "backbone": {"type": "mmseg_ext.EfficientNetLite", "checkpoint": None},
    "decode_head": {"type": "mmseg_ext.LightHead", "num_classes": 3},
}


@MODELS.register_module(force=True)
class BackboneOutsideOfTorch(nn.Module):
    """Computes in OpenCV, which no exporter follows."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, x):
        features = self.conv(x)
        return (features + torch.from_numpy(cv2.blur(features[0, 0].detach().numpy(), (3, 3))),)


@pytest.fixture(scope="module")
def unet_run(tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("unet") / "run", NETWORKS["unet"])


def refused(capsys, *arguments):
    assert tools.export.main(list(map(str, arguments))) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_its_command(missing, unet_run, tmp_path, capsys, monkeypatch):
    find = onnx_predictor.find_spec
    monkeypatch.setattr(onnx_predictor, "find_spec", lambda name: None if name == missing else find(name))
    error = refused(capsys, unet_run, "--out", tmp_path / "m.onnx")
    assert f"the package {missing}" in error
    assert f"python -m pip install {missing}" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "Expected a trained model at nowhere, found nothing"),
        (["RUN", "--out", "model.pt"], "Expected the name of an .onnx file for --out, got model.pt"),
        (["RUN", "--size", "64", "64", "64"], "Expected height and width for --size"),
        (["RUN", "--size", "0"], "Expected height and width for --size"),
        (["RUN", "--overlap", "100"], "Expected an overlap of 0 to 99 percent"),
        (["RUN", "--images", "nothing*.png"], "found none"),
    ],
)
def test_bad_arguments_are_one_line(arguments, message, unet_run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *(unet_run if text == "RUN" else text for text in arguments))
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize("content", [b"", b"no model at all", bytes(range(256)) * 40])
def test_a_file_that_is_no_model_is_refused(content, tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"Expected an ONNX model in .*broken\.onnx"):
        load_model(path)


def test_a_network_outside_of_torch_is_refused(tmp_path):
    decode_head = head("FCNHead", 8, channels=8, num_convs=0, concat_input=False, in_index=0)
    network = {"backbone": {"type": "mmseg_ext.BackboneOutsideOfTorch"}, "decode_head": decode_head}
    run = save_run(tmp_path / "run", network)
    with pytest.raises(UserError, match=r"that torch can export to ONNX, got FCNHead over BackboneOutsideOfTorch: .+"):
        export(run, tmp_path / "model.onnx", ExportOptions())
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(
    ("classifier", "message"),
    [("LogisticRegression", "Expected a fitted head"), ("ExtraTrees", "got a LightHead with ExtraTrees")],
)
def test_light_heads_that_cannot_be_exported_say_why(classifier, message, tmp_path):
    classifiers = [{"type": f"mmseg_ext.{classifier}"}]
    network = {**UNFITTED, "decode_head": {**UNFITTED["decode_head"], "classifiers": classifiers}}
    run = save_run(tmp_path / "run", network)
    with pytest.raises(UserError, match=message):
        export(run, tmp_path / "model.onnx", ExportOptions())


def test_the_size_has_to_be_known(tmp_path):
    preprocessor = {"type": "SegDataPreProcessor", "size_divisor": 32}
    run = save_run(tmp_path / "run", SIGMOID, names=["a", "b"], data_preprocessor=preprocessor)
    with pytest.raises(UserError, match="Name the size of the exported graph: --size HEIGHT WIDTH"):
        export(run, tmp_path / "model.onnx", ExportOptions())


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ([{"type": "LoadImageFromFile", "color_type": "unchanged"}], "Expected images of three channels"),
        ([{"type": "LoadImageFromFile"}, {"type": "CLAHE"}], "got the step CLAHE, which is no part"),
    ],
)
def test_other_steps_of_the_pipeline_are_refused(pipeline, message):
    from mmengine.config import Config

    with pytest.raises(UserError, match=message):
        resize_steps(Config({"test_dataloader": {"dataset": {"pipeline": pipeline}}}))


def test_images_of_the_run_that_are_gone_are_asked_for(unet_run, tmp_path):
    from mmengine.config import Config

    dataset = {"type": "BaseSegDataset", "data_prefix": {"img_path": str(tmp_path)}, "test_mode": True}
    for config in ({}, {"test_dataloader": {"dataset": dataset}}):
        with pytest.raises(UserError, match="Name some images to check the exported graph on: --images FILE"):
            run_images(Config({"default_scope": "mmseg", **config}), 4)
    assert torch.is_grad_enabled()
