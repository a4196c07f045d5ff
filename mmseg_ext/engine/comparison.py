"""Several runs side by side on the same validation images."""

from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_ext.engine.drawn_images import read_for_drawing
from mmseg_ext.engine.hooks.validation_pictures_hook import labels_at_budget, picture_name
from mmseg_ext.engine.launch import is_fit
from mmseg_ext.errors import UserError
from mmseg_ext.pictures import colorize, draw_labels, errors, panel, segmentation_legend, sheet
from mmseg_ext.stack import read_dumped_config


def draw_comparison(work_dirs: Sequence[str | Path], num_images: int = 4, height: int = 256) -> np.ndarray:
    """Draw image | labels, and for each run prediction | errors, before them the points of a run that trains on points.

    The predictions are those that ``ValidationPicturesHook`` wrote at the last evaluation.

    Points that an earlier run of the list has under the same words, such as "20 points", are not drawn again.

    Args:
        work_dirs: One a run. All runs must have been validated on the same images.
        num_images: Images to draw, spread evenly over those that all runs have predictions of.
        height: Height of a picture in pixels.

    Returns:
        The sheet (H, W, 3), uint8 RGB, with a legend.

    Raises:
        UserError: A work dir holds no config, or the runs have no predicted image in common.
    """
    folders = [Path(folder) for folder in work_dirs]
    configs = [_config_of(folder) for folder in folders]
    with DefaultScope.overwrite_default_scope(configs[0].get("default_scope", "mmseg")):
        dataset = DATASETS.build(configs[0].val_dataloader.dataset)
    root = dataset.data_root
    names = [picture_name(dataset.get_data_info(i)["img_path"], root) for i in range(len(dataset))]
    common = [i for i, name in enumerate(names) if all((_predictions(f) / name).is_file() for f in folders)]
    if not common:
        raise UserError(
            f"Expected predictions of the same validation images in {', '.join(map(str, map(_predictions, folders)))}, "
            "found none in common. ValidationPicturesHook leaves them there at every evaluation."
        )
    classes, palette = dataset.metainfo["classes"], dataset.metainfo["palette"]
    rows = []
    for place in np.linspace(0, len(common) - 1, min(num_images, len(common))).astype(int):
        index = common[place]
        sample = dataset[index]["data_samples"]
        image_HWC = read_for_drawing(dataset, sample.img_path)
        truth_HW = sample.gt_sem_seg.data.squeeze(0).numpy()
        columns = [("image", image_HWC), ("labels", colorize(truth_HW, palette))]
        for config, folder in zip(configs, folders, strict=True):
            prediction_HW = mmcv.imread(_predictions(folder) / names[index], flag="unchanged", backend="pillow")
            budget = labels_at_budget(config, sample.img_path, truth_HW)
            title = "all labels" if budget is None else budget[0]
            if budget is not None and title not in dict(columns):  # the same points of another run
                columns.append((title, draw_labels(image_HWC, budget[1], palette)))
            if is_fit(config):
                title += ", light head"
            columns.append((f"prediction, {title}", colorize(prediction_HW, palette)))
            columns.append((f"errors, {title}", errors(prediction_HW, truth_HW)))
        rows.append(panel(columns, height=height))
    return sheet(rows, segmentation_legend(classes, palette, max(row.shape[1] for row in rows)))


def _predictions(work_dir: Path) -> Path:
    return work_dir / "pictures" / "predictions"


def _config_of(work_dir: Path) -> Config:
    """Read the config that a run left in its work dir."""
    paths = sorted(work_dir.glob("*.py"))
    if not paths:
        raise UserError(f"Expected a run's config in {work_dir}, found no .py file.")
    return read_dumped_config(paths[-1])
