"""Exports of small networks of every kind: the classes, the metadata, `load_model` and `tools/predict.py`."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from small_runs import FEATURES, NETWORKS, SIGMOID, fitted, save_run
from test_deepness_metadata import read_as_plugin

import tools.export
import tools.predict
from mmseg_ext import load_model
from mmseg_ext.prediction import export as export_module
from mmseg_ext.prediction.class_scores import classify
from mmseg_ext.prediction.export import ExportOptions, export
from mmseg_ext.prediction.onnx_layers import first_difference

SLIDE = {"mode": "slide", "crop_size": (64, 64), "stride": (40, 40)}
RESIZE = [{"type": "mmseg_ext.Resize", "scale": (512, 80), "keep_ratio": True}]


def noise_image(height, width, seed=5):
    """Coarse noise, enlarged: areas of some size."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def assert_same_classes(exported, checkpoint, image_HWC):
    """Compare whole images, but for near-ties; the probabilities must differ from pixel to pixel."""
    expected, found = (model.predict(image_HWC, probabilities=True) for model in (checkpoint, exported))
    assert expected.probabilities_CHW.std((1, 2)).max() > 0.01
    differing = expected.classes_HW != found.classes_HW
    assert differing.mean() < 1e-3
    np.testing.assert_allclose(found.probabilities_CHW, expected.probabilities_CHW, atol=2e-3)
    plain = exported.predict(image_HWC)
    assert (plain.classes_HW != found.classes_HW).mean() < 1e-3


@pytest.mark.parametrize("name", ["fpn", "unet", "dinov2", "dinov3", "knet"])
def test_a_graph_for_any_size_predicts_as_the_checkpoint(name, tmp_path):
    run = save_run(tmp_path / "run", NETWORKS[name], pipeline=RESIZE)
    agreement = export(run, tmp_path / "model.onnx", ExportOptions(dynamic=True))
    assert agreement.is_enough
    assert agreement.num_pixels == 70 * 90 + 97 * 61
    exported, checkpoint = load_model(tmp_path / "model.onnx"), load_model(run, device="cpu")
    for height, width in ((90, 64), (101, 75)):
        assert_same_classes(exported, checkpoint, noise_image(height, width))
    windows = np.stack([noise_image(72, 88, seed) for seed in range(3)])  # other sizes and batches than in the export
    for found, expected in zip(exported.logits(windows), checkpoint.logits(windows), strict=True):
        assert (classify(found, None) != classify(expected, None)).float().mean() < 1e-3


@pytest.mark.parametrize("name", ["upernet", "efficientnet"])
def test_a_graph_for_one_size_predicts_as_the_checkpoint(name, tmp_path):
    run = save_run(tmp_path / "run", NETWORKS[name])
    assert export(run, tmp_path / "model.onnx", ExportOptions()).is_enough
    exported, checkpoint = load_model(tmp_path / "model.onnx"), load_model(run, device="cpu")
    windows = np.stack([noise_image(64, 64, seed) for seed in range(3)])  # another batch than in the export
    for found, expected in zip(exported.logits(windows), checkpoint.logits(windows), strict=True):
        assert (classify(found, None) != classify(expected, None)).float().mean() < 1e-3


def test_a_light_head_on_frozen_features_is_exported(tmp_path):
    run = save_run(tmp_path / "run", FEATURES, prepare=fitted)
    assert export(run, tmp_path / "model.onnx", ExportOptions(dynamic=True)).is_enough
    exported, checkpoint = load_model(tmp_path / "model.onnx"), load_model(run, device="cpu")
    assert_same_classes(exported, checkpoint, noise_image(101, 75))


def test_sliding_windows_are_averaged_as_in_the_test(tmp_path):
    run = save_run(tmp_path / "run", NETWORKS["unet"], test_cfg=SLIDE)
    assert export(run, tmp_path / "model.onnx", ExportOptions()).is_enough
    exported, checkpoint = load_model(tmp_path / "model.onnx"), load_model(run, device="cpu")
    assert exported.window.size == (64, 64)
    assert_same_classes(exported, checkpoint, noise_image(110, 90))


@pytest.fixture(scope="module")
def sigmoid_export(tmp_path_factory):
    """One channel, one size, by the command; exported once for all tests that look at the file."""
    folder = tmp_path_factory.mktemp("sigmoid")
    run = save_run(folder / "run", SIGMOID, names=["land", "water"])
    command = [str(run), "--out", str(folder / "model.onnx"), "--size", "64", "--resolution", "30"]
    assert tools.export.main(command) == 0
    return folder


def test_the_file_holds_what_the_plugin_reads(sigmoid_export):
    session = onnxruntime.InferenceSession(str(sigmoid_export / "model.onnx"), providers=["CPUExecutionProvider"])
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    assert image.shape[1:] == [3, 64, 64]
    assert output.shape[1:] == [1, 64, 64]
    assert isinstance(image.shape[0], str)  # the plugin then lets its user choose the batch
    found = read_as_plugin(session.get_modelmeta().custom_metadata_map)
    assert found["names"] == ["land", "water"]
    assert (found["tile_size"], found["tiles_overlap"], found["resolution"]) == (64, 15, 30)
    # What the plugin does with a tile, and what it makes of the result.
    tile_HWC = noise_image(64, 64)
    pixels = (np.float32(tile_HWC[None] * 1.0 / 255.0) - np.float32(found["mean"])) / np.float32(found["std"])
    (result,) = session.run(None, {image.name: pixels.transpose(0, 3, 1, 2)})
    classes_HW = (result[0, 0] >= found["seg_thresh"]).astype(int)
    expected = load_model(sigmoid_export / "run", device="cpu").logits(tile_HWC[None])[0].sigmoid()[0].numpy()
    clear = np.abs(expected - 0.37) > 1e-4
    np.testing.assert_array_equal(classes_HW[clear], (expected > 0.37)[clear])
    assert 0.01 < classes_HW.mean() < 0.99


def test_the_file_names_no_place_of_this_machine(sigmoid_export):
    content = (sigmoid_export / "model.onnx").read_bytes()
    assert b"/mmseg" not in content
    assert b"stack_trace" not in content
    onnx.checker.check_model(onnx.load_from_string(content))


def test_predict_needs_no_checkpoint(sigmoid_export, tmp_path):
    shutil.copy(sigmoid_export / "model.onnx", tmp_path / "model.onnx")
    images = sigmoid_export / "images"
    assert tools.predict.main([str(tmp_path / "model.onnx"), str(images), "--out", str(tmp_path / "out")]) == 0
    written = sorted((tmp_path / "out" / "class_maps").rglob("*.png"))
    assert [path.stem for path in written] == ["a", "b"]
    with Image.open(written[0]) as picture:
        assert picture.size == (90, 70)
        values = np.asarray(picture)
    assert set(np.unique(values)) == {0, 1}


def test_a_file_of_another_origin_is_not_replaced(sigmoid_export, tmp_path, capsys):
    other = tmp_path / "other.onnx"
    other.write_bytes(b"not ours")
    assert tools.export.main([str(sigmoid_export / "run"), "--out", str(other)]) == 2
    assert other.read_bytes() == b"not ours"
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_graph_is_refused_with_the_layer_that_differs(tmp_path, monkeypatch):
    run = save_run(tmp_path / "run", NETWORKS["unet"])
    right = export_module.export_graph
    kept = []

    def wrong(network, size, dynamic):
        model = right(network, size, dynamic)
        kept.append((network, model))
        weights = next(w for w in model.graph.initializer if w.name.endswith("decoder.blocks.2.conv1.0.weight"))
        weights.raw_data = (onnx.numpy_helper.to_array(weights) * 1.5).tobytes()
        return model

    monkeypatch.setattr(export_module, "export_graph", wrong)
    with pytest.raises(
        ValueError, match=r"The first layer that differs is backbone\.decoder\.blocks\.2\.conv1\.[01] \("
    ):
        export(run, tmp_path / "model.onnx", ExportOptions())
    assert not (tmp_path / "model.onnx").exists()
    network, model = kept[0]
    model.graph.output.pop()
    image = torch.rand(1, 3, 64, 64)
    assert first_difference(network, right(network, (64, 64), False), image) is None


def test_the_settings_are_in_the_file(sigmoid_export):
    model = onnx.load(sigmoid_export / "model.onnx")
    entries = {entry.key: entry.value for entry in model.metadata_props}
    found = json.loads(entries["mmseg_ext"])
    assert (found["threshold"], found["is_fixed"], found["window"]) == (0.37, True, [64, 64])
    assert found["overlap"] == [10, 10]
