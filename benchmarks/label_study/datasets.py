"""The datasets of the label-budget study: their configs, and what is held out."""

from typing import Any, NamedTuple

from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_ext.engine.cross_validation import LOADERS

FOLDS = ("0", "1", "2")


class StudySet(NamedTuple):
    """One dataset.

    Attributes:
        light_head: The leaf of the light head with all labels.
        random_weights: The leaf of a network from random weights; None where there is none.
        pretrained: The config of a pretrained network that is fine-tuned.
        groups: What is left out whole, beside the folds.
    """

    light_head: str
    random_weights: str | None
    pretrained: str
    groups: tuple[str, ...] = ()


SETS = {
    "dubai": StudySet(
        "configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024.py",
        "configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py",
        "benchmarks/label_study/finetuned_dubai.py",
        tuple(f"tile_{number}" for number in range(1, 7)),
    ),
    "peanut": StudySet(
        "configs/features/features_effnetlite0_1xb1-1_peanut-1024x1024.py",
        None,
        "benchmarks/label_study/finetuned_peanut.py",
    ),
}


def hold_out(config: Config, fold: str) -> None:
    """Make a config train without a fold or a tile, and validate it."""
    if fold in FOLDS:
        config.merge_from_dict({f"{loader}.dataset.fold": int(fold) for loader in LOADERS})
        return
    listed: Any = DATASETS.build({**config.val_dataloader.dataset, "split": "all", "pipeline": []})
    groups = [listed.get_data_info(index)["tile"] for index in range(len(listed))]
    for loader in LOADERS:
        chosen = [index for index, group in enumerate(groups) if (group == fold) != (loader == "train_dataloader")]
        config[loader].dataset.update(split="all", indices=chosen)


def set_points(config: Config, budget: str, seed: int) -> None:
    """Make a config train on points of each class and image, or on all labels."""
    dataset = config.train_dataloader.dataset
    dataset.pop("labels", None)
    if budget != "all":
        dataset.labels = {"num_points": int(budget), "per": "class", "seed": seed}
