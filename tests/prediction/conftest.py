"""Rasters that are generated, and a run's folder with a small network."""

from pathlib import Path

import numpy as np
import pytest

from mmseg_ext import stack

stack.prepare()

ROOT = Path(__file__).resolve().parents[2]
TINY = """
_base_ = ["{root}/configs/_base_/models/fpn_r18w32.py", "{root}/configs/_base_/default_runtime.py"]
model = dict(
    type="mmseg_ext.EncoderDecoder",
    data_preprocessor=dict(size=(32, 32)),
    backbone=dict(stem_channels=8, base_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=8),
    decode_head=dict(in_channels=[8, 8, 8, 8], channels=8, num_classes=3, norm_cfg=dict(type="BN")),
)
model["backbone"]["norm_cfg"] = dict(type="BN")
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="BaseSegDataset",
        metainfo=dict(classes=("land", "water", "road"), palette=[[9, 9, 9], [0, 0, 255], [255, 255, 0]]),
        data_root="{data}",
        data_prefix=dict(img_path="", seg_map_path=""),
        pipeline=[
            dict(type="mmseg_ext.LoadImageFromFile"),
            dict(type="mmseg_ext.Resize", scale=(96, 64), keep_ratio=True),
            dict(type="mmseg_ext.LoadAnnotations"),
            dict(type="mmseg_ext.PackSegInputs"),
        ],
    ),
)
test_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_cfg = dict(type="TestLoop")
"""


@pytest.fixture
def write_raster(tmp_path):
    """write_raster(name, pixels (H, W, 3) or (H, W), **profile) writes a GeoTIFF below the test's folder."""
    rasterio = pytest.importorskip("rasterio")

    def write(name, pixels, mask=None, colorinterp=None, **profile):
        bands = np.atleast_3d(pixels).transpose(2, 0, 1)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = {"driver": "GTiff", "count": len(bands), "dtype": bands.dtype, "photometric": "RGB"}
        if len(bands) < 3 or colorinterp is not None:
            settings.pop("photometric")
        if "transform" not in profile:
            settings["transform"] = rasterio.transform.from_origin(500_000, 4_000_000, 0.5, 0.5)
        settings["crs"] = "EPSG:32618"
        height, width = bands.shape[1:]
        with rasterio.open(path, "w", height=height, width=width, **{**settings, **profile}) as raster:
            if colorinterp is not None:
                raster.colorinterp = [rasterio.enums.ColorInterp[name] for name in colorinterp]
            raster.write(bands)
            if mask is not None:
                raster.write_mask(mask)
        return path

    return write


def save_run(folder: Path, options=None, meta=None, seed=0) -> Path:
    """Leave a work dir with the config above and the random weights of a network."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "source.txt"
    source.write_text(TINY.format(root=ROOT, data=folder.parent / "data"))
    config = Config.fromfile(source.rename(folder / "tiny.py"))
    config.merge_from_dict(options or {})
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("mmseg"):
        model = MODELS.build(config.model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_()
    head = model.decode_head
    torch.nn.init.normal_(head.conv_seg.weight)
    with torch.no_grad():  # no class is everywhere
        logits = model.eval().encode_decode(torch.randn(1, 3, 64, 96), [{"img_shape": (64, 96)}])
        head.conv_seg.bias -= logits.mean((0, 2, 3))
    config.dump(folder / "tiny.py")
    dataset_meta = {
        "classes": ("land", "water", "road")[: head.num_classes],
        "palette": [[9, 9, 9], [0, 0, 255], [255, 255, 0]][: head.num_classes],
    }
    content = {"state_dict": model.state_dict(), "meta": {"dataset_meta": dataset_meta, **(meta or {})}}
    torch.save(content, folder / "iter_5.pth")
    (folder / "last_checkpoint").write_text(str(folder / "iter_5.pth"))
    return folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """A work dir with a tiny segmentor."""
    return save_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def photos(tmp_path):
    """Six photographs of several sizes and formats, and masks, below one folder."""
    from color_predictor import smooth_colors
    from PIL import Image

    folder = tmp_path / "photos"
    for number, (height, width) in enumerate([(40, 56), (40, 56), (33, 61), (64, 64), (70, 50), (48, 48)]):
        suffix = (".png", ".jpg", ".webp")[number % 3]
        path = folder / ("a" if number < 3 else "b") / f"{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth_colors(height, width, seed=number)).save(path)
    return folder
