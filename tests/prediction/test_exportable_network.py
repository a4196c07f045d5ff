"""What is exported computes what the segmentor predicts, before any exporter is involved."""

import numpy as np
import pytest
import torch
from small_runs import NETWORKS, SIGMOID, save_run

from mmseg_ext.prediction.checkpoint_predictor import CheckpointPredictor
from mmseg_ext.prediction.class_scores import probabilities
from mmseg_ext.prediction.exportable_network import ExportableNetwork, threshold_logit
from mmseg_ext.prediction.model_files import find_model

PREPROCESSORS = {
    "RGB": {"mean": [120.0, 110.0, 100.0], "std": [60.0, 50.0, 40.0], "bgr_to_rgb": True},
    "BGR": {"mean": [100.0, 110.0, 120.0], "std": [40.0, 50.0, 60.0]},
    "not normalised": {"bgr_to_rgb": True},
    "padded to a multiple": {"bgr_to_rgb": True, "pad_val": 7, "test_cfg": {"size_divisor": 48}},
    "padded to a size": {"bgr_to_rgb": True, "test_cfg": {"size": (80, 72)}},
}


def predictor_of(tmp_path, network, **model):
    return CheckpointPredictor(find_model(save_run(tmp_path / "run", network, **model)), device="cpu")


def graph_input(images_NHWC):
    return torch.from_numpy(images_NHWC.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("settings", PREPROCESSORS.values(), ids=list(PREPROCESSORS))
def test_pixels_are_prepared_as_by_the_data_preprocessor(settings, tmp_path):
    preprocessor = {"type": "SegDataPreProcessor", "size": (64, 64), **settings}
    predictor = predictor_of(tmp_path, NETWORKS["unet"], data_preprocessor=preprocessor)
    images_NHWC = np.random.default_rng(1).integers(0, 256, (2, 61, 75, 3), np.uint8)
    with torch.no_grad():
        found = ExportableNetwork(predictor.segmentor).eval()(graph_input(images_NHWC))
        expected = torch.stack([probabilities(logits, None) for logits in predictor.logits(images_NHWC)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.std() > 0.05


def test_bytes_come_back_exactly_from_the_graphs_units():
    pixels = np.arange(256, dtype=np.uint8)
    as_the_plugin_does = np.float32(pixels * 1.0 / 255.0)
    ours = pixels.astype(np.float32) / np.float32(255)
    for values in (as_the_plugin_does, ours):
        assert (values * np.float32(255) == pixels).all()


def test_the_threshold_lies_at_one_half(tmp_path):
    predictor = predictor_of(tmp_path, SIGMOID, names=["land", "water"])
    assert predictor.threshold == 0.37
    images_NHWC = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), np.uint8)
    with torch.no_grad():
        found = ExportableNetwork(predictor.segmentor).eval()(graph_input(images_NHWC))
        likely = predictor.logits(images_NHWC).sigmoid()
    clear = (likely - 0.37).abs() > 1e-5
    assert ((found > 0.5) == (likely > 0.37))[clear].all()
    assert 0.05 < (likely > 0.37).float().mean() < 0.95
    torch.testing.assert_close((found.logit() + threshold_logit(0.37)).sigmoid(), likely, rtol=1e-4, atol=1e-5)


def test_a_mean_teacher_predicts(tmp_path):
    def with_other_teacher(segmentor):
        torch.manual_seed(3)
        segmentor.teacher.average.n_averaged.fill_(1)
        for values in segmentor.teacher.average.module.parameters():
            values.data = torch.randn_like(values) * 0.1
        return segmentor

    teacher = {"type": "mmseg_ext.SparseEncoderDecoder", "teacher": {"start": 1}}
    predictor = predictor_of(tmp_path, NETWORKS["unet"], prepare=with_other_teacher, **teacher)
    images_NHWC = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), np.uint8)
    with torch.no_grad():
        expected = probabilities(predictor.logits(images_NHWC)[0], None)
        student = predictor.segmentor.encode_decode(
            torch.zeros(1, 3, 64, 64), [{"img_shape": (64, 64), "pad_shape": (64, 64)}]
        )
        network = ExportableNetwork(predictor.segmentor).eval()
        found = network(graph_input(images_NHWC))[0]
        teacher_logits = network.input_logits(torch.zeros(1, 3, 64, 64))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    assert not torch.allclose(student, teacher_logits)
