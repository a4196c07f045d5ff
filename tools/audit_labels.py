"""Find the labels of a config's training images that look wrong: python tools/audit_labels.py CONFIG."""

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
        description="Find the labels of a config's training images that look wrong: a page to look at, and a list"
    )
    parser.add_argument("config", help="config file; its own model where that is a FeatureSegmentor")
    parser.add_argument("--out", help="folder to write; work_dirs/<config>/audit by default")
    parser.add_argument("--groups", default="image", help="folder, image, or a regular expression that finds the scene")
    parser.add_argument("--folds", type=int, default=5, help="models that judge each other's images; 5 by default")
    parser.add_argument("--runs", help="work dir of tools/cross_validate.py: its models judge")
    parser.add_argument("--shown", type=int, default=300, help="places on the page, the worst; 300 by default")
    parser.add_argument("--apply", metavar="DIR", help="write copies of the labels there, corrected by the answers")
    parser.add_argument("--answers", help="file that the page has saved; answers.json beside the page by default")
    parser.add_argument("--how", choices=["ignore", "prediction"], default="ignore", help="what wrong areas become")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    parser.add_argument("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Audit, write, and print the summary."""
    stack.prepare(trust_checkpoint=args.trust_checkpoint)
    from mmseg_ext.audit.command import apply_answers, describe, run_audit
    from mmseg_ext.engine.launch import load_config

    config = load_config(args.config, cfg_options=args.cfg_options)
    out = args.out or Path(config.work_dir) / "audit"
    result = run_audit(config, out, args.groups, args.folds, args.runs, args.shown)
    print(describe(result.audit, len(result.candidates)))
    print(result.summary)
    print()
    print(
        printable(f"{result.page}: open it in a browser; labels.csv beside it lists all places, images.csv all images")
    )
    if args.apply:
        done = apply_answers(result, args.apply, args.how, args.answers)
        print(printable(f"{args.apply}: {done.describe()}"))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)), "Stopped. The next start goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
