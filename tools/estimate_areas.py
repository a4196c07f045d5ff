"""Estimate how much of each image its points stand for: python tools/estimate_areas.py CONFIG --out areas.json."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import __version__, stack
from mmseg_ext.errors import run_command
from mmseg_ext.escaping import printable

COMMAND = "tools/estimate_areas.py"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Estimate the class areas of a config's training images from points")
    parser.add_argument("config", help="config file whose training pipeline loads or samples points")
    parser.add_argument("--out", default="areas.json", help="file to write, for WeighLabels(areas=…)")
    parser.add_argument("--workers", type=int, help="threads that read; by default one a core, eight at most")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Estimate, write, and print the areas of the classes."""
    stack.prepare()
    from mmseg_ext.engine.area_estimation import estimate_dataset_areas
    from mmseg_ext.engine.launch import load_config
    from mmseg_ext.files import refuse_other_file, replace_file
    from mmseg_ext.points.areas import format_areas, is_written_by
    from mmseg_ext.progress import ProgressDisplay

    refuse_other_file(args.out, COMMAND, lambda: is_written_by(args.out, COMMAND))
    dataset = load_config(args.config, cfg_options=args.cfg_options).train_dataloader.dataset
    with ProgressDisplay("Estimating areas") as progress:
        estimated = estimate_dataset_areas(dataset, progress, args.workers)
    about = {"written by": f"mmseg_ext {__version__}, {COMMAND}", "config": Path(args.config).name}
    replace_file(args.out, format_areas(estimated.areas_of, estimated.classes, about))
    print(printable(f"{args.out}: {len(estimated.areas_of)} images, {estimated.num_points_C.sum()} points"))
    print(estimated.table())


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
