"""The command ``python extract_tables.py``: score tables of every run below some work dirs."""

import argparse
import sys
from collections.abc import Sequence

DESCRIPTION = """\
Read every training run below WORK_DIR and write one table a dataset, best first: <dataset>_scores.md.
Logs of mmengine 1.x and mmseg 0.x are understood; neither torch nor mmengine is needed."""

EXAMPLES = """\
examples:
  python extract_tables.py
  python extract_tables.py work_dirs --html --per-class
  python extract_tables.py work_dirs --group seed --baseline fcn_r50_1xb4-20k_loveda-512x512
  python extract_tables.py work_dirs --compare fcn_r50_1xb4-20k_loveda-512x512 psp_r50_1xb4-20k_loveda-512x512
  python extract_tables.py work_dirs --filter state=finished --filter 'best>=40' --sort last"""


def make_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog="extract_tables.py",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "work_dirs", metavar="WORK_DIR", nargs="*", default=["work_dirs"], help="folders or logs (default: work_dirs)"
    )
    parser.add_argument("--out", metavar="DIR", default=".", help="where the files go (default: here)")
    parser.add_argument("--metric", default="mIoU", help="metric of best and last, such as mDice or IoU.water")
    parser.add_argument("--sort", metavar="COLUMN", default="best", help="order by a column; -COLUMN turns it round")
    parser.add_argument(
        "--group", choices=("seed", "fold"), default="", help="one row, mean and spread, for runs that differ in it"
    )
    parser.add_argument("--per-class", action="store_true", help="add the numbers of every class")
    parser.add_argument("--baseline", metavar="CONFIG", default="", help="add the differences from this config")
    parser.add_argument(
        "--filter", metavar="CONDITION", action="append", default=[], help="state=finished, 'best>40', or a text"
    )
    parser.add_argument(
        "--compare", metavar="CONFIG", nargs=2, default=[], help="write comparison.html, the second against the first"
    )
    parser.add_argument("--images", metavar="FOLDER", default="", help="data root, to show images in that page")
    parser.add_argument(
        "--image-groups",
        metavar="HOW",
        default="folder",
        help="images that are alike, for intervals: folder, image, or a regular expression that finds the group's name",
    )
    for name, what in (("csv", "CSV"), ("json", "JSON"), ("html", "one HTML page, all_scores.html")):
        parser.add_argument(f"--{name}", action="store_true", help=f"write {what} too")
    parser.add_argument("--no-cache", action="store_true", help="read every log again")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments, default those of the process.

    Returns:
        0, or 2 where the input is no good: one line on stderr says what was expected.
    """
    arguments = make_parser().parse_args(_join_order(sys.argv[1:] if argv is None else argv))
    from mmseg_ext.errors import run_command

    return run_command(lambda: _run(arguments))


def _join_order(argv: Sequence[str]) -> list[str]:
    """Write ``--sort -last`` as ``--sort=-last``: argparse takes what begins with a dash for another option."""
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] == "--sort" and argument.startswith("-"):
            joined[-1] = f"--sort={argument}"
        else:
            joined.append(argument)
    return joined


def _run(arguments: argparse.Namespace) -> None:
    from mmseg_ext.escaping import printable
    from mmseg_ext.progress import ProgressDisplay

    from .score_table import TableOptions
    from .table_writing import read_tables, write_contents, write_files
    from .terminal import print_tables

    options = TableOptions(
        metric=arguments.metric,
        sort=arguments.sort,
        group=arguments.group,
        per_class=arguments.per_class,
        baseline=arguments.baseline,
        filters=tuple(arguments.filter),
        image_groups=arguments.image_groups,
    )
    formats = ["md", *(name for name in ("csv", "json", "html") if getattr(arguments, name))]
    with ProgressDisplay("Reading runs") as progress:
        tables = read_tables(arguments.work_dirs, options, use_cache=not arguments.no_cache, progress=progress)
    if arguments.compare:
        from .comparison_page import PAGE_NAME, to_comparison_page

        page = to_comparison_page(tables, arguments.compare[0], arguments.compare[1], arguments.images)
        paths = write_contents({PAGE_NAME: page}, arguments.out)
    else:
        paths = write_files(tables, arguments.out, formats)
        print_tables(tables)
    sys.stdout.write("\n")
    sys.stdout.write(printable(f"written: {', '.join(str(path) for path in paths)}") + "\n")
