"""The main job in a few minutes, on generated aerial images: ``make demo``."""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import UserError, run_command
from mmseg_ext.escaping import printable

RUNS = {
    "all labels": ("tools/train.py", "configs/demo/fpn_r18w32_1xb8-600_lovedademo-128x128.py"),
    "20 points": ("tools/train.py", "configs/demo/fpn_r18w32_1xb8-600_lovedademo-128x128-20pts.py"),
    "light head": ("tools/fit.py", "configs/demo/features_effnetlite0_1xb1-1_lovedademo-512x512-20pts.py"),
}
END = """
pictures  {work_dir}/comparison.png: all runs on the same validation images
          {work_dir}/*/pictures/: the training crops and the validation images of each
          {overlay}: the first model on an image that it has never seen
time      {time}
next      five points an image, then the table of all four runs:
          {python} tools/train.py {config} --work-dir {work_dir}/5pts \\
              --cfg-options train_dataloader.dataset.labels.num_points=5
          {python} extract_tables.py {work_dir}"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(
        description="Train with all labels and with points, and fit a light head, on generated images"
    )
    parser.add_argument("--data-root", default="data/loveda_demo", help="folder of the generated images")
    parser.add_argument("--work-dir", default="work_dirs/demo", help="folder of the runs, the table, the pictures")
    parser.add_argument("--images", type=int, default=24, help="training images of each scene, urban and rural")
    parser.add_argument("--iterations", type=int, help="iterations of each training, instead of its config's")
    return parser.parse_args(argv)


def demo(args: argparse.Namespace) -> None:
    """Draw images, train twice, fit once, compare."""
    stack.prepare()
    from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial
    from mmseg_ext.engine.child_process import run_to_end
    from mmseg_ext.engine.comparison import draw_comparison
    from mmseg_ext.engine.next_command import python_command
    from mmseg_ext.engine.run_clock import format_seconds
    from mmseg_ext.pictures import save_picture
    from mmseg_ext.tables.command import main as extract_tables

    work_dirs = {name: Path(args.work_dir) / Path(config).stem for name, (_, config) in RUNS.items()}
    options = [f"{split}_dataloader.dataset.data_root={args.data_root}" for split in ("train", "val", "test")]
    shorter = [f"train_cfg.max_iters={args.iterations}", f"train_cfg.val_interval={args.iterations}"]
    begun = {"images": time.perf_counter()}
    print(f"[1/6] Aerial images in LoveDA's layout, drawn into {printable(args.data_root)}", flush=True)
    generate_synthetic_aerial(args.data_root, num_train=args.images, num_val=-(-args.images // 3))
    for number, (name, (tool, config)) in enumerate(RUNS.items(), start=2):
        begun[name] = time.perf_counter()
        is_training = tool == "tools/train.py"
        what = f"Training with {name}" if is_training else "The same points: a light head fitted to frozen features"
        print(f"\n[{number}/6] {what}", flush=True)
        shutil.rmtree(work_dirs[name], ignore_errors=True)
        command = [sys.executable, tool, config, "--work-dir", str(work_dirs[name]), "--cfg-options", *options]
        run_to_end([*command, *shorter] if is_training and args.iterations else command)
    begun["table and pictures"] = time.perf_counter()
    print("\n[5/6] Score table and pictures", flush=True)
    save_picture(Path(args.work_dir) / "comparison.png", draw_comparison(list(work_dirs.values())))
    if extract_tables([args.work_dir, "--out", args.work_dir]) != 0:
        raise UserError(f"Expected a score table of the runs in {args.work_dir}, got none.")
    begun["unseen image"] = time.perf_counter()
    unseen = min(Path(args.data_root).glob("Test/Urban/images_png/*.png"))
    print(f"\n[6/6] The model applied to {printable(unseen)}, which it has never seen", flush=True)
    applied = ["tools/predict.py", str(work_dirs["all labels"]), str(unseen), "--out", f"{args.work_dir}/predictions"]
    run_to_end([sys.executable, *applied, "--overlay", "--no-resume"])
    overlay = printable(f"{args.work_dir}/predictions/overlays/{unseen.stem}.jpg")
    marks = [*begun.values(), time.perf_counter()]
    spent = [f"{name} {format_seconds(marks[i + 1] - marks[i])}" for i, name in enumerate(begun)]
    spent.append(f"together {format_seconds(marks[-1] - marks[0])}")
    python, points = python_command(), RUNS["20 points"][1]
    values = {"work_dir": printable(args.work_dir), "time": ", ".join(spent), "overlay": overlay}
    print(END.format(**values, python=python, config=points))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: demo(parse_args(argv)), "Stopped. The next start begins anew.")


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)  # configs, data and work dirs are named from here
    sys.exit(main())
