"""What ends a run from outside, or by a config that does not fit, is one line that names it."""

import errno
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.hooks import Hook
from PIL import Image

from mmseg_ext.engine import launch
from mmseg_ext.engine.fault_causes import explain_fault
from mmseg_ext.errors import UserError
from mmseg_ext.registry import HOOKS, TRANSFORMS


@TRANSFORMS.register_module(force=True)
class KillWorker(BaseTransform):
    """Ends its process, as the system does where memory runs out."""

    def transform(self, results):
        os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module(force=True)
class ChangeFiles(Hook):
    """Changes files behind the check of the data."""

    change = None

    def before_train(self, runner):
        self.change()


@pytest.fixture
def own_data(tiny_data, tmp_path):
    """Data that a test may damage."""
    return shutil.copytree(tiny_data, tmp_path / "own" / "loveda")


@pytest.fixture
def fault_of(tiny_config, tmp_path):
    def run(options=(), hooks=(), **changes):
        options = {"train_cfg.max_iters": 2, **dict(options)}
        config = launch.load_config(str(tiny_config), str(tmp_path / "run"), options)
        config.custom_hooks = list(hooks)
        for key, value in changes.items():
            config.train_dataloader.dataset[key] = value
        with pytest.raises(UserError) as caught:
            launch.train(config)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


LOADING = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}]
PACKING = {"type": "PackSegInputs"}


def test_a_killed_worker_is_named_with_the_way_to_less_memory(fault_of):
    text = fault_of({"train_dataloader.num_workers": 2}, pipeline=[{"type": "mmseg_ext.KillWorker"}, PACKING])
    assert text.startswith("A data loading worker ")
    assert "train_dataloader: 2 workers with batches of 2. Use less memory: --cfg-options" in text
    assert "train_dataloader.num_workers=1 train_dataloader.batch_size=1, or end other programs" in text


@pytest.mark.parametrize(
    "error", ["(pid 123) is killed by signal: Bus error. It is possible that", "(pid(s) 1, 2) exited unexpectedly"]
)
def test_every_way_in_which_torch_says_it(error):
    config = Config({"train_dataloader": {"batch_size": 8, "num_workers": 4}})
    text = str(explain_fault(RuntimeError(f"DataLoader worker {error}"), config, None))
    assert "train_dataloader: 4 workers with batches of 8." in text
    assert ("/dev/shm" in text) == ("Bus" in error)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried …"), MemoryError()])
def test_full_memory_says_the_batch(error):
    text = str(explain_fault(error, Config({"train_dataloader": {"batch_size": 8}}), None))
    assert "memory ran out with batches of 8 (train_dataloader). Use less: --cfg-options" in text


def test_an_image_that_is_gone_since_the_check(fault_of, own_data):
    ChangeFiles.change = staticmethod(lambda: [path.unlink() for path in own_data.glob("Train/*/images_png/*.png")])
    hooks = [{"type": "mmseg_ext.ChangeFiles"}]
    text = fault_of({"train_dataloader.num_workers": 1}, hooks, data_root=str(own_data))
    assert text.startswith(f"{own_data}/Train/")
    assert ".png: No such file or directory. It may have been moved or removed" in text


def test_an_image_that_was_damaged_since_the_check(fault_of, own_data):
    ChangeFiles.change = staticmethod(lambda: [p.write_bytes(b"x") for p in own_data.glob("Train/*/images_png/*.png")])
    options = {"train_dataloader.num_workers": 1}
    pipeline = [{"type": "mmseg_ext.LoadImageFromFile"}, LOADING[1], PACKING]
    text = fault_of(options, [{"type": "mmseg_ext.ChangeFiles"}], data_root=str(own_data), pipeline=pipeline)
    assert text.startswith(f"Expected an image in {own_data}/Train/")


@pytest.mark.parametrize(
    ("split", "mask_HW", "what"),
    [
        (
            "Train",
            np.full((48, 48), 9, np.uint8),
            "Expected labels in 0..6 (or 255 where ignored), got [8] at 2304 pixels.",
        ),
        ("Val", np.ones((48, 40), np.uint8), "Expected a prediction of shape (48, 40), got (48, 48)."),
    ],
)
def test_a_mask_that_was_replaced_since_the_check(fault_of, own_data, split, mask_HW, what):
    masks = list(own_data.glob(f"{split}/*/masks_png/*.png"))
    ChangeFiles.change = staticmethod(lambda: [Image.fromarray(mask_HW).save(path) for path in masks])
    hooks = [{"type": "mmseg_ext.ChangeFiles"}]
    options = {"val_dataloader.dataset.data_root": str(own_data)}
    text = fault_of(options, hooks, data_root=str(own_data), pipeline=[*LOADING, PACKING])
    assert text.startswith(f"{own_data}/{split}/")
    assert what in text


def test_feature_maps_of_another_backbone(fault_of):
    text = fault_of({"model.backbone.base_channels": 16})
    assert text == (
        "Expected feature maps of [8, 16, 32, 64] channels before model.neck (FPN), got [16, 32, 64, 128]. "
        "Set model.neck.in_channels=[16, 32, 64, 128]."
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SamplePoints", "Did you mean mmseg_ext.SamplePoints?"),
        ("RandomCrops", "Did you mean RandomCrop?"),
        ("Qwxyz", "Import the module that registers it (custom_imports)."),
    ],
)
def test_a_type_that_is_not_registered(fault_of, name, hint):
    text = fault_of({}, pipeline=[*LOADING, {"type": name}, PACKING])
    assert text == f"There is no transform {name!r}. {hint}"


def test_folders_in_which_no_image_is_found(fault_of, tmp_path):
    (tmp_path / "photos" / "images").mkdir(parents=True)
    (tmp_path / "photos" / "images" / "a.JPG").touch()
    dataset = {"type": "BaseSegDataset", "data_root": str(tmp_path / "photos"), "data_prefix": {"img_path": "images"}}
    dataset |= {"metainfo": {"classes": ["a", "b"], "palette": [[0, 0, 0], [1, 1, 1]]}, "pipeline": [*LOADING, PACKING]}
    text = fault_of({"train_dataloader.dataset": {**dataset, "_delete_": True}})
    assert text.startswith(
        f"{tmp_path}/photos/images: BaseSegDataset found no image-mask pairs. Put images named *.jpg"
    )
    assert text.endswith("The folder holds 1 *.JPG.")
    text = fault_of({"train_dataloader.dataset": {**dataset, "ann_file": "train.txt", "_delete_": True}})
    assert text == (
        f"Expected the list of images `ann_file` of BaseSegDataset at {tmp_path}/photos/train.txt, found none. Set "
        "ann_file or data_root."
    )


def test_a_preprocessor_without_a_size(fault_of):
    text = fault_of({"model.data_preprocessor.size": None})
    assert text == (
        "Expected one of `size` and `size_divisor` in model.data_preprocessor, got none. The images of a batch are "
        "padded to it: set size=(32, 32), the size of the training crops."
    )


def test_a_log_file_on_a_full_disk_ends_the_run(tiny_config, tmp_path, capsys):
    config = launch.load_config(str(tiny_config), str(tmp_path / "run"), {"train_cfg.max_iters": 2})
    config.custom_hooks = []
    runner = launch.build_runner(config)
    (handler,) = [handler for handler in runner.logger.handlers if hasattr(handler, "baseFilename")]
    runner.logger.info("a name that is not UTF-8: \udce9 →")
    assert "a name that is not UTF-8: ? →" in (
        tmp_path / "run" / runner.timestamp / f"{runner.timestamp}.log"
    ).read_text("utf-8")

    class FullDisk:
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self):
            pass

    handler.setStream(FullDisk())
    with pytest.raises(OSError, match="No space left on device") as caught:
        runner.logger.info("a line")
    assert caught.value.filename.endswith(".log")
    runner.logger.info("what is logged while the run ends")
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_without_a_known_cause_keeps_its_traceback():
    assert explain_fault(ValueError("a bug"), Config({}), None) is None
    assert explain_fault(KeyError("a bug"), Config({}), None) is None
    assert explain_fault(KeyboardInterrupt(), Config({}), None) is None
