"""How far areas estimated from points are from the true ones, on the real Dubai images.

Usage: ``python benchmarks/areas.py [--budgets 1 5 20 100] [--folds 0 1 2]``

For every training image of the folds: the share of each class, estimated from so many points a class, beside equal
shares for the classes of the image (what points a class say by themselves) and the shares by the most similar point
(before its errors are taken out). The figure is the mean difference from the true share, over images and classes, in
percentage points of the image.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

import numpy as np  # noqa: E402
from comparison import describe_machine, less_is_better, publish  # noqa: E402

from mmseg_ext.engine.launch import load_config  # noqa: E402
from mmseg_ext.engine.loaded_samples import build_loading_dataset, map_samples  # noqa: E402
from mmseg_ext.errors import UserError  # noqa: E402
from mmseg_ext.points.areas import AreaEvidence, estimate_areas, gather_evidence  # noqa: E402
from mmseg_ext.points.sampling import keep_points, seed_of_sample  # noqa: E402

CONFIG = ROOT / "configs" / "fpn" / "pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
DUBAI = ROOT.parent / "shared" / "data" / "dubai"


def look_at(sample: dict, budgets: Sequence[int], num_classes: int) -> tuple[np.ndarray, list[AreaEvidence], float]:
    """Count the true areas of an image, gather the evidence of its points, and take the time of one."""
    labels_HW = sample["gt_seg_map"]
    counts_C = np.bincount(labels_HW[labels_HW != 255], minlength=num_classes)
    seed = seed_of_sample(0, sample["img_name"])
    points = [keep_points(labels_HW, budget, seed, per="class") for budget in budgets]
    start = time.perf_counter()
    evidence = [gather_evidence(sample["img"], points_HW, num_classes) for points_HW in points]
    return counts_C / counts_C.sum(), evidence, (time.perf_counter() - start) / len(budgets)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1, 5, 20, 100], help="points a class and image")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data-root", default=str(DUBAI), help="the Dubai images")
    arguments = parser.parse_args(argv)
    if not Path(arguments.data_root).is_dir():
        print(f"No images at {arguments.data_root}: nothing is measured. See data/README.md.")
        return 0
    errors = np.zeros((len(arguments.budgets), 3))
    seconds, num_images = 0.0, 0
    try:
        for fold in arguments.folds:
            dataset = load_config(str(CONFIG)).train_dataloader.dataset
            built = build_loading_dataset({**dataset, "data_root": arguments.data_root, "fold": fold})
            num_classes = len(built.metainfo["classes"])
            found = list(
                map_samples(built, lambda s, c=num_classes: look_at(s, arguments.budgets, c), num_workers=1).values()
            )
            true_NC = np.array([true_C for true_C, _, _ in found])
            equal_NC = (true_NC > 0) / (true_NC > 0).sum(1, keepdims=True)
            for row in range(len(arguments.budgets)):
                evidence = [by_budget[row] for _, by_budget, _ in found]
                guesses = (estimate_areas(evidence), np.array([e.shares_C for e in evidence]), equal_NC)
                errors[row] += [100 * np.abs(guess - true_NC).mean() / len(arguments.folds) for guess in guesses]
            seconds += sum(taken for _, _, taken in found)
            num_images += len(found)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{describe_machine()}\n{seconds / num_images:.2f} s an image and budget, one thread\n")
    print("| points a class and image | estimated | most similar point | equal shares |\n|---:|---:|---:|---:|")
    for budget, (estimated, raw, equal) in zip(arguments.budgets, errors, strict=True):
        print(f"| {budget} | {estimated:.1f} | {raw:.1f} | {equal:.1f} |")
        what = f"areas from {budget} points a class: mean error"
        publish(less_is_better(what, estimated, equal, "points", against="equal shares"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
