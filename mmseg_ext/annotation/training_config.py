"""The config that trains on clicked points."""

import os
import pprint
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.escaping import escape_templates

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "_base_"
BASES = ("datasets/loaders.py", "schedules/fit.py", "default_runtime.py")
TEMPLATE = '''\
"""Light heads on frozen features, fitted to the points of {points_name}; written by tools/annotate.py.

python tools/fit.py {config_name}
"""

_base_ = [
{bases}
]
model = {model}
load = [_base_.load_image, dict(type="mmseg_ext.LoadAnnotations")]
resize = dict(type="mmseg_ext.Resize", scale={scale!r}, keep_ratio=True)
images = dict(
    type="mmseg_ext.FolderDataset",
    data_root={root!r},
    images="**",
    masks=None,
    classes={classes!r},
    palette={colors!r},
    labels=dict(file={points!r}, allow_empty=True),
)
train_dataloader = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type="DefaultSampler", shuffle=False),
    dataset=dict(split="train", pipeline=[*load, resize, _base_.pack], **images),
)
val_dataloader = dict(dataset=dict(split="val", pipeline=[load[0], resize, load[1], _base_.pack], **images))
test_dataloader = val_dataloader
val_evaluator = [dict(type="mmseg_ext.SegmentationMetric")]
test_evaluator = val_evaluator
'''


def training_config(
    path: str | Path,
    folder: ImageFolder,
    points_file: str | Path,
    colors: Mapping[str, str],
    model: Mapping[str, Any],
    scale: tuple[int, int],
) -> str:
    """Return the text of a config that fits to the points of four fifths of the images, and scores those of the rest.

    Args:
        path: Where it is to be written.
        folder: The images.
        points_file: The points.
        colors: Colour of each class, as '#rrggbb', by its name.
        model: Config of the model, without its number of classes.
        scale: What images are resized to for it.
    """
    beside = os.path.dirname(os.path.abspath(path))
    head = {**model["decode_head"], "num_classes": len(colors)}
    head.pop("calibrate", None)  # there is time for it
    bases = "\n".join(f"    {os.path.relpath(CONFIGS / base, beside)!r}," for base in BASES)
    text = TEMPLATE.format(
        points_name=_in_docstring(Path(points_file).name),
        config_name=_in_docstring(os.fspath(path)),
        bases=bases,
        model=pprint.pformat({**model, "decode_head": head}, width=110, sort_dicts=False),
        scale=tuple(scale),
        root=os.path.abspath(folder.root),
        classes=list(colors),
        colors=list(colors.values()),
        points=os.path.abspath(points_file),
    )
    return escape_templates(text)


def _in_docstring(text: str) -> str:
    return ascii(text)[1:-1].replace('"', "'")
