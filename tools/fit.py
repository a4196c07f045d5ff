"""Fit a light head on frozen features, in seconds: python tools/fit.py CONFIG."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import run_command


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Fit a light head on frozen features, and score it")
    parser.add_argument("config", help="config file, such as those in configs/features/")
    parser.add_argument("--work-dir", help="folder for log and checkpoint; work_dirs/<config> by default")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    parser.add_argument("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Fit, validate, and print how the fit went."""
    stack.prepare(trust_checkpoint=args.trust_checkpoint)
    from mmseg_ext.engine.fitting import fit
    from mmseg_ext.engine.launch import load_config

    report = fit(load_config(args.config, args.work_dir, args.cfg_options))
    print(f"fitted to {report.describe()}")


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
