"""The guards around the stack. What leaves traces in a process runs in a process of its own."""

import importlib.abc
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

from mmseg_ext import stack
from mmseg_ext.errors import UserError
from mmseg_ext.stack.safe_checkpoints import _checkpoint_globals, explained_refusal

ROOT = Path(stack.__file__).parents[2]
NO_NETWORK = """
import socket
def no_network(*args, **kwargs):
    raise socket.gaierror(-2, "Name or service not known")
socket.getaddrinfo = no_network
"""


def run_python(code, cwd, env=None, network=True):
    """Run code in a fresh Python; return what it wrote to stdout and to stderr."""
    unset = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "PYTHONWARNINGS", "HF_HUB_OFFLINE"}
    unset |= {name for name in os.environ if not network and name.lower().endswith("_proxy")}
    clean = {name: value for name, value in os.environ.items() if name not in unset}
    script = ("" if network else NO_NETWORK) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=cwd,
        env={**clean, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, done.stderr


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


# Compiled ops


class Finder(importlib.abc.MetaPathFinder):
    """Finds `mmcv._ext`, and fails as told."""

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


def test_ops_that_do_not_load_are_told_about(monkeypatch, mmcv):
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


# pip


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


# Checkpoints


def test_own_checkpoints_resume_safely(tmp_path):
    out, err = run_python(
        """
        import torch
        from mmseg_ext import stack
        stack.prepare()
        from mmengine.logging import MessageHub
        from mmengine.model import BaseModel
        from mmengine.runner import Runner

        class Model(BaseModel):
            def __init__(self):
                super().__init__()
                self.linear = torch.nn.Linear(2, 1)
            def forward(self, inputs, mode):
                return dict(loss=self.linear(torch.stack(inputs)).square().sum(), acc_seg=torch.tensor(50.0))

        asked = []
        stock_load = torch.load
        def load(*args, **kwargs):
            asked.append(kwargs["weights_only"])
            return stock_load(*args, **kwargs)
        torch.load = load

        def run(max_iters, resume):
            runner = Runner(
                Model(), "run", experiment_name=str(max_iters), resume=resume,
                train_dataloader=dict(
                    dataset=[dict(inputs=torch.ones(2)) for _ in range(4)], batch_size=2,
                    sampler=dict(type="InfiniteSampler", shuffle=True)),
                train_cfg=dict(type="IterBasedTrainLoop", max_iters=max_iters),
                optim_wrapper=dict(optimizer=dict(type="AdamW", lr=0.1)),
                param_scheduler=[dict(type="PolyLR", by_epoch=False, end=4)],
                default_hooks=dict(
                    logger=dict(type="LoggerHook", interval=1),
                    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2)),
                custom_hooks=[dict(type="EMAHook")], randomness=dict(seed=0))
            if not resume:
                runner.message_hub.update_info("best_score", __import__("numpy").float32(0.5))
            runner.train()
            return runner

        first = run(2, False)
        losses = first.message_hub.get_scalar("train/loss").data[0].tolist()
        runner = run(4, True)
        hub = runner.message_hub
        assert runner.iter == 4
        assert hub.get_scalar("train/loss").data[0].tolist()[:2] == losses
        assert hub.get_scalar("train/loss").mean() > 0
        assert float(hub.get_info("best_score")) == 0.5
        state = runner.optim_wrapper.optimizer.state_dict()["state"]
        assert [int(value["step"]) for value in state.values()] == [4, 4]
        print(asked)
        """,
        tmp_path,
    )
    assert out.splitlines()[-1] == "[True]"
    assert "Falling back" not in out + err


EVIL = """
import collections, os, pickle, sys, torch
class Evil:
    def __init__(self, function, *args):
        self.reduced = function, args
    def __reduce__(self):
        return self.reduced
class Custom:
    pass
from mmengine.logging import HistoryBuffer
torch.save(dict(state_dict={}, meta=Evil(os.system, "touch ran")), "system.pth")
torch.save(dict(state_dict={}, meta=Custom()), "custom.pth")
torch.save(dict(state_dict={}, meta=Evil(getattr, HistoryBuffer, "__init__")), "getattr.pth")
torch.save(dict(state_dict={}, meta=Evil(eval, "open('ran', 'w')")), "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(dict(state_dict={}, meta=Evil(os.system, "touch ran")), "protocol.pth", pickle_protocol=4)
"""


def test_code_in_a_checkpoint_is_refused(tmp_path):
    run_python(EVIL, tmp_path)
    (tmp_path / "page.pth").write_text("<html>404</html>")
    (tmp_path / "short.pth").write_bytes((tmp_path / "custom.pth").read_bytes()[:200])
    (tmp_path / "empty.pth").write_bytes(b"")
    out, _ = run_python(
        """
        import subprocess, sys, torch
        from mmseg_ext import stack
        from mmseg_ext.errors import UserError
        stack.prepare()
        from mmengine.runner import load_checkpoint
        from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint
        names = "system custom getattr legacy protocol page short empty".split()
        for name in names:
            try:
                _load_checkpoint(f"{name}.pth")
            except UserError as error:
                print(error)
        try:
            torch.load("system.pth", weights_only=False)
        except Exception as error:
            print(type(error).__name__)
        child = [sys.executable, "-c", "import torch; torch.load('system.pth', weights_only=False)"]
        print("Weights only load failed" in subprocess.run(child, capture_output=True, text=True).stderr)
        """,
        tmp_path,
        env={"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
    )
    assert not (tmp_path / "ran").exists()
    lines = [line for line in out.splitlines() if not line.startswith("Loads checkpoint by")]
    assert len(lines) == 10
    found = {"system": "posix.system", "custom": "__main__.Custom", "getattr": "builtins.getattr", "legacy": "eval"}
    for line, (name, held) in zip(lines[:4], found.items(), strict=True):
        assert line.startswith(f"Refused to load {name}.pth: besides weights it holds `{held}`")
        assert line.endswith("--trust-checkpoint")
    for line, name in zip(lines[4:8], ("protocol", "page", "short", "empty"), strict=True):
        assert line.startswith(f"Expected weights in {name}.pth, got something else")
    assert lines[8:] == ["UnpicklingError", "True"]


def test_a_trusted_checkpoint_loads(tmp_path):
    run_python(EVIL, tmp_path)
    out, _ = run_python(
        """
        import os
        from mmseg_ext import stack
        stack.prepare()
        stack.prepare(trust_checkpoint=True)
        from mmengine.runner.checkpoint import _load_checkpoint
        print(_load_checkpoint("system.pth"), "TORCH_FORCE_WEIGHTS_ONLY_LOAD" in os.environ)
        """,
        tmp_path,
    )
    assert out.splitlines()[-1] == "{'state_dict': {}, 'meta': 0} False"
    assert (tmp_path / "ran").exists()


def test_checkpoints_of_numpy_1_are_allowed():
    names = {entry[1] for entry in _checkpoint_globals() if isinstance(entry, tuple)}
    assert {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"} <= names
    assert getattr not in _checkpoint_globals()


# Downloads


def test_failed_downloads_end_in_one_line(tmp_path):
    out, err = run_python(
        """
        import time
        import torch
        from mmseg_ext import stack
        from mmseg_ext.errors import UserError
        stack.prepare()
        from mmengine.runner.checkpoint import _load_checkpoint
        from mmseg.models import TIMMBackbone
        start = time.monotonic()
        for what in (
            lambda: _load_checkpoint("https://download.openmmlab.com/pretrain/resnet50_v1c-2cccc1ad.pth?x=1"),
            lambda: _load_checkpoint("torchvision://resnet50"),
            lambda: _load_checkpoint("open-mmlab://resnet50_v1c"),
            lambda: TIMMBackbone("test_vit.r160_in1k"),
        ):
            try:
                what()
            except UserError as error:
                print("ERROR", error)
        assert time.monotonic() - start < 30
        """,
        tmp_path,
        env={"TORCH_HOME": str(tmp_path / "torch"), "HF_HUB_CACHE": str(tmp_path / "hub")},
        network=False,
    )
    lines = [line for line in out.splitlines() if not line.startswith(("Downloading: ", "Loads checkpoint by "))]
    assert len(lines) == 4
    assert err == ""
    for line in lines:
        assert line.startswith("ERROR Could not download the weights ")
        assert "Name or service not known" in line
        assert "--cfg-options model.pretrained=None model.backbone.init_cfg=None" in line
    assert f"Put the file at {tmp_path}/torch/hub/checkpoints/resnet50_v1c-2cccc1ad.pth," in lines[0]
    assert "https://download.pytorch.org/models/resnet50-" in lines[1]
    assert (
        f"models--timm--test_vit.r160_in1k (elsewhere: hf download timm/test_vit.r160_in1k) into {tmp_path}/hub"
        in (lines[3])
    )


def test_the_caches_work_without_a_network(tmp_path):
    out, err = run_python(
        """
        import os
        import timm, torch
        from pathlib import Path
        from safetensors.torch import save_file
        from mmseg_ext import stack
        from mmseg_ext.errors import UserError
        weights = timm.create_model("test_vit.r160_in1k").state_dict()
        repository = Path("hub/models--timm--test_vit.r160_in1k")
        (repository / "snapshots/abc").mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs/main").write_text("abc")
        save_file(weights, repository / "snapshots/abc/model.safetensors")
        Path("torch/hub/checkpoints").mkdir(parents=True)
        torch.save(weights, "torch/hub/checkpoints/some.pth")
        torch.save(stack.prepare, "torch/hub/checkpoints/evil.pth")
        stack.prepare()
        model = timm.create_model("test_vit.r160_in1k", pretrained=True)
        from mmengine.runner.checkpoint import _load_checkpoint
        loaded = _load_checkpoint("https://example.com/some.pth")
        for name, weight in weights.items():
            assert torch.equal(model.state_dict()[name], weight)
            assert torch.equal(loaded[name], weight)
        try:
            _load_checkpoint("https://example.com/evil.pth")
        except UserError as error:
            print(error)
        """,
        tmp_path,
        env={"TORCH_HOME": str(tmp_path / "torch"), "HF_HUB_CACHE": str(tmp_path / "hub")},
        network=False,
    )
    assert err == ""
    refusal = out.splitlines()[-1]
    assert refusal.startswith(f"Refused to load {tmp_path}/torch/hub/checkpoints/evil.pth: besides weights it holds")
    assert "`mmseg_ext.stack.prepare`" in refusal


def test_weights_that_are_not_there_end_in_one_line(tmp_path):
    from mmengine.runner.checkpoint import _load_checkpoint

    with pytest.raises(
        UserError, match=r"Expected weights at .*/swin\.pth, found no file\. Name another .*init_cfg=None"
    ):
        _load_checkpoint(str(tmp_path / "swin.pth"))


def test_other_errors_pass_through():
    with pytest.raises(KeyError), stack.explained_download("https://example.com/x.pth"):
        raise KeyError("x")
    with pytest.raises(UserError, match=r"\(two lines\)"), stack.explained_download("https://example.com/x.pth"):
        raise ConnectionError("two\nlines")
    with pytest.raises(RuntimeError, match="out of memory"), explained_refusal("x.pth"):
        raise RuntimeError("out of memory")


# Noise


def test_stock_warnings_go_once_into_the_log(tmp_path):
    out, err = run_python(
        """
        import sys, warnings
        from mmseg_ext import stack
        stack.prepare()
        from mmengine.logging import MMLogger, print_log
        import mmseg.datasets

        def warner(module, filename):
            namespace = {"__name__": module}
            source = "import warnings\\ndef warn(*args, **kwargs): warnings.warn(*args, **kwargs)"
            exec(compile(source, filename, "exec"), namespace)
            return namespace["warn"]

        stock = warner("mmseg.datasets.transforms.loading", "/src/mmsegmentation/mmseg/datasets/loading.py")
        other = warner("torch.functional", sys.modules["torch"].functional.__file__)
        ours = warner("mmseg_ext.datasets.loveda", sys.modules["torch"].functional.__file__)
        user = warner("projects.roofs", "/home/me/projects/roofs.py")

        warnings.simplefilter("always")
        stock("before the log", FutureWarning)
        logger = MMLogger.get_instance("run", log_file="run.log", log_level="WARNING")
        for _ in range(3):
            stock("`reduce_zero_label` will be deprecated", stacklevel=2)
            other("torch.meshgrid: in an upcoming release", FutureWarning)
        ours("ours is seen", stacklevel=3)
        ours("ours to mend", FutureWarning)
        user("the user's is seen")
        print_log("too small to print", level=10)
        print_log("printed")
        """,
        tmp_path,
    )
    log = (tmp_path / "run.log").read_text()
    for text in ("before the log", "`reduce_zero_label` will be deprecated", "torch.meshgrid"):
        assert log.count(text) == 1
        assert text not in out + err
    for text in ("ours is seen", "ours to mend", "the user's is seen"):
        assert text in err
        assert text not in log
    assert out == "printed\n"


def test_workers_write_a_warning_once(tmp_path):
    out, err = run_python(
        """
        import torch
        from mmseg_ext import stack
        stack.prepare()
        from mmengine.logging import MMLogger

        class Data(torch.utils.data.Dataset):
            def __len__(self):
                return 8
            def __getitem__(self, index):
                exec("import warnings; warnings.warn('from a worker')", {"__name__": "mmseg.datasets"})
                return index

        exec("import warnings; warnings.warn('kept')", {"__name__": "mmcv.ops"})
        MMLogger.get_instance("run", log_file="run.log")
        print(sum(map(int, torch.utils.data.DataLoader(Data(), num_workers=2, multiprocessing_context="fork"))))
        """,
        tmp_path,
    )
    log = (tmp_path / "run.log").read_text()
    assert (log.count("from a worker"), log.count("kept")) == (1, 1)
    assert (out, err) == ("28\n", "")


def test_warnings_without_a_later_one_reach_the_log(tmp_path):
    run_python(
        """
        from mmseg_ext import stack
        stack.prepare()
        exec("import warnings; warnings.warn('kept')", {"__name__": "mmcv.ops"})
        from mmengine.logging import MMLogger
        MMLogger.get_instance("run", log_file="run.log")
        """,
        tmp_path,
    )
    assert (tmp_path / "run.log").read_text().count("kept") == 1
