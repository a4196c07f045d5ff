"""The points of a whole dataset, as the transform ``SamplePoints`` draws them, for a file that can be published."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmseg_ext.engine.loaded_samples import Progress, build_loading_dataset
from mmseg_ext.image_names import image_name
from mmseg_ext.points.point_files import Point
from mmseg_ext.points.sampling import Per, Strategy, keep_points, seed_of_sample


def sample_dataset(
    dataset: Mapping[str, Any],
    num_points: int,
    per: Per = "image",
    strategy: Strategy = "uniform",
    seed: int = 0,
    data_root: str | None = None,
    progress: Progress | None = None,
) -> tuple[list[Point], list[str]]:
    """Draw the points of every image of a dataset: those that training with ``SamplePoints`` would see.

    Args:
        dataset: Config of a dataset. Of its pipeline only the loading of the labels is run.
        num_points: As in ``SamplePoints``.
        per: As in ``SamplePoints``.
        strategy: As in ``SamplePoints``.
        seed: As in ``SamplePoints``.
        data_root: As in ``SamplePoints``.
        progress: Called with (done, total) after every image.

    Returns:
        The points, image by image in reading order, labelled with the names of their classes; and the names of images
        that got none.

    Raises:
        UserError: The dataset is a wrapper, its pipeline loads no labels, or it has no class names.
    """
    built = build_loading_dataset(dataset, labels_only=True)
    classes = built.metainfo["classes"]
    points: list[Point] = []
    empty: list[str] = []
    for index in range(len(built)):
        sample = built[index]
        name = image_name(sample, data_root, "sample_dataset")
        kept_HW = keep_points(sample["gt_seg_map"], num_points, seed_of_sample(seed, name), per, strategy)
        places = np.argwhere(kept_HW != 255).tolist()
        points += [Point(name, x, y, classes[kept_HW[y, x]]) for y, x in places]
        if not places:
            empty.append(name)
        if progress is not None:
            progress(index + 1, len(built))
    return points, empty
