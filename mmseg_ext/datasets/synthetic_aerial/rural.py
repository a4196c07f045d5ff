"""The country: parcels of land, perhaps a river or a lake, a winding road and farms."""

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.buildings import draw_building
from mmseg_ext.datasets.synthetic_aerial.canvas import BACKGROUND, ROAD, WATER, Canvas
from mmseg_ext.datasets.synthetic_aerial.geometry import ALL_LAND, MIDDLE, Vector, perpendicular, point_at
from mmseg_ext.datasets.synthetic_aerial.grounds import grass, paved
from mmseg_ext.datasets.synthetic_aerial.parcels import assign_kinds, fill_parcel, parcel_distance, partition
from mmseg_ext.datasets.synthetic_aerial.roads import draw_winding_road
from mmseg_ext.datasets.synthetic_aerial.water import draw_water

_KINDS = ("field",) * 11 + ("grass",) * 4 + ("forest",) * 4 + ("bare",) * 2  # as frequent as they stand here


def draw_rural(canvas: Canvas, complete: bool) -> None:
    """Draw a rural scene; a complete one is to hold every class."""
    land_axis = canvas.direction()
    _draw_parcels(canvas, land_axis, complete)

    road_axis = canvas.direction()
    side = canvas.pick((-1, 1))  # of the middle: there lies the water, on the other side runs the road
    water = point_at(MIDDLE, road_axis, 0, canvas.between(25, 70) * side)
    if complete or canvas.chance(0.7):
        draw_water(canvas, canvas.pick(("river", "lake")), water)
    road = point_at(MIDDLE, road_axis, 0, canvas.between(10, 50) * -side)
    dirt = canvas.chance(0.55)
    draw_winding_road(canvas, canvas.between(4, 6) if dirt else canvas.between(6, 9), dirt, road, road_axis)
    if canvas.chance(0.3):
        draw_winding_road(canvas, canvas.between(3.5, 5), True, road, perpendicular(road_axis))

    _draw_farms(canvas, land_axis, road, road_axis, complete)


def _draw_parcels(canvas: Canvas, axis: Vector, complete: bool) -> None:
    """Draw fields, meadows, woods and bare ground, perhaps with hedges around them."""
    canvas.color[:] = grass(canvas, canvas.full)
    parcels, _ = partition(canvas, ALL_LAND, canvas.between(62, 105), (canvas.pick((0.0, 2.5, 4.0)),))
    wanted = ["field", "field", "forest"] + ["bare", "grass"] * (complete or canvas.chance(0.5))
    hedges = canvas.chance(0.6)
    for parcel, kind in zip(parcels, assign_kinds(canvas, parcels, axis, wanted, _KINDS), strict=True):
        fill_parcel(canvas, parcel, axis, kind)
        if hedges and kind != "forest" and canvas.chance(0.5):
            region, distance = parcel_distance(canvas, parcel, axis, ragged=0.5)
            canvas.trees[region][np.abs(distance) < 2.5] = 0.4
        elif kind == "grass":
            region, distance = parcel_distance(canvas, parcel, axis)
            canvas.trees[region][distance < -3] = 0.05
    if canvas.chance(0.5):  # woods that grew by themselves
        canvas.trees[canvas.coarse > canvas.between(0.75, 1.1)] = 1


def _draw_farms(canvas: Canvas, land_axis: Vector, road: Vector, road_axis: Vector, complete: bool) -> None:
    """Draw farms of up to four buildings beside the road; a complete scene gets at least three in sight, if it can."""
    num_in_sight = 0
    for attempt in range(40 if complete else 8):
        if complete and num_in_sight >= 3:
            break
        if attempt % 4 == 0:
            along, across = canvas.between(-80, 80), canvas.between(18, 40) * canvas.pick((-1, 1))
            farm = point_at(road, road_axis, along, across)
            axis = canvas.pick((land_axis, road_axis))
            _draw_farmyard(canvas, farm, axis)
        spot = (farm[0] + canvas.between(-22, 22), farm[1] + canvas.between(-22, 22))
        half_sides = (canvas.between(7, 15), canvas.between(4.5, 7.5))
        is_inside = canvas.label_at(spot) is not None
        is_drawn = draw_building(canvas, spot, axis, half_sides, canvas.pick(("gable", "gable", "hip", "flat")))
        num_in_sight += is_drawn and is_inside


def _draw_farmyard(canvas: Canvas, centre: Vector, axis: Vector) -> None:
    """Draw the ground of a farm with a few trees, but not over road and water."""
    region = canvas.window(centre, 34)
    along, across = canvas.frame(region, axis, centre)
    distance = np.sqrt(along * along + across * across) - 24 + canvas.medium[region] * 5
    free = ~np.isin(canvas.labels[region], (ROAD, WATER))
    ground = grass(canvas, region) if canvas.chance(0.6) else paved(canvas, region)
    canvas.paint(region, canvas.cover(distance, 3.0) * free, ground, BACKGROUND)
    canvas.trees[region][(distance < 0) & free] = 0.12
