"""The light head in the label-budget study: fitted and scored in this process, on features that are cached."""

import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS

from label_study.cells import Cell, Record
from label_study.datasets import SETS, hold_out, set_points
from mmseg_ext.engine.label_completion import complete_training_labels
from mmseg_ext.scores.confusion_matrix import count_confusion


def score_images(model: Any, dataset: Any) -> np.ndarray:
    """Predict a dataset's images, and count each by itself.

    Returns:
        int64 (N, C, C): a confusion matrix an image, as `SegmentationMetric` counts them.
    """
    num_classes, found = len(dataset.metainfo["classes"]), []
    for index in range(len(dataset)):
        with torch.no_grad():
            (sample,) = model.test_step(pseudo_collate([dataset[index]]))
        prediction_HW, labels_HW = (s.data.squeeze(0).cpu() for s in (sample.pred_sem_seg, sample.gt_sem_seg))
        found.append(count_confusion(prediction_HW, labels_HW, num_classes).numpy())
    return np.stack(found).astype(np.int64)


def light_head_config(cell: Cell, root: Path, data_root: str | None, cache_dir: Path) -> Config:
    """Make the config of a cell: the leaf with all labels, its points, completed or not, and what is held out."""
    config = Config.fromfile(root / SETS[cell.dataset].light_head)
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        dataset = config[loader].dataset
        dataset.data_root = data_root or str(root / dataset.data_root)
        dataset.original_labels = False
        dataset.cache_dir = str(cache_dir / "decoded")
    hold_out(config, cell.fold)
    set_points(config, cell.budget, cell.seed)
    if cell.method.endswith("+completed"):
        config.train_dataloader.dataset.labels.complete = {"weigh": True}
    # The temperature changes no class map; without it, the three fits that it takes are saved.
    config.model.decode_head.calibrate = False
    config.model.update(cache_dir=str(cache_dir / "features"), cache_gb=12)
    return config


def fit_and_score(config: Config) -> Record:
    """Fit a light head, and score it.

    Returns:
        The matrices of the images, and seconds of the processor: of the fit, of looking at the training images (their
        features from the cache, or computed), and of the prediction of an image.
    """
    complete_training_labels(config)
    torch.manual_seed(0)
    model: Any = MODELS.build(config.model).eval()
    train, validated = (DATASETS.build(config[f"{split}_dataloader"].dataset) for split in ("train", "val"))
    images, looking = [], 0.0
    for index in range(len(train)):
        batch = pseudo_collate([train[index]])
        # Whole maps are kept: the next cells sample them at other points.
        model.extract_feat(model.data_preprocessor(copy.deepcopy(batch), False)["inputs"])
        start = time.process_time()
        images += model.look_at(batch)
        looking += time.process_time() - start
    looked = time.process_time()
    report = model.fit(images)
    fitted = time.process_time()
    images_NCC = score_images(model, validated)
    seconds = {
        "fit": round(fitted - looked, 2),
        "look": round(looking, 2),
        "predict": round((time.process_time() - fitted) / len(validated), 2),
    }
    return Record(images_NCC, {"by_image": True, "num_points": report.num_points, "seconds": seconds})
