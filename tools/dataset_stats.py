"""Count what a dataset holds: python tools/dataset_stats.py CONFIG --out statistics.json."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import UserError, run_command
from mmseg_ext.escaping import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description="Class pixels and images, colours, sizes, co-occurrence and class weights of a config's dataset"
    )
    parser.add_argument("config", help="config file whose dataset is read")
    parser.add_argument("--out", default="statistics.json", help="file to write; the plots lie beside it, as .png")
    parser.add_argument("--split", choices=["train", "val", "test"], default="train", help="whose dataloader")
    parser.add_argument("--workers", type=int, help="threads that read; by default one a core, eight at most")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Read, count, write the file and the plots, print the table."""
    if Path(args.out).suffix == ".png":
        raise UserError(f"Expected --out to name a JSON file, got {args.out}. The plots lie beside it, as .png.")
    stack.prepare()
    from mmseg_ext.engine.launch import load_config
    from mmseg_ext.engine.statistics_collection import collect_statistics, format_class_weights
    from mmseg_ext.files import refuse_other_file, replace_file
    from mmseg_ext.progress import ProgressDisplay
    from mmseg_ext.statistics.dataset_statistics import is_statistics
    from mmseg_ext.statistics.statistics_page import draw_statistics

    page = Path(args.out).with_suffix(".png")
    for path in (args.out, page):  # the plots are the command's own where the record beside them is
        refuse_other_file(path, "tools/dataset_stats.py", lambda: is_statistics(args.out))
    dataset = load_config(args.config, cfg_options=args.cfg_options)[f"{args.split}_dataloader"]["dataset"]
    with ProgressDisplay("Counting labels") as progress:
        record = collect_statistics(dataset, progress, args.workers)
    replace_file(args.out, json.dumps(record))
    replace_file(page, draw_statistics(record))
    print(printable(f"{args.out}: {record['dataset']}, {record['num_images']} images; plots: {page}"))
    print(format_class_weights(record))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
