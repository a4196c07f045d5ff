"""A stock config of mmseg, moved over by writing the prefix: it trains, tests, predicts and prints its scores."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.models.segmentors import SegTTAModel as StockSegTTAModel
from PIL import Image

from mmseg_ext.engine import launch
from mmseg_ext.engine.testing_options import use_tta
from mmseg_ext.errors import MissingLogitsError
from mmseg_ext.models import SegTTAModel

ROOT = Path(__file__).resolve().parents[2]

# As mmseg's own configs write it: no hook of ours, no `custom_hooks` at all.
STOCK = """
default_scope = "mmseg"
env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0))
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="SegLocalVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(by_epoch=False)
log_level = "INFO"
load_from = None
resume = False
tta_model = dict(type="{tta}SegTTAModel")
norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    type="{ours}EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True,
        pad_val=0, seg_pad_val=255, size=(32, 32),
    ),
    backbone=dict(
        type="ResNetV1c", depth=18, stem_channels=4, base_channels=4, num_stages=1, strides=(1,), dilations=(1,),
        out_indices=(0,), norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        type="FCNHead", in_channels=4, channels=4, num_convs=1, concat_input=False, num_classes=7, norm_cfg=norm_cfg,
        align_corners=False, loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
train_pipeline = [
    dict(type="{ours}LoadImageFromFile"),
    dict(type="{ours}LoadAnnotations", reduce_zero_label=True),
    dict(type="{ours}RandomResize", scale=(64, 48), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="{ours}RandomCrop", crop_size=(32, 32), cat_max_ratio=0.75),
    dict(type="{ours}RandomFlip", prob=0.5),
    dict(type="{ours}PhotoMetricDistortion"),
    dict(type="{ours}PackSegInputs"),
]
test_pipeline = [
    dict(type="{ours}LoadImageFromFile"),
    dict(type="{ours}Resize", scale=(64, 48), keep_ratio=True),
    dict(type="{ours}LoadAnnotations", reduce_zero_label=True),
    dict(type="{ours}PackSegInputs"),
]
tta_pipeline = [
    dict(type="{ours}LoadImageFromFile"),
    dict(type="TestTimeAug", transforms=[
        [dict(type="{ours}Resize", scale_factor=r, keep_ratio=True) for r in (0.5, 1.0)],
        [dict(type="{ours}RandomFlip", prob=p, direction="horizontal") for p in (0.0, 1.0)],
        [dict(type="{ours}LoadAnnotations", reduce_zero_label=True)],
        [dict(type="{ours}PackSegInputs")],
    ]),
]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(type="LoveDADataset", data_root="{data}", pipeline=train_pipeline,
                 data_prefix=dict(img_path="img_dir/train", seg_map_path="ann_dir/train")),
)
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="LoveDADataset", data_root="{data}", pipeline=test_pipeline,
                 data_prefix=dict(img_path="img_dir/val", seg_map_path="ann_dir/val")),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="{metric}", iou_metrics=["mIoU"])
test_evaluator = val_evaluator
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9), clip_grad=None)
param_scheduler = [dict(type="PolyLR", eta_min=1e-4, power=0.9, begin=0, end=4, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=4, val_interval=4)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=2, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=4),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="SegVisualizationHook"),
)
"""


@pytest.fixture(scope="module")
def converted_data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "loveDA"
    rng = np.random.default_rng(0)
    for split, numbers in (("train", range(4)), ("val", range(4, 6))):
        for folder in ("img_dir", "ann_dir"):
            (root / folder / split).mkdir(parents=True)
        for n in numbers:
            mask = np.kron(rng.integers(0, 8, (6, 8), dtype=np.uint8), np.ones((8, 8), np.uint8))
            Image.fromarray(np.dstack([mask * 30] * 3)).save(root / "img_dir" / split / f"{n}.png")
            Image.fromarray(mask).save(root / "ann_dir" / split / f"{n}.png")
    return root


def write(folder, data, ours="mmseg_ext.", metric="mmseg_ext.SegmentationMetric", tta=""):
    path = folder / "stock.py"
    text = STOCK
    for name, value in {"ours": ours, "metric": metric, "tta": tta, "data": str(data)}.items():
        text = text.replace("{" + name + "}", value)
    path.write_text(text)
    return path


def run_tool(tool, *arguments, cwd):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cwd / "cache")}
    command = [sys.executable, str(ROOT / "tools" / tool), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_it_trains_tests_and_prints_with_the_prefix_alone(converted_data, tmp_path):
    config = write(tmp_path, converted_data)
    trained = run_tool("train.py", config, cwd=tmp_path)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    printed = trained.stdout + trained.stderr
    assert re.search(r"Iter\(train\) \[4/4\].*loss: \d", printed)
    assert re.search(r"Iter\(val\) \[2/2\].*mIoU: \d", printed)

    checkpoint = tmp_path / "work_dirs" / "stock" / "iter_4.pth"
    tested = run_tool("test.py", config, checkpoint, "--tta", "--out", "out", "--class-maps", "maps", cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"mIoU: \d", tested.stdout + tested.stderr)
    # As mmseg writes them: flat, with the values of the masks, where 0 is "no data". And as class indices, in folders.
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["4.png", "5.png"]
    for name in ("4.png", "5.png"):
        values, indices = (np.asarray(Image.open(tmp_path / folder / name)) for folder in ("out", "maps/img_dir/val"))
        np.testing.assert_array_equal(values, indices + 1)

    from mmseg.apis import MMSegInferencer, inference_model, init_model

    image = str(converted_data / "img_dir" / "val" / "4.png")
    result = inference_model(init_model(str(config), str(checkpoint), device="cpu"), image)
    inferencer = MMSegInferencer(str(config), str(checkpoint), device="cpu", show_progress=False)
    np.testing.assert_array_equal(inferencer(image)["predictions"], result.pred_sem_seg.data[0])
    with pytest.raises(MissingLogitsError, match=r"model\.keep_logits=True"):
        result.seg_logits.data  # noqa: B018
    assert not hasattr(result, "seg_logits")
    assert not hasattr(result, "seg_logit")


@pytest.mark.parametrize("ours", ["mmseg_ext.", ""])
@pytest.mark.parametrize("tta", ["mmseg_ext.", ""])
def test_tta_works_with_either_model_and_segmentor(converted_data, tmp_path, ours, tta):
    config = Config.fromfile(write(tmp_path, converted_data, ours=ours, metric="IoUMetric", tta=tta))
    config.work_dir = str(tmp_path / "run")
    config.launcher = "none"
    use_tta(config)
    runner = launch.build_runner(config)
    assert type(runner.model) is (SegTTAModel if tta else StockSegTTAModel)
    assert set(runner.test()) >= {"mIoU", "aAcc"}


@pytest.mark.parametrize("hooks", [[], [{"type": "mmseg_ext.ConsoleHook"}]])
def test_the_stock_log_is_on_the_screen_where_ours_does_not_speak(converted_data, tmp_path, hooks, capfd):
    config = launch.load_config(str(write(tmp_path, converted_data)), str(tmp_path / "run"))
    config.custom_hooks = hooks
    launch.train(config)
    captured = capfd.readouterr()
    printed = captured.out + captured.err
    assert ("Iter(train)" in printed) == (not hooks)
    assert ("evaluated at 4" in printed) == bool(hooks)
