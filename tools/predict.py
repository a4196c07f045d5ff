"""Apply a trained model to images, folders and rasters of any size: python tools/predict.py MODEL INPUT … --out DIR."""

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

    parser = argparse.ArgumentParser(description="Apply a trained model to images, folders, rasters of any size")
    add = parser.add_argument
    add("model", help="work dir (best checkpoint, else last), checkpoint beside its config, .onnx file, or config")
    add("inputs", nargs="+", metavar="INPUT", help="image, raster, folder, 'pattern', or .txt file of paths")
    add("--out", required=True, metavar="DIR", help="folder of the results; class maps go to DIR/class_maps")
    add("--checkpoint", metavar="FILE", help="the checkpoint, where MODEL is a config")
    add("--overlay", action="store_true", help="pictures of the classes over the image, with a legend")
    add("--probabilities", action="store_true", help="the probabilities of all classes")
    add("--polygons", choices=["gpkg", "geojson"], help="the connected areas of each class")
    add("--simplify", type=float, default=0.0, metavar="UNITS", help="tolerance of the polygons, in units of the map")
    add("--min-area", type=float, default=0.0, metavar="AREA", help="least area of a polygon, m² or else pixels")
    add("--clean-up", nargs="*", metavar="STEP=PIXELS", help="the config's clean-up, or max_hole=50 min_area=50 …")
    add("--tta", action="store_true", help="test-time augmentation")
    add("--device", help="cpu, cuda:0 …; the GPU where there is one by default")
    add("--batch-size", type=int, metavar="N", help="windows or images that the network sees at once")
    add("--window", type=int, metavar="PIXELS", help="side of the windows of rasters")
    add("--overlap", type=int, metavar="PIXELS", help="pixels that neighbouring windows share")
    add("--resize", type=float, default=1.0, metavar="FACTOR", help="enlarge rasters by this for the network")
    add("--bands", nargs="+", metavar="BAND", help="red, green, blue of rasters, by number or name")
    add("--value-range", nargs="+", metavar="VALUE", help="LOW HIGH that become 0 and 255, or auto")
    add("--shard", metavar="I/N", help="the i-th of n shares of the inputs, for several processes")
    add("--resume", action=argparse.BooleanOptionalAction, default=True, help="keep what is done (default)")
    add("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    add("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Predict, say what became of the inputs, and return 1 where some could not be read."""
    stack.prepare(trust_checkpoint=args.trust_checkpoint)
    from mmseg_ext.prediction.predicting import PredictOptions, predict

    summary = predict(PredictOptions(**vars(args)))
    for path, reason in summary.failures:
        print(f"not predicted: {printable(path)}: {printable(reason)}", file=sys.stderr)
    counts = f"{summary.num_predicted} predicted, {summary.num_kept} kept from before, {len(summary.failures)} failed"
    print(f"{printable(args.out)}: {counts}; areas in {printable(Path(args.out) / 'areas.csv')}")
    return 1 if summary.failures else 0


def main(argv: list[str] | None = None) -> int:
    """Return 0, 1 where inputs failed, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)), "Stopped. The same command goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
