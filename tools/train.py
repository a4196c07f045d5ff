"""Train a config: python tools/train.py CONFIG."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import run_command


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read mmseg's own flags."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Train a segmentor")
    parser.add_argument("config", nargs="?", help="config file")
    parser.add_argument("--work-dir", help="folder for logs, checkpoints and pictures; work_dirs/<config> by default")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        metavar="CHECKPOINT",
        help="go on from the last checkpoint in the work dir, or from this file, or from the last one of this work dir",
    )
    parser.add_argument("--resume-anyway", action="store_true", help="go on although the config is another one")
    parser.add_argument("--allow-partial", action="store_true", help="load the weights that fit, and leave the others")
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision (needs a GPU)")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override settings: key=value, nested.key=value, key=[a,b]"
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none", help="job launcher")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help="set by torch.distributed.launch")
    parser.add_argument("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    args = parser.parse_args(argv)
    if args.config is None and isinstance(args.resume, str):  # --resume CONFIG
        args.config, args.resume = args.resume, True
    if args.config is None:
        parser.error("the following arguments are required: config")
    return args


def run(args: argparse.Namespace) -> None:
    """Train."""
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    stack.prepare(trust_checkpoint=args.trust_checkpoint)
    from mmseg_ext.engine.launch import load_config, train

    config = load_config(args.config, args.work_dir, args.cfg_options, args.launcher)
    config.allow_partial = args.allow_partial
    train(config, args.resume or args.resume_anyway, args.amp, args.resume_anyway)


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)), "Stopped. Go on from the last checkpoint with --resume.")


if __name__ == "__main__":
    sys.exit(main())
