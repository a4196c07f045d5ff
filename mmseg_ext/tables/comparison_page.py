"""Write one self-contained HTML page that compares two rows: in total, by class, by group, image by image."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path, PurePosixPath

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable
from mmseg_ext.files import join_below
from mmseg_ext.scores.file_scores import Files, FileScores

from .columns import Row, format_p_value
from .row_intervals import files_of
from .row_selection import find_row, some_configs
from .run_pictures import read_picture
from .score_table import ScoreTable

PAGE_NAME = "comparison.html"
MAX_IMAGES = 8
"""Images that gain most, and as many that lose most."""


def to_comparison_page(tables: Sequence[ScoreTable], first: str, second: str, images: str = "") -> str:
    """Return the page.

    Args:
        tables: Tables with both rows.
        first: Config, pattern or work dir of the first row, as for ``--baseline``.
        second: Of the second.
        images: Folder that the images' names are relative to: an image that no run drew is shown itself.

    Raises:
        UserError: A row is not there, has no matrices, or both were scored on other images.
    """
    from mmseg_ext.scores.image_matrices import read_image_matrices
    from mmseg_ext.scores.run_comparison import compare_runs

    found = [_find(tables, name) for name in (first, second)]
    options = found[0][0].options
    scores = FileScores(options.image_groups)
    key, files = _common_evaluations([row for _, row in found], options.metric, scores)
    sides = [[read_image_matrices(path) for path in paths] for paths in files]
    compared = compare_runs(sides[0], sides[1], options.metric, options.image_groups)
    gains = [item for item in compared.images if item.difference > 0][:MAX_IMAGES]
    losses = [item for item in compared.images[::-1] if item.difference < 0][:MAX_IMAGES]
    folder = resources.files(__package__) / "page"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters.update(printable=printable, p_value=format_p_value)
    template = environment.from_string((folder / "comparison.html.j2").read_text(encoding="utf-8"))
    return template.render(
        style=Markup((folder / "score_page.css").read_text(encoding="utf-8")),
        names=[_name(row) for _, row in found],
        dataset=found[0][0].dataset,
        metric=options.metric,
        evaluation=key,
        compared=compared,
        num_images=len({name for run in sides[0] for name in run.names}),
        changes=[
            ("gain most", [(item, _pictures(item.name, found, images)) for item in gains]),
            ("lose most", [(item, _pictures(item.name, found, images)) for item in losses]),
        ],
    )


def _find(tables: Sequence[ScoreTable], name: str) -> tuple[ScoreTable, Row]:
    for table in tables:
        row = find_row(table.rows, name)
        place = os.path.abspath(name)
        by_place = (r for r in table.rows if any(os.path.abspath(run.work_dir) == place for run in r.runs))
        row = row or next(by_place, None)
        if row is not None:
            return table, row
    some = some_configs(row for table in tables for row in table.rows)
    raise UserError(f"Expected --compare to name two of the configs {some}; got {name!r}")


def _common_evaluations(rows: Sequence[Row], metric: str, scores: FileScores) -> tuple[str, list[Files]]:
    """Return the files of the best evaluations of both rows, else of the last, else of the tests."""
    for key in ("best", "last", f"test {metric}"):
        files = [files_of(row, key, metric, scores) for row in rows]
        known = [item for item in files if item is not None]
        if len(known) == len(rows):
            return key.partition(" ")[0], known
    without = [row for row in rows if all(files_of(row, key, metric, scores) is None for key in ("best", "last"))]
    raise UserError(
        "Expected confusion_matrices.npz of the same evaluation in both runs, found none for "
        f"{_name((without or rows)[0])} and {metric}. SegmentationMetric writes it beside the log; evaluate the "
        "checkpoint again with tools/test.py."
    )


def _name(row: Row) -> str:
    return str(row.values.get("config"))


def _pictures(image: str, found: Sequence[tuple[ScoreTable, Row]], images: str) -> dict[str, str]:
    """Return what the rows' runs drew of an image at their last validations, else the image, as data addresses."""
    name = "_".join(PurePosixPath(image).with_suffix("").parts[-4:]) + ".png"
    pictures = {}
    for letter, (_, row) in zip("AB", found, strict=True):
        paths = (Path(run.work_dir) / "pictures" / "validation" / name for run in row.runs)
        pictures[letter] = next(filter(None, map(read_picture, paths)), "")
    if images and not any(pictures.values()):
        pictures["image"] = read_picture(join_below(images, image)) or ""
    return {title: address for title, address in pictures.items() if address}
