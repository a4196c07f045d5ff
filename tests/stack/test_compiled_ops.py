"""mmcv with and without its compiled ops."""

import importlib.abc
import sys
import types

import pytest
from fresh_python import run_python

from mmseg_ext import stack


class Finder(importlib.abc.MetaPathFinder):
    """Finds `mmcv._ext`, and fails with a given error."""

    def __init__(self, error):
        self.error = error

    def find_spec(self, name, path=None, target=None):
        if name == "mmcv._ext":
            raise self.error
        return None


@pytest.fixture
def mmcv(monkeypatch):
    import mmcv

    monkeypatch.delitem(sys.modules, "mmcv._ext", raising=False)
    monkeypatch.setattr(mmcv, "_ext", None, raising=False)
    return mmcv


def test_real_ops_are_left_alone(monkeypatch, mmcv):
    real = types.ModuleType("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", real)
    assert stack.install_ops_stand_in() is False
    assert sys.modules["mmcv._ext"] is real


@pytest.mark.filterwarnings("error")
def test_ops_raise_only_when_called(monkeypatch, mmcv):
    error = ModuleNotFoundError("No module named 'mmcv._ext'", name="mmcv._ext")
    monkeypatch.setattr(sys, "meta_path", [Finder(error), *sys.meta_path])
    assert stack.install_ops_stand_in() is True
    assert stack.install_ops_stand_in() is True
    ext = sys.modules["mmcv._ext"]
    assert mmcv._ext is ext
    assert not hasattr(ext, "__path__")
    assert not hasattr(ext, "__wrapped__")
    with pytest.raises(stack.MissingOpError, match=r"`nms` needs compiled ops.*Install an mmcv"):
        ext.nms(1, iou_threshold=0.5)
    with pytest.raises(
        RuntimeError,
        match=r"ms_deform_attn_forward.*mmseg_ext\.MultiScaleDeformableAttention.*mmseg_ext\.Mask2FormerHead",
    ):
        ext.ms_deform_attn_forward()
    assert ext.get_compiler_version() == "n/a"


def test_ops_that_do_not_load_are_named(monkeypatch, mmcv):
    error = ImportError("mmcv/_ext.so: undefined symbol: _ZN3c10")
    monkeypatch.setattr(sys, "meta_path", [Finder(error), *sys.meta_path])
    with pytest.warns(UserWarning, match="undefined symbol: _ZN3c10"):
        assert stack.install_ops_stand_in() is True
    with pytest.raises(stack.MissingOpError, match="undefined symbol"):
        sys.modules["mmcv._ext"].nms()


def test_a_broken_mmcv_is_not_hidden(monkeypatch, mmcv):
    error = ModuleNotFoundError("No module named 'libdep'", name="libdep")
    monkeypatch.setattr(sys, "meta_path", [Finder(error), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="libdep"):
        stack.install_ops_stand_in()


def test_mask2former_trains_on_cpu(tmp_path):
    out, _ = run_python(
        """
        from pathlib import Path
        from mmseg_ext import stack
        stack.prepare()
        import mmseg, torch
        from mmengine.config import Config
        from mmengine.structures import PixelData
        from mmengine.utils.dl_utils import collect_env, mmcv_full_available
        from mmseg.registry import MODELS
        from mmseg.structures import SegDataSample
        from mmseg.utils import register_all_modules

        mmcv_full_available(), collect_env()
        register_all_modules()
        configs = Path(mmseg.__file__).parent / ".mim/configs/mask2former"
        cfg = Config.fromfile(configs / "mask2former_r50_8xb2-160k_ade20k-512x512.py").model
        cfg.backbone.init_cfg = None
        cfg.backbone.norm_cfg.type = "BN"
        cfg.data_preprocessor.size = (64, 64)
        head = cfg.decode_head
        head.num_queries = 5
        head.train_cfg.num_points = 32
        head.pixel_decoder.encoder.num_layers = 1
        head.transformer_decoder.num_layers = 2
        torch.manual_seed(0)
        model = MODELS.build(cfg).train()
        label_HW = torch.zeros(1, 64, 64, dtype=torch.long)
        label_HW[:, 32:] = 3
        sample = SegDataSample(metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64)))
        sample.gt_sem_seg = PixelData(data=label_HW)
        batch = dict(inputs=[torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8)], data_samples=[sample])
        batch = model.data_preprocessor(batch, training=True)
        loss, _ = model.parse_losses(model(**batch, mode="loss"))
        loss.backward()
        offsets = model.decode_head.pixel_decoder.encoder.layers[0].self_attn.sampling_offsets
        print(bool(loss.isfinite()), float(offsets.weight.grad.abs().sum()) > 0)
        """,
        tmp_path,
    )
    assert out.splitlines()[-1] == "True True"
