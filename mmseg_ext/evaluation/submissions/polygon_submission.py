"""Polygons as CSV with well-known text, and as GeoJSON."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from mmseg_ext.arguments import NonNegativeFloat, NonNegativeInt, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.current_run import report
from mmseg_ext.evaluation.submissions.mask_submission import MaskSubmission
from mmseg_ext.evaluation.submissions.polygons import mask_to_polygons, polygons_to_mask
from mmseg_ext.evaluation.submissions.rle_submission import read_rows, write_rows
from mmseg_ext.files import replace_file
from mmseg_ext.registry import METRICS

LEAST_AGREEMENT = 0.99
"""IoU of unsimplified polygons, read back, with the mask that they were made of."""


@METRICS.register_module()
class PolygonSubmission(MaskSubmission):
    """Write polygons: a CSV file of well-known text, and beside it the same as GeoJSON.

    One row, and one feature, an image: a MULTIPOLYGON along the edges of the pixels, holes kept, valid; coordinates are
    (x, y) in pixels from the top left corner. An image without a positive pixel is ``MULTIPOLYGON EMPTY``, in GeoJSON a
    MultiPolygon without coordinates. A feature's ``image`` property is the image's name.

    Both files are read back: they must hold the same polygons, and drawn again these must have an IoU of at least 0.99
    with the prediction, unless they were simplified; then the log says how far they are from it.

    Scalars, where there are masks, of the file as it was read back, in percent: ``polygons/IoU``, ``polygons/Dice`` of
    the class over all pixels, and ``polygons/ImageDice``, the mean over the images.

    Args:
        output: The CSV file; see :class:`SubmissionWriter`. The other one ends in .geojson.
        class_index: The class to write.
        tolerance: See :func:`mask_to_polygons`, in pixels.
        columns: Names of the CSV file's two columns.
        **kwargs: Passed to :class:`SubmissionWriter`.
    """

    default_prefix = "polygons"

    def __init__(
        self,
        output: StrPath = "polygons.csv",
        class_index: NonNegativeInt = 1,
        tolerance: NonNegativeFloat = 0,
        columns: tuple[str, str] = ("ImageId", "PolygonWKT"),
        **kwargs: Any,
    ) -> None:
        super().__init__(output, class_index, **kwargs)
        if Path(output).suffix.lower() == ".geojson":
            raise UserError(f"Expected `output` of PolygonSubmission to name the CSV file, got {output}.")
        self.tolerance = tolerance
        self.columns = (columns[0], columns[1])

    def encode(self, prediction_HW: np.ndarray) -> bytes:
        """Return the polygons, as well-known binary."""
        return shapely.to_wkb(shapely.MultiPolygon(mask_to_polygons(prediction_HW, self.tolerance)))

    def write(self, path: Path, contents: Mapping[str, bytes]) -> None:
        """Write both files."""
        shapes = {name: shapely.from_wkb(content) for name, content in contents.items()}
        write_rows(path, self.columns, {name: shapely.to_wkt(shape) for name, shape in shapes.items()})
        features = [
            {"type": "Feature", "properties": {"image": name}, "geometry": json.loads(shapely.to_geojson(shape))}
            for name, shape in shapes.items()
        ]
        replace_file(path.with_suffix(".geojson"), json.dumps({"type": "FeatureCollection", "features": features}))
        polygons = sum(len(shape.geoms) for shape in shapes.values())
        report("%d polygons, also in %s", polygons, path.with_suffix(".geojson"))

    def read(self, path: Path, shapes: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, np.ndarray]]:
        """Read both files, compare them, and draw the polygons."""
        beside = path.with_suffix(".geojson")
        features = json.loads(beside.read_bytes())["features"]
        as_geojson = {
            feature["properties"]["image"]: shapely.from_geojson(json.dumps(feature["geometry"]))
            for feature in features
        }
        for name, text in read_rows(path, self.columns):
            if name not in shapes:
                raise UserError(f"{path}: Expected images of the test set, got {name!r}.")
            polygons = shapely.from_wkt(text, on_invalid="ignore")
            if not isinstance(polygons, shapely.MultiPolygon):
                raise UserError(f"{path}: {name}: Expected a MULTIPOLYGON, got {text[:60]!r}.")
            if name not in as_geojson or not shapely.equals_identical(as_geojson[name], polygons):
                raise UserError(f"{beside}: Expected the polygons of {path} for {name}, got others.")
            try:
                yield name, polygons_to_mask(list(polygons.geoms), shapes[name]).astype(np.uint8)
            except UserError as error:
                raise UserError(f"{path}: {name}: {error}") from None

    def agreement(self, found_HW: np.ndarray, prediction_HW: np.ndarray) -> float:
        """Return the IoU.

        Raises:
            RuntimeError: It is below 0.99, and the polygons were not simplified.
        """
        union = int((found_HW | prediction_HW).sum())
        iou = int((found_HW & prediction_HW).sum()) / union if union else 1.0
        if self.tolerance == 0 and iou < LEAST_AGREEMENT:
            raise RuntimeError(f"the IoU is {iou:.4f}")
        return iou
