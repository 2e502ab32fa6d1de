"""Volume of the brain's tissue in two scans of one person, and its change.

Tissue is cortex, white matter, deep grey matter, cerebellum and brainstem by each scan's label map, both on one
half-way grid and counted where both scans show the head. How exact that is says the repeatability of the rule set.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool

from model.grid import Grid
from model.lesion_regions import BRAIN, RegionLabels
from model.repeatability import NORMAL_95, Interval


def tissue_mm3(labels: RegionLabels, seen: Bool[np.ndarray[Any, Any], "d h w"], grid: Grid) -> float:
    """Volume of brain tissue where it was seen."""
    tissue = np.isin(labels, [int(region) for region in BRAIN])
    return grid.marked_mm3(tissue & seen)


def percent_change(baseline_mm3: float, follow_up_mm3: float, log_sd: float) -> tuple[float, Interval]:
    """Change in percent of the baseline, and its 95 % interval.

    Args:
        baseline_mm3: above 0.
        follow_up_mm3: likewise.
        log_sd: within-person standard deviation of the log of one scan's volume.
    """
    ratio = np.log(follow_up_mm3 / baseline_mm3)
    spread = NORMAL_95 * float(np.sqrt(2.0)) * log_sd
    low, middle, high = (float(100 * np.expm1(value)) for value in (ratio - spread, ratio, ratio + spread))
    return middle, (low, high)
