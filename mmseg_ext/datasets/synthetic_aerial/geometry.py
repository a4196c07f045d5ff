"""Points, axes and rectangles; lengths are in units of a 256th of the picture (about 0.6 m each)."""

import math
from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float]  # (x to the right, y down); an axis is one of length 1

EXTENT = 256.0  # every picture shows this many units, whatever its size in pixels
MIDDLE: Vector = (EXTENT / 2, EXTENT / 2)


def perpendicular(axis: Vector) -> Vector:
    """The axis turned by a quarter."""
    return -axis[1], axis[0]


def tilted(axis: Vector, tangent: float) -> Vector:
    """The axis turned by the angle of this tangent."""
    length = math.sqrt(1 + tangent * tangent)
    return (axis[0] - axis[1] * tangent) / length, (axis[1] + axis[0] * tangent) / length


def point_at(origin: Vector, axis: Vector, along: float, across: float) -> Vector:
    """The point that lies so far along and across an axis.

    Example:
        >>> point_at((10.0, 20.0), (0.0, 1.0), along=5.0, across=2.0)
        (8.0, 25.0)
    """
    return origin[0] + axis[0] * along - axis[1] * across, origin[1] + axis[1] * along + axis[0] * across


def box_distance(along: np.ndarray, across: np.ndarray, half_along: float, half_across: float) -> np.ndarray:
    """Distance to the edge of a box around the origin, negative inside, measured along its sides."""
    return np.maximum(np.abs(along) - half_along, np.abs(across) - half_across)


@dataclass(frozen=True)
class Rectangle:
    """A rectangle in a rotated frame around the middle of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def sides(self) -> Vector:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def inset(self, margin: float) -> "Rectangle":
        """The rectangle without a margin at each side."""
        return Rectangle(self.left + margin, self.top + margin, self.right - margin, self.bottom - margin)

    def placed(self, axis: Vector) -> tuple[Vector, float, float]:
        """Centre in the picture, and half the sides along and across the axis of the frame."""
        width, height = self.sides
        centre = point_at(MIDDLE, axis, (self.left + self.right) / 2, (self.top + self.bottom) / 2)
        return centre, width / 2, height / 2


# Covers the picture however the frame is turned: the corners lie 181 units from the middle.
ALL_LAND = Rectangle(-190, -190, 190, 190)
