"""Numbers as the reports print them: with so many decimals, and points in the millimetres of a scan."""

import numpy as np

from model.volume import Affine, world_from_voxel
from service.contracts.measures import Interval
from service.contracts.report import Point


def rounded(value: float | None, digits: int) -> float | None:
    """None stays none."""
    return None if value is None else round(value, digits)


def rounded_interval(interval: Interval | None, digits: int) -> Interval | None:
    """Both ends; None stays none."""
    return None if interval is None else (round(interval[0], digits), round(interval[1], digits))


def moved(point: Point, target_from_grid: Affine) -> Point:
    """A point of the grid's world (LPS mm) in the target's, to 0.01 mm."""
    x, y, z = world_from_voxel(target_from_grid, np.array([point]))[0]
    return round(float(x), 2), round(float(y), 2), round(float(z), 2)
