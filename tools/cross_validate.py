"""Train a config on every fold of its dataset: python tools/cross_validate.py CONFIG."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import UserError


def main(argv: list[str] | None = None) -> int:
    """Run or resume every fold, add up their confusion matrices, print and write the score."""
    parser = argparse.ArgumentParser(description="Train a config on every fold of its dataset, and score the sum")
    parser.add_argument("config", help="config file whose dataset takes `fold`")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2], help="the folds to run; 0 1 2 by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run of all folds for each; 0 by default")
    parser.add_argument("--work-dir", help="folder of the study; work_dirs/<config> by default")
    args = parser.parse_args(argv)
    try:
        stack.prepare()
        from mmseg_ext.engine.cross_validation import format_summary, original_matrices, run_cell, summarize
        from mmseg_ext.engine.launch import load_config
        from mmseg_ext.files import replace_file

        config = load_config(args.config, args.work_dir)
        folder, name = Path(config.work_dir), Path(args.config).stem
        command = [sys.executable, str(Path(__file__).resolve().with_name("train.py")), args.config]
        matrices, cells = {}, {}
        for seed in args.seeds:
            for fold in args.folds:
                cell = cells[fold, seed] = folder / f"fold{fold}_seed{seed}"
                matrices[fold, seed] = run_cell(command, cell, fold, seed, config.train_cfg.max_iters)
        summary = summarize(matrices)
        originals = original_matrices(cells, matrices)
        if originals:
            summary["original"] = summarize(originals)
        replace_file(folder / "cross_validation.json", json.dumps(summary, indent=1))
        replace_file(folder / "cross_validation.md", format_summary(name, summary))
        print(format_summary(name, summary), end="")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The next start goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
