"""Test a checkpoint: python tools/test.py CONFIG CHECKPOINT."""

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

    parser = argparse.ArgumentParser(description="Test a segmentor")
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--work-dir", help="folder for the log; work_dirs/<config> by default")
    parser.add_argument(
        "--out", help="folder for the predictions, as mmseg writes them: named as the images, with the masks' values"
    )
    parser.add_argument("--class-maps", help="folder for the predictions as class indices, in the images' folders")
    parser.add_argument("--show", action="store_true", help="show the predictions in a window")
    parser.add_argument("--show-dir", help="folder for pictures of the predictions")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds between two shown pictures")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override settings: key=value, nested.key=value, key=[a,b]"
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none", help="job launcher")
    parser.add_argument("--allow-partial", action="store_true", help="load the weights that fit, and leave the others")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help="set by torch.distributed.launch")
    parser.add_argument("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Test."""
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    stack.prepare(trust_checkpoint=args.trust_checkpoint)
    from mmseg_ext.engine.launch import load_config, test
    from mmseg_ext.engine.testing_options import draw_predictions, keep_predictions, use_tta

    config = load_config(args.config, args.work_dir, args.cfg_options, args.launcher)
    config.allow_partial = args.allow_partial
    if args.show or args.show_dir:
        draw_predictions(config, args.show, args.show_dir, args.wait_time)
    if args.tta:
        use_tta(config)
    if args.out:
        keep_predictions(config, args.out, mask_values=True)
    if args.class_maps:
        keep_predictions(config, args.class_maps)
    test(config, args.checkpoint)


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
