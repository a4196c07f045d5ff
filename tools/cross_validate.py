"""Train a config on every fold of its dataset: python tools/cross_validate.py CONFIG."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import run_command


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Train a config on every fold of its dataset, and score the sum")
    parser.add_argument("config", help="config file whose dataset takes `fold`")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2], help="the folds to run; 0 1 2 by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run of all folds for each; 0 by default")
    parser.add_argument("--work-dir", help="folder of the study; work_dirs/<config> by default")
    parser.add_argument("--cfg-options", nargs="+", default=[], help="override settings of every fold, as in train.py")
    args = parser.parse_args(argv)
    reader = argparse.ArgumentParser()
    reader.add_argument("--cfg-options", nargs="+", action=DictAction)
    args.parsed_options = (
        reader.parse_args(["--cfg-options", *args.cfg_options]).cfg_options if args.cfg_options else {}
    )
    return args


def log(line: str) -> None:
    """Print a line at once, before what the training prints."""
    print(line, flush=True)


def run(args: argparse.Namespace) -> None:
    """Run or resume every fold, add up their confusion matrices, write and print the scores."""
    stack.prepare()
    from mmseg_ext.engine.cross_validation import cross_validate
    from mmseg_ext.engine.launch import load_config

    config = load_config(args.config, args.work_dir, args.parsed_options)
    command = [sys.executable, str(Path(__file__).resolve().with_name("train.py")), args.config]
    name = Path(args.config).stem
    print(cross_validate(command, config, name, args.folds, args.seeds, args.cfg_options, log), end="")


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)), "Stopped. The next start goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
