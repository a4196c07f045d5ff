"""Complete the labels of a config's training images from their points: python tools/complete_labels.py CONFIG."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import run_command
from mmseg_ext.escaping import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        description="Complete the labels of a config's training images from their points: a mask for each image, and "
        "how probable its labels are"
    )
    parser.add_argument("config", help="config file whose training dataset has points (labels=…)")
    parser.add_argument("--out", help="folder to write; by default the one where labels=dict(…, complete=True) looks")
    parser.add_argument("--score", action="store_true", help="compare with the full labels, where there are masks")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    parser.add_argument("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Complete, and say where the labels are."""
    stack.prepare(trust_checkpoint=args.trust_checkpoint)
    from mmseg_ext.engine.completion_score import score_completion
    from mmseg_ext.engine.label_completion import complete_dataset, with_completion
    from mmseg_ext.engine.launch import load_config

    dataset = with_completion(load_config(args.config, cfg_options=args.cfg_options))
    done = complete_dataset(dataset, args.out)
    print(printable(f"{done.folder}: labels of {done.num_images} images, {done.num_made} of them completed now"))
    if done.num_made:
        print(f"{done.seconds:.0f} s, {done.seconds / done.num_made:.2f} s an image")
    if args.score:
        print(score_completion(dataset, done.folder))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
