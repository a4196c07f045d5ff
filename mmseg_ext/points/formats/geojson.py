"""Points on the map: GeoJSON, for images that are GeoTIFFs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.points.formats.marks import ImageFrames, Mark, Marks, mark_error, only_label, read_number

CLASS_KEYS = ("class", "label", "category", "type", "name")
WGS84 = "OGC:CRS84"  # longitude first


def is_geojson(content: Any) -> bool:
    """Whether a JSON file is GeoJSON."""
    return isinstance(content, dict) and content.get("type") in ("FeatureCollection", "Feature")


def read_geojson(path: Path, content: Any, images: ImageFrames) -> Marks:
    """Read points and multi-points, and find the image and pixel of each.

    Raises:
        UserError: A feature has no class, or no image lies where the points are.
    """
    found = Marks()
    places, labels, wheres = [], [], []
    features = content.get("features", [content])
    for number, feature in enumerate(features, 1):
        where = f"feature {number}"
        if not isinstance(feature, dict):
            raise mark_error(path, where, "an object", repr(feature))
        for x, y in _places_of(feature, path, where, found):
            places.append((x, y))
            labels.append(_class_of(feature, path, where))
            wheres.append(where)
    crs = _crs_of(content)
    if crs is None and all(abs(x) <= 180 and abs(y) <= 90 for x, y in places):
        crs = WGS84
    elif crs is None:
        found.notes.append(
            "It names no coordinate reference system, and its coordinates are no degrees: they are taken as those of "
            "the images' own."
        )
    located = images.locate(places, crs)
    outside = [where for where, place in zip(wheres, located, strict=True) if place is None]
    if places and len(outside) == len(places):
        x, y = places[0]
        fix = "Check the coordinate reference system of both, and that x stands before y."
        raise UserError(f"Expected points of {path} on an image, got none: the first, {x:g} {y:g}, is on none. {fix}")
    if outside:
        shown = ", ".join(outside[:MAX_LISTED]) + (" …" if len(outside) > MAX_LISTED else "")
        found.notes.append(f"{len(outside)} of {len(places)} points are on no image and were left out: {shown}.")
    for place, label, where in zip(located, labels, wheres, strict=True):
        if place is not None:
            found.marks.append(Mark(*place, label, where))
    return found


def _places_of(feature: dict, path: Path, where: str, found: Marks) -> Iterator[tuple[float, float]]:
    geometry = feature.get("geometry") or {}
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Point", "MultiPoint"):
        found.left_out[str(kind or "feature without a geometry")] += 1
        return
    for place in [coordinates] if kind == "Point" else coordinates or ():
        if not isinstance(place, list) or len(place) < 2:
            raise mark_error(path, where, "coordinates [x, y]", repr(place))
        yield read_number(place[0], path, where, "x"), read_number(place[1], path, where, "y")


def _class_of(feature: dict, path: Path, where: str) -> str:
    """Find the class among the properties: by the name of the property, or the only one that is a text."""
    properties = {str(key).lower(): value for key, value in (feature.get("properties") or {}).items()}
    key = next((key for key in CLASS_KEYS if properties.get(key) not in (None, "")), None)
    texts = [value for value in properties.values() if isinstance(value, str)]
    if key is None and len(texts) != 1:
        fix = f"Name the property `{CLASS_KEYS[0]}`."
        raise mark_error(path, where, f"a property for the class ({', '.join(CLASS_KEYS)})", repr([*properties]), fix)
    return only_label(texts[0] if key is None else properties[key], path, where)


def _crs_of(content: dict) -> str | None:
    """Read the coordinate reference system that older GeoJSON, and QGIS's, names."""
    crs = content.get("crs")
    name = (crs.get("properties") or {}).get("name") if isinstance(crs, dict) else crs
    return str(name) if name else None
