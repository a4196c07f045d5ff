"""Pictures of what a run is about to train on."""

from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.arguments import PositiveInt
from mmseg_ext.engine.random_state import kept_random_state
from mmseg_ext.pictures import SPARSE_SHARE, draw_labels, legend, panel, save_picture, sheet
from mmseg_ext.registry import HOOKS


def packed_image(inputs: "np.ndarray", bgr_to_rgb: bool) -> np.ndarray:
    """Turn a packed input, uint8 (C, H, W) with C of 1 or at least 3, into an RGB picture (H, W, 3)."""
    image_HWC = inputs.transpose(1, 2, 0)
    image_HWC = np.repeat(image_HWC, 3, axis=2) if image_HWC.shape[2] == 1 else image_HWC[..., :3]
    return np.ascontiguousarray(image_HWC[..., ::-1] if bgr_to_rgb else image_HWC)


@HOOKS.register_module()
class TrainPicturesHook(Hook):
    """Draw some augmented crops with the labels actually trained on, before the first step.

    The picture is ``<work_dir>/pictures/training_crops.png``. The random state is left as it was, so runs with and
    without the hook are the same.

    Args:
        num_images: Crops to draw, spread evenly over the training set.
        columns: Crops in a row.
    """

    priority = "LOW"

    def __init__(self, num_images: PositiveInt = 8, columns: PositiveInt = 4) -> None:
        self.num_images = num_images
        self.columns = columns

    def before_train(self, runner: Runner) -> None:
        """Draw and save the picture."""
        if not is_main_process():
            return
        dataset = runner.train_dataloader.dataset
        meta = dataset.metainfo
        bgr_to_rgb = bool((runner.cfg.model.get("data_preprocessor") or {}).get("bgr_to_rgb", False))
        cells = []
        with kept_random_state():
            for index in np.linspace(0, len(dataset) - 1, min(self.num_images, len(dataset))).astype(int):
                sample = dataset[int(index)]
                image_HWC = packed_image(sample["inputs"].numpy(), bgr_to_rgb)
                labels_HW = sample["data_samples"].gt_sem_seg.data.squeeze(0).numpy()
                title = Path(sample["data_samples"].img_path).name
                labelled_HW = labels_HW != 255
                count, share = int(labelled_HW.sum()), float(labelled_HW.mean())
                amount = f"{100 * share:.0f} % labelled" if share >= SPARSE_SHARE else f"{count:,} labelled pixels"
                drawn = draw_labels(image_HWC, labels_HW, meta["palette"])
                cells.append((f"{title}  {amount}", drawn))
        rows = [panel(cells[i : i + self.columns], height=256) for i in range(0, len(cells), self.columns)]
        path = Path(runner.work_dir) / "pictures" / "training_crops.png"
        width = max(row.shape[1] for row in rows)
        save_picture(path, sheet(rows, legend(meta["classes"], meta["palette"], width)))
        runner.logger.info("Pictures of the training crops: %s", path)
