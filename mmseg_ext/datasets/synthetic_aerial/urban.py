"""The town: blocks between streets, filled with houses, halls, parks and building sites; perhaps water."""

from mmseg_ext.datasets.synthetic_aerial.boxes import draw_car
from mmseg_ext.datasets.synthetic_aerial.buildings import draw_building
from mmseg_ext.datasets.synthetic_aerial.canvas import BACKGROUND, Canvas
from mmseg_ext.datasets.synthetic_aerial.geometry import (
    ALL_LAND,
    MIDDLE,
    Rectangle,
    Vector,
    perpendicular,
    point_at,
    tilted,
)
from mmseg_ext.datasets.synthetic_aerial.grounds import paved
from mmseg_ext.datasets.synthetic_aerial.parcels import assign_kinds, fill_parcel, parcel_distance, partition
from mmseg_ext.datasets.synthetic_aerial.roads import draw_street
from mmseg_ext.datasets.synthetic_aerial.water import draw_water

# as frequent as they stand here
_KINDS = ("houses",) * 8 + ("halls",) * 4 + ("park",) * 3 + ("grass",) * 2 + ("bare",) * 2 + ("field",)


def draw_urban(canvas: Canvas, complete: bool) -> None:
    """Draw an urban scene; a complete one is to hold every class but agriculture."""
    axis = canvas.direction()
    canvas.color[:] = paved(canvas, canvas.full)
    widths = (canvas.between(12, 16), canvas.between(8, 12), canvas.between(6.5, 8.5))
    blocks, streets = partition(canvas, ALL_LAND, canvas.between(70, 110), widths)
    wanted = ["houses", canvas.pick(("halls", "houses"))] + ["park", "bare"] * (complete or canvas.chance(0.35))
    kinds = assign_kinds(canvas, blocks, axis, wanted, _KINDS)
    for block, kind in zip(blocks, kinds, strict=True):
        _draw_block_ground(canvas, block, axis, kind)
    if complete or canvas.chance(0.45):
        middle = point_at(MIDDLE, canvas.direction(), canvas.between(60, 95), 0)
        draw_water(canvas, "lake" if canvas.chance(0.5) else "river", middle)
    for street, depth in sorted(streets, key=lambda item: -item[1]):  # the widest last, over all others
        draw_street(canvas, street, axis, major=depth <= 1)
    for block, kind in zip(blocks, kinds, strict=True):
        if kind in ("houses", "halls"):
            _build_block(canvas, block, axis, kind)


def _draw_block_ground(canvas: Canvas, block: Rectangle, axis: Vector, kind: str) -> None:
    """Draw what lies beneath the buildings of a block, or the whole block where it has none."""
    ground = {"houses": canvas.pick(("grass", "grass", "paved")), "halls": "paved"}.get(kind, kind)
    fill_parcel(canvas, block.inset(canvas.between(1.2, 2.5)), axis, ground)
    if ground in ("grass", "park"):
        region, distance = parcel_distance(canvas, block, axis)
        lawn = (distance < -3) & (canvas.trees[region] == 0)
        canvas.trees[region][lawn] = canvas.between(0.04, 0.2)


def _build_block(canvas: Canvas, block: Rectangle, axis: Vector, kind: str) -> None:
    """Divide a block into lots and put a building on most of them; halls have cars parked between them."""
    largest_lot = canvas.between(22, 34) if kind == "houses" else canvas.between(42, 70)
    lots, lanes = partition(canvas, block.inset(3.5), largest_lot, (1.5,))
    usual_style = canvas.pick(("gable", "hip", "flat"))
    share_built = canvas.between(0.55, 0.95)
    for lot in lots:
        if not canvas.chance(share_built):
            continue
        centre, half_along, half_across = lot.placed(axis)
        half_sides = (half_along * canvas.between(0.55, 0.85), half_across * canvas.between(0.5, 0.85))
        if min(half_sides) < 3:
            continue
        tilt = canvas.between(-0.06, 0.06) if kind == "houses" else 0.0
        style = "flat" if kind == "halls" else canvas.pick((usual_style, usual_style, "gable", "hip"))
        draw_building(canvas, centre, tilted(axis, tilt), half_sides, style)
    if kind == "halls":
        for lane, _ in lanes:
            _park_cars(canvas, lane, axis)


def _park_cars(canvas: Canvas, lane: Rectangle, axis: Vector) -> None:
    """Draw a row of cars, side by side, with empty places between them."""
    centre, half_length, half_width = lane.placed(axis)
    if half_width > half_length:
        axis, half_length = perpendicular(axis), half_width
    for place in range(int(half_length / 2)):
        spot = point_at(centre, axis, place * 4 - half_length + 2, 0)
        if canvas.chance(0.5) and canvas.label_at(spot) == BACKGROUND:
            draw_car(canvas, spot, perpendicular(axis), canvas.between(2.6, 3.4), BACKGROUND)
