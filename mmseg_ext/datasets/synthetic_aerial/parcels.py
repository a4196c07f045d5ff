"""Parcels: land that is divided into rectangles, each with a ground of its own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.canvas import AGRICULTURE, BACKGROUND, BARREN, Canvas, Region
from mmseg_ext.datasets.synthetic_aerial.geometry import MIDDLE, Rectangle, Vector, box_distance, perpendicular
from mmseg_ext.datasets.synthetic_aerial.grounds import bare, field, grass, paved

_RAGGEDNESS = {"forest": 4.0, "bare": 3.0, "field": 0.4}  # how far the edge of a parcel wanders


def partition(
    canvas: Canvas, rectangle: Rectangle, largest: float, gaps: Sequence[float], depth: int = 0
) -> tuple[list[Rectangle], list[tuple[Rectangle, int]]]:
    """Split a rectangle, again and again, until no side is much longer than `largest`.

    Args:
        canvas: The source of randomness.
        rectangle: What is split.
        largest: About the longest side of a parcel.
        gaps: Width of the gap left by the first split, by those of its halves and so on; the last holds for the rest.
        depth: Number of splits that led to the rectangle.

    Returns:
        The parcels, and the gaps between them, each with its depth.
    """
    width, height = rectangle.sides
    if max(width, height) <= largest * canvas.between(0.8, 1.25):
        return [rectangle], []
    half_gap = gaps[min(depth, len(gaps) - 1)] / 2
    share = canvas.between(0.36, 0.64)
    if width > height:
        cut = rectangle.left + width * share
        first, second = replace(rectangle, right=cut - half_gap), replace(rectangle, left=cut + half_gap)
        gap = replace(rectangle, left=first.right, right=second.left)
    else:
        cut = rectangle.top + height * share
        first, second = replace(rectangle, bottom=cut - half_gap), replace(rectangle, top=cut + half_gap)
        gap = replace(rectangle, top=first.bottom, bottom=second.top)
    first_parcels, first_gaps = partition(canvas, first, largest, gaps, depth + 1)
    second_parcels, second_gaps = partition(canvas, second, largest, gaps, depth + 1)
    own_gaps = [(gap, depth)] if half_gap > 0 else []
    return first_parcels + second_parcels, own_gaps + first_gaps + second_gaps


def assign_kinds(
    canvas: Canvas, parcels: Sequence[Rectangle], axis: Vector, wanted: Sequence[str], kinds: Sequence[str]
) -> list[str]:
    """A kind for each parcel; the parcels nearest to the middle get the wanted kinds, in a random order."""
    chosen = [canvas.pick(kinds) for _ in parcels]

    def distance_to_middle(index: int) -> float:
        (x, y), _, _ = parcels[index].placed(axis)
        return max(abs(x - MIDDLE[0]), abs(y - MIDDLE[1]))

    remaining = list(wanted)
    for index in sorted(range(len(parcels)), key=distance_to_middle)[: len(wanted)]:
        chosen[index] = remaining.pop(int(canvas.rng.integers(len(remaining))))
    return chosen


def parcel_distance(canvas: Canvas, parcel: Rectangle, axis: Vector, ragged: float = 0.0) -> tuple[Region, np.ndarray]:
    """The region around a parcel, and the signed distance to its edge there (negative inside)."""
    centre, half_along, half_across = parcel.placed(axis)
    region = canvas.window(centre, half_along + half_across)
    distance = box_distance(*canvas.frame(region, axis, centre), half_along, half_across)
    return region, distance + canvas.medium[region] * ragged


def fill_parcel(canvas: Canvas, parcel: Rectangle, axis: Vector, kind: str) -> None:
    """Cover a parcel with its ground, and say where trees shall grow.

    Args:
        canvas: What is drawn on.
        parcel: The land to cover.
        axis: The axis of the parcel's frame.
        kind: ``'field'``, ``'bare'``, ``'paved'``, ``'grass'``, ``'park'`` or ``'forest'``.
    """
    region, distance = parcel_distance(canvas, parcel, axis, _RAGGEDNESS.get(kind, 0.0))
    alpha = canvas.cover(distance, 1.5)
    if kind == "field":
        furrows = axis if canvas.chance(0.5) else perpendicular(axis)
        within = canvas.cover(distance - 0.8, 1.5)  # a little beyond the edge, so that neighbours meet
        canvas.paint(region, within, field(canvas, region, furrows), AGRICULTURE)
    elif kind == "bare":
        canvas.paint(region, alpha, bare(canvas, region), BARREN)
    elif kind == "paved":
        canvas.paint(region, alpha, paved(canvas, region), BACKGROUND)
    else:
        canvas.paint(region, alpha, grass(canvas, region), BACKGROUND)
        if kind == "forest":
            canvas.trees[region][distance < 0] = 1
        elif kind == "park":
            canvas.trees[region][(distance < -4) & (canvas.coarse[region] > 0)] = 1
