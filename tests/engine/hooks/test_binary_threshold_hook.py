"""From the validation to the checkpoint to the test, by real runs of a few iterations."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from PIL import Image

from mmseg_ext.engine import launch
from mmseg_ext.engine.hooks.binary_threshold_hook import META_KEY, binary_heads
from mmseg_ext.engine.testing_options import mirror_pipeline, use_tta
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions import decode_rle

ONE_CHANNEL = """
model = dict(
    type="mmseg_ext.EncoderDecoder",
    keep_logits=True,
    decode_head=dict(
        type="FPNHead",
        num_classes=2,
        out_channels=1,
        threshold=0.9,
        loss_decode=dict(_delete_=True, type="CrossEntropyLoss", use_sigmoid=True, avg_non_ignore=True),
    ),
)
metainfo = dict(classes=("background", "building"), palette=[[0, 0, 0], [255, 0, 0]])
prefixes = dict(img_path="images", seg_map_path="masks")
dataset = dict(
    _delete_=True, type="BaseSegDataset", data_root="{data}", metainfo=metainfo, data_prefix=prefixes, img_suffix=".png"
)
train_dataloader = dict(dataset=dict(**dataset, pipeline={{{{_base_.train_pipeline}}}}))
val_dataloader = dict(dataset=dict(**dataset, pipeline={{{{_base_.test_pipeline}}}}))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type="mmseg_ext.SegmentationMetric"),
    dict(type="mmseg_ext.ThresholdMetric"),
]
test_evaluator = [
    *val_evaluator,
    dict(
        type="mmseg_ext.CleanUp",
        steps=[dict(classes=["building"], min_area=2)],
        metrics=[dict(type="mmseg_ext.PolygonSubmission")],
    ),
    dict(type="mmseg_ext.RLESubmission"),
]
default_hooks = dict(checkpoint=dict(interval=2, save_best="binary/IoU", rule="greater"))
train_cfg = dict(max_iters=4, val_interval=2)
custom_hooks = [dict(type="mmseg_ext.BinaryThresholdHook")]
"""


@pytest.fixture
def binary_config(tiny_config, tmp_path):
    """The tiny config with a head of one channel, on four images of bright squares."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "squares" / kind).mkdir(parents=True)
    for i in range(4):
        mask = np.zeros((40, 48), np.uint8)
        top, left = rng.integers(2, 18, 2)
        mask[top : top + 18, left : left + 20] = 1
        image = np.clip(90 * mask[..., None] + rng.normal(80, 25, (40, 48, 3)), 0, 255).astype(np.uint8)
        mask[:, -3:] = 255
        Image.fromarray(image).save(tmp_path / "squares" / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "squares" / "masks" / f"{i}.png")
    path = tmp_path / "binary.py"
    path.write_text('_base_ = "tiny.py"\n' + ONE_CHANNEL.format(data=tmp_path / "squares"))
    return path


def threshold_in(path):
    return torch.load(path, map_location="cpu", weights_only=False)["meta"].get(META_KEY)


def scalars_of(work_dir):
    rows = [json.loads(line) for file in work_dir.glob("*/vis_data/scalars.json") for line in file.open()]
    return [row for row in rows if "binary/threshold" in row]


def test_the_threshold_goes_from_the_validation_to_the_checkpoint_to_the_test(binary_config, tmp_path):
    work_dir = tmp_path / "run"
    runner = launch.train(launch.load_config(str(binary_config), str(work_dir)))
    validations = scalars_of(work_dir)
    assert [row["step"] for row in validations] == [2, 4]
    chosen = {row["step"]: row["binary/threshold"] for row in validations}
    (head,) = binary_heads(runner.model)
    assert head.threshold == chosen[4] != 0.9
    # The checkpoints of the iterations of the validations hold what these have chosen.
    assert {step: threshold_in(work_dir / f"iter_{step}.pth") for step in (2, 4)} == chosen
    (best,) = work_dir.glob("best_binary_IoU_*.pth")
    scores = {row["step"]: row["binary/IoU"] for row in validations}
    assert threshold_in(best) == chosen[max(scores, key=scores.__getitem__)]
    # The curve.
    with (work_dir / "pictures" / "threshold.csv").open() as file:
        rows = {float(row["threshold"]): row for row in csv.DictReader(file)}
    assert len(rows) == 1024
    assert float(rows[chosen[4]]["IoU"]) == pytest.approx(scores[4], abs=0.006)
    assert (work_dir / "pictures" / "threshold.png").is_file()

    # A test takes the checkpoint's threshold, and so do the writers.
    config = launch.load_config(str(binary_config), str(tmp_path / "test"))
    found = launch.test(config, str(work_dir / "iter_4.pth"))
    assert found["IoU.building"] == pytest.approx(scores[4], abs=0.011)
    assert found["rle/IoU"] == found["IoU.building"]
    assert "binary/threshold" not in found
    assert (tmp_path / "test" / "pictures" / "threshold_test.png").is_file()
    (written,) = (tmp_path / "test").glob("*/submission.csv")
    with written.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["ImageId"] for row in rows] == ["0", "1", "2", "3"]
    positives = sum(decode_rle(row["EncodedPixels"], (40, 48))[:, :-3].sum() for row in rows)
    with (tmp_path / "test" / "pictures" / "threshold_test.csv").open() as file:
        curve = {float(row["threshold"]): row for row in csv.DictReader(file)}
    row = curve[chosen[4]]
    assert positives == int(row["true_positives"]) + int(row["false_positives"])
    (polygons,) = (tmp_path / "test").glob("*/polygons.csv")
    assert len(polygons.read_text().splitlines()) == 5

    # Test-time augmentation takes it too, with the image and its mirror image.
    config = launch.load_config(str(binary_config), str(tmp_path / "tta"))
    use_tta(config)
    augmented = launch.test(config, str(work_dir / "iter_4.pth"))
    assert augmented["binary/AP"] > 0
    assert augmented["rle/IoU"] == augmented["IoU.building"]
    assert f"Threshold of the foreground's probability: {chosen[4]:g} (from the checkpoint)" in log_of(tmp_path / "tta")


def log_of(work_dir):
    return "".join(path.read_text() for path in work_dir.glob("*/*.log"))


def test_a_resumed_run_goes_on_with_the_threshold(binary_config, tmp_path):
    work_dir = tmp_path / "run"
    options = {"train_cfg.max_iters": 2}
    launch.train(launch.load_config(str(binary_config), str(work_dir), options))
    chosen = threshold_in(work_dir / "iter_2.pth")
    options = {"train_cfg.max_iters": 3, "train_cfg.val_interval": 10, "default_hooks.checkpoint.interval": 1}
    options["val_cfg"], options["val_dataloader"], options["val_evaluator"] = None, None, None
    options["default_hooks.checkpoint.save_best"] = None
    runner = launch.train(launch.load_config(str(binary_config), str(work_dir), options), resume=True)
    assert binary_heads(runner.model)[0].threshold == chosen
    assert threshold_in(work_dir / "iter_3.pth") == chosen


def test_a_checkpoint_without_a_threshold_leaves_the_configs(binary_config, tmp_path):
    config = launch.load_config(str(binary_config), str(tmp_path / "run"))
    runner = launch.build_runner(config)
    torch.save({"state_dict": runner.model.state_dict(), "meta": {}}, tmp_path / "plain.pth")
    config = launch.load_config(str(binary_config), str(tmp_path / "test"))
    config.test_evaluator = config.test_evaluator[:1]
    launch.test(config, str(tmp_path / "plain.pth"))
    assert "Threshold of the foreground's probability: 0.9 (the config's)" in log_of(tmp_path / "test")


def test_without_a_head_of_one_channel_nothing_happens(run_tiny, tmp_path):
    run_tiny(tmp_path / "run", [{"type": "mmseg_ext.BinaryThresholdHook"}])
    assert threshold_in(tmp_path / "run" / "iter_3.pth") is None
    assert not (tmp_path / "run" / "pictures").exists()


def test_the_mirror_pipeline_leaves_the_labels_as_they_are(binary_config, mmseg_scope):
    config = Config.fromfile(binary_config)
    first, augmentation = mirror_pipeline(config.test_dataloader.dataset.pipeline)
    assert first["type"] == "LoadImageFromFile"
    dataset = BaseSegDataset(
        data_root=config.dataset.data_root,
        metainfo=dict(config.metainfo),
        data_prefix=dict(config.prefixes),
        img_suffix=".png",
        pipeline=[first, augmentation],
    )
    item = dataset[0]
    plain, mirrored = item["inputs"]
    assert torch.equal(mirrored, plain.flip(2))
    assert torch.equal(*(sample.gt_sem_seg.data for sample in item["data_samples"]))
    assert [bool(sample.flip) for sample in item["data_samples"]] == [False, True]
    with pytest.raises(UserError, match="begins by loading the image for --tta, got Resize"):
        mirror_pipeline([{"type": "Resize"}])


def test_the_runtime_of_all_configs_has_the_hook():
    root = Path(launch.__file__).resolve().parents[2]
    runtime = Config.fromfile(root / "configs" / "_base_" / "default_runtime.py")
    assert {"type": "mmseg_ext.BinaryThresholdHook"} in runtime.custom_hooks
    assert runtime.tta_model.type == "mmseg_ext.SegTTAModel"


def test_a_validation_without_foreground_keeps_the_threshold_and_the_run_goes_on(binary_config, tmp_path):
    for path in (tmp_path / "squares" / "masks").iterdir():
        Image.fromarray(np.zeros((40, 48), np.uint8)).save(path)
    runner = launch.train(launch.load_config(str(binary_config), str(tmp_path / "run")))
    assert runner.iter == 4
    assert binary_heads(runner.model)[0].threshold == 0.9, "the config's"
    assert threshold_in(tmp_path / "run" / "iter_4.pth") is None
    assert not list((tmp_path / "run").glob("best_*.pth"))
    assert (tmp_path / "run" / "pictures" / "threshold.png").is_file()
