"""What a prediction leaves for each input, chosen by flags."""

from dataclasses import dataclass

from mmseg_ext.evaluation.morphology import CleanUpStep
from mmseg_ext.prediction.polygon_files import PolygonOptions

CLASS_MAPS, OVERLAYS, PROBABILITIES, POLYGONS = "class_maps", "overlays", "probabilities", "polygons"


@dataclass(frozen=True)
class ResultOptions:
    """Which results are written beside the class map.

    Attributes:
        overlay: Pictures of the classes over the image, with a legend.
        probabilities: The probabilities of all classes.
        polygons: The connected areas of each class; None for none.
        clean_up: Steps that the class maps go through.
    """

    overlay: bool = False
    probabilities: bool = False
    polygons: PolygonOptions | None = None
    clean_up: tuple[CleanUpStep, ...] = ()

    def wanted(self, is_raster: bool) -> dict[str, list]:
        """Return the results of an input by their kind: the suffix, and what else they depend on."""
        found: dict[str, list] = {CLASS_MAPS: [".tif" if is_raster else ".png"]}
        if self.overlay:
            found[OVERLAYS] = [".jpg"]
        if self.probabilities:
            found[PROBABILITIES] = [".tif" if is_raster else ".npy"]
        if self.polygons is not None:
            found[POLYGONS] = [f".{self.polygons.kind}", self.polygons.simplify, self.polygons.min_area]
        return found
