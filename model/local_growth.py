"""Growth inside a large lesion: by where it lies, not by the ratio of the whole.

::

    baseline   ########            the whole has grown by a fifth, which no ratio of volumes calls growth;
    follow-up  ########+++++       but a part as large as a lesion lies where none was
                        ^^^^ more than 1 mm from the old lesion, 2 mm thick or more
"""

from typing import Any

import cc3d
import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid
from model.overlaps import within
from model.rules import ROUNDING, Rules

Mask = Bool[NDArray[Any], "d h w"]

THINNEST_MM = 2.0
"""What is thinner is a border that wavers, or a thread to something that was there before."""


def local_direction(before: Mask, after: Mask, grid: Grid, rules: Rules) -> int:
    """1 where a lesion grew in one place, -1 where it shrank so, 0 where neither. Swapping the masks turns the sign.

    It grew: the whole is larger by at least `growth_mm3`, and a connected part of at least `local_growth_mm3`, nowhere
    thinner than `THINNEST_MM`, lies more than `dilation_mm` from what was there.

    Args:
        before: the lesion at baseline.
        after: at follow-up.
        grid: of both.
        rules: of measurement.
    """
    difference_mm3 = grid.marked_mm3(after) - grid.marked_mm3(before)
    small = abs(difference_mm3) < rules.growth_mm3 - ROUNDING
    if rules.local_growth_mm3 <= 0 or small or not (before.any() and after.any()):
        return 0
    larger, smaller = (after, before) if difference_mm3 > 0 else (before, after)
    away = larger & ~within(smaller, grid, rules.dilation_mm)
    cube = np.ones([max(1, round(THINNEST_MM / step)) for step in grid.spacing], bool)
    thick = np.ascontiguousarray(ndimage.binary_opening(away, cube))
    parts = np.bincount(np.asarray(cc3d.connected_components(thick, connectivity=26)).ravel())[1:]
    largest_mm3 = int(parts.max(initial=0)) * grid.voxel_volume_mm3
    if largest_mm3 < rules.local_growth_mm3 - ROUNDING:
        return 0
    return 1 if difference_mm3 > 0 else -1
