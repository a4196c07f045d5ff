"""Count what a dataset holds: python tools/dataset_stats.py CONFIG --out statistics.json."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import UserError


def main(argv: list[str] | None = None) -> int:
    """Read, count, write the file and the plots, print the table; 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        description="Class pixels and images, colours, sizes, co-occurrence and class weights of a config's dataset"
    )
    parser.add_argument("config", help="config file whose dataset is read")
    parser.add_argument("--out", default="statistics.json", help="file to write; the plots lie beside it, as .png")
    parser.add_argument("--split", choices=["train", "val", "test"], default="train", help="whose dataloader")
    parser.add_argument("--workers", type=int, help="threads that read; by default one a core, eight at most")
    from mmengine.config import DictAction

    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    args = parser.parse_args(argv)
    try:
        stack.prepare()
        from mmseg_ext.engine.launch import load_config
        from mmseg_ext.engine.statistics_collection import collect_statistics
        from mmseg_ext.files import replace_file
        from mmseg_ext.progress import ProgressDisplay
        from mmseg_ext.statistics.statistics_page import draw_statistics

        dataset = load_config(args.config, cfg_options=args.cfg_options)[f"{args.split}_dataloader"]["dataset"]
        with ProgressDisplay("Counting labels", lambda line: print(line, file=sys.stderr)) as progress:
            record = collect_statistics(dataset, progress, args.workers)
        replace_file(args.out, json.dumps(record))
        replace_file(Path(args.out).with_suffix(".png"), draw_statistics(record))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    print(
        f"{args.out}: {record['dataset']}, {record['num_images']} images; plots: {Path(args.out).with_suffix('.png')}"
    )
    formulas = list(record["weights"])
    print("| class | % of pixels | images | " + " | ".join(formulas) + " |")
    print("|---" * (3 + len(formulas)) + "|")
    for index, name in enumerate(record["classes"]):
        share = 100 * record["class_pixels"][index] / max(record["num_labelled_pixels"], 1)
        weights = " | ".join(f"{record['weights'][formula][index]:.3f}" for formula in formulas)
        print(f"| {name} | {share:.2f} | {record['class_images'][index]} | {weights} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
