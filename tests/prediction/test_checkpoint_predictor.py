"""A run applied to images gives what tools/test.py gives."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from color_predictor import smooth_colors
from conftest import save_run
from PIL import Image

from mmseg_ext import load_model
from mmseg_ext.errors import UserError
from mmseg_ext.prediction.model_files import find_model

ROOT = Path(__file__).resolve().parents[2]
BINARY = {
    "model.decode_head.num_classes": 2,
    "model.decode_head.out_channels": 1,
    "model.decode_head.threshold": 0.3,
    "test_dataloader.dataset.metainfo": {"classes": ("land", "water"), "palette": [[9, 9, 9], [0, 0, 255]]},
    "model.decode_head.loss_decode": {"type": "mmseg_ext.PartialBinaryCrossEntropyLoss"},
}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Images with masks that tools/test.py reads."""
    folder = tmp_path_factory.getbasetemp() / "runs0" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for number, (height, width) in enumerate([(40, 56), (52, 61), (64, 96)]):
        Image.fromarray(smooth_colors(height, width, seed=number)).save(folder / f"{number}.jpg")
        Image.fromarray(np.full((height, width), number % 2, np.uint8)).save(folder / f"{number}.png")
    return folder


def maps_of_test(run, folder, out, tta):
    """Test the checkpoint as tools/test.py does, and read its class maps."""
    from mmseg_ext.engine.launch import load_config, test
    from mmseg_ext.engine.testing_options import keep_predictions, use_tta

    config = load_config(str(run / "tiny.py"), str(out / "work"))
    config.test_dataloader.dataset.data_root = str(folder)
    if tta:
        use_tta(config)
    keep_predictions(config, str(out / "maps"))
    test(config, str(run / "iter_5.pth"))
    return {path.name: np.array(Image.open(path)) for path in (out / "maps").glob("*.png")}


@pytest.mark.parametrize("case", ["plain", "tta", "slide", "binary", "teacher"])
def test_class_maps_are_those_of_a_test_bit_for_bit(labelled, tmp_path, case):
    options = {
        "slide": {"model.test_cfg": {"mode": "slide", "crop_size": (32, 32), "stride": (20, 20)}},
        "binary": BINARY,
        "teacher": {"model.type": "mmseg_ext.SparseEncoderDecoder", "model.teacher": {"start": 0}},
    }.get(case, {})
    meta = {"binary_threshold": 0.625} if case == "binary" else {}
    run = save_run(tmp_path / "run", options, meta)
    if case == "binary":  # the hook of a test takes over the threshold of the checkpoint
        assert load_model(run).threshold == 0.625
    expected = maps_of_test(run, labelled, tmp_path, tta=case == "tta")
    assert len(expected) == 3
    model = load_model(run, tta=case == "tta")
    images = sorted(labelled.glob("*.jpg"))
    for image, found in zip(images, model.predict(images, batch_size=1), strict=True):
        np.testing.assert_array_equal(found.classes_HW, expected[f"{image.stem}.png"])
        assert found.classes_HW.dtype == np.uint8
    assert len({value for classes in expected.values() for value in np.unique(classes).tolist()}) > 1


def test_an_array_a_path_a_list_and_a_generator_agree(tiny_run, photos):
    model = load_model(tiny_run)
    paths = sorted(photos.rglob("*.*"))
    one = model.predict(str(paths[0]))
    many = model.predict(paths, batch_size=2, probabilities=True)
    stream = model.predict(path for path in paths)
    assert not isinstance(stream, list)
    for path, of_list, of_stream in zip(paths, many, stream, strict=True):
        pixels = np.array(Image.open(path).convert("RGB"))
        assert of_list.classes_HW.shape == of_stream.classes_HW.shape == pixels.shape[:2]
        assert of_list.probabilities_CHW.shape == (3, *pixels.shape[:2])
        np.testing.assert_allclose(of_list.probabilities_CHW.sum(axis=0), 1, atol=1e-5)
        assert (of_list.probabilities_CHW.argmax(axis=0) == of_list.classes_HW).mean() > 0.99
        if path.suffix == ".png":
            np.testing.assert_array_equal(model.predict(pixels).classes_HW, of_stream.classes_HW)
    assert one.names == ("land", "water", "road")
    assert one.palette.tolist() == [[9, 9, 9], [0, 0, 255], [255, 255, 0]]
    assert one.probabilities_CHW is None
    picture = one.overlay()
    image = np.array(Image.open(paths[0]).convert("RGB"))
    np.testing.assert_allclose(picture, (image.astype(float) + one.palette[one.classes_HW]) / 2, atol=0.51)
    assert one.overlay(with_legend=True).shape[0] > len(image)


def test_logits_of_windows_are_those_of_the_network(tiny_run):
    model = load_model(tiny_run)
    images = np.stack([smooth_colors(64, 96, seed=n) for n in range(2)])
    logits = model.logits(images)
    assert logits.shape == (2, 3, 64, 96)
    for image, logits_CHW in zip(images, logits, strict=True):
        # The pipeline resizes to 64 × 96, so that such an image goes as it is.
        expected = model.predict(image, probabilities=True).probabilities_CHW
        np.testing.assert_allclose(logits_CHW.softmax(0).numpy(), expected, atol=1e-3)


def test_windows_under_test_time_augmentation_are_averaged(tiny_run):
    model = load_model(tiny_run, tta=True)
    image = smooth_colors(64, 96)
    plain = load_model(tiny_run)
    both = [plain.logits(i[None].copy())[0].softmax(0) for i in (image, image[:, ::-1])]
    expected = (both[0] + both[1].flip(2)) / 2
    torch.testing.assert_close(model.logits(image[None])[0].softmax(0), expected, atol=1e-5, rtol=0)


def test_the_windows_are_those_of_the_config(tmp_path):
    slide = {"model.test_cfg": {"mode": "slide", "crop_size": (32, 48), "stride": (20, 40)}}
    assert load_model(save_run(tmp_path / "a", slide)).window == ((32, 48), (12, 8), False)
    assert load_model(save_run(tmp_path / "b")).window == ((1024, 1024), (128, 128), False)


def test_the_best_checkpoint_is_taken_and_else_the_last(tiny_run, tmp_path):
    run = save_run(tmp_path / "run")
    assert find_model(run).checkpoint.name == "iter_5.pth"
    (run / "best_mIoU_iter_3.pth").write_bytes((run / "iter_5.pth").read_bytes())
    assert find_model(run).checkpoint.name == "best_mIoU_iter_3.pth"
    (run / "best_mIoU_iter_3.pth").write_bytes(b"")  # damaged
    assert find_model(run).checkpoint.name == "iter_5.pth"
    assert find_model(run / "iter_5.pth") == (run / "tiny.py", run / "iter_5.pth", True)
    assert find_model(run / "tiny.py", tiny_run / "iter_5.pth") == (run / "tiny.py", tiny_run / "iter_5.pth", False)


def test_what_is_no_model_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "lonely").mkdir()
    (tmp_path / "lonely" / "iter_1.pth").write_bytes(b"x")
    (tmp_path / "config.py").write_text("model = dict()")
    for model, checkpoint, message in (
        ("nowhere", None, "found nothing"),
        ("empty", None, "Expected a run's checkpoint in .*empty, found none"),
        ("lonely", None, r"found no \.py file"),
        ("config.py", None, "Expected a checkpoint for the config"),
        ("config.py", "nowhere.pth", "Expected a checkpoint file, found none"),
        ("lonely/iter_1.pth", "lonely/iter_1.pth", r"Expected a config file \(\.py\) before --checkpoint"),
    ):
        with pytest.raises(UserError, match=message):
            find_model(tmp_path / model, checkpoint and tmp_path / checkpoint)


def test_wrong_weights_devices_and_images_are_one_line(tiny_run, tmp_path):
    with pytest.raises(UserError, match="Expected the weights of this config's model"):
        load_model(tiny_run, cfg_options={"model.decode_head.channels": 4})
    with pytest.raises(UserError, match="Expected a device such as cpu or cuda:0, got nonsense"):
        load_model(tiny_run, device="nonsense")
    with pytest.raises(UserError, match="Expected an ONNX file, found none"):
        load_model(tmp_path / "none.onnx")
    model = load_model(tiny_run)
    with pytest.raises(UserError, match="Expected an image file, found none"):
        model.predict(tmp_path / "none.png")
    with pytest.raises(UserError, match=r"Expected an image \(H, W, 3\), RGB, got an array of shape \(4, 4\)"):
        model.predict(np.zeros((4, 4), np.uint8))


def test_a_config_beside_a_checkpoint_is_data(tmp_path):
    run = save_run(tmp_path / "run")
    (run / "tiny.py").write_text("import os\nos.makedirs('harm')\n")
    with pytest.raises(UserError, match="It is not executed"):
        load_model(run)


def test_the_package_alone_stays_free():
    code = "import sys, mmseg_ext; assert not {'torch', 'mmengine', 'numpy'} & set(sys.modules); mmseg_ext.load_model"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)
