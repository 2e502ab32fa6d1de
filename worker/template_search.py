"""Where the template brain lies in a head that may be turned, shifted, cut off, or far from the origin.

many starts (4 mm, metric only) -> best few (4 mm, rigid, affine) -> best one (2 mm, affine)
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.grid import Grid, corners, grid_around
from model.resampling import resample
from model.volume import Affine, Volume, world_from_voxel
from worker.brain_template import BrainTemplate
from worker.case import IDENTITY_4X4
from worker.mutual_information import Descent, Matcher

COARSE_MM, FINE_MM = 4.0, 2.0

STARTS_KEPT = 2

REACH_MM = 12.0
"""Of the metric beyond the template's brain: it must see that skull is not brain."""

HEAD_MM = 150.0
"""From the crown down: what lies deeper is neck and does not count for the centre of the head."""

LARGEST_STRETCH = 1.16
"""Of the template, which has the size of an average head; an affine beyond it has swallowed the scalp."""

COARSE_RIGID = Descent(shrink=(1,), smoothing_mm=(2.0,), sampling=(0.5,), smallest_step=2e-2, iterations=60)
FINE_AFFINE = Descent(
    shrink=(2, 1), smoothing_mm=(2.0, 0.0), sampling=(1.0, 0.3), smallest_step=5e-3, iterations=60, relaxation=0.5
)


def flair_from_template(flair: Volume, template: BrainTemplate) -> Affine:
    """World of the template -> world of the FLAIR, affine, mm.

    Raises:
        RuntimeError: template and image do not overlap from any start.
    """
    coarse = _matcher(flair, template, COARSE_MM)
    starts = [(coarse.cost_or_inf(start, sampling=0.3), start) for start in _starts(flair, template)]
    kept = [start for cost, start in sorted(starts, key=lambda x: x[0])[:STARTS_KEPT] if np.isfinite(cost)]
    if not kept:
        raise RuntimeError("no start makes template and image overlap")
    rigid = min((coarse.rigid(start, COARSE_RIGID) for start in kept), key=coarse.cost_or_inf)
    affine = _matcher(flair, template, FINE_MM).affine(rigid, FINE_AFFINE)
    return affine if _is_a_head(affine) else rigid


def _is_a_head(transform: Affine) -> bool:
    stretches = np.linalg.svd(transform[:3, :3], compute_uv=False)
    return bool(stretches.max() <= LARGEST_STRETCH and stretches.min() >= 1 / LARGEST_STRETCH)


def _matcher(flair: Volume, template: BrainTemplate, spacing_mm: float) -> Matcher:
    grid = grid_around(corners(Grid.of(template.t1)), spacing_mm=spacing_mm)
    fixed = resample(template.t1, grid, volume_from_grid=IDENTITY_4X4)
    brain = resample(template.brain, grid, volume_from_grid=IDENTITY_4X4) >= 0.5
    reach = ndimage.binary_dilation(brain, iterations=round(REACH_MM / spacing_mm))
    scan_grid = grid_around(corners(Grid.of(flair)), spacing_mm=spacing_mm)
    values = resample(flair, scan_grid, volume_from_grid=IDENTITY_4X4)
    # one bright vessel or fat would squeeze the brain into a few histogram bins
    ceiling = np.float32(np.percentile(values[values > values.mean()], 98))
    scan = Volume(array=np.minimum(values, ceiling), affine=scan_grid.affine)
    return Matcher.of(Volume(array=fixed, affine=grid.affine), scan, Volume(array=reach, affine=grid.affine))


def _starts(flair: Volume, template: BrainTemplate) -> Iterator[Affine]:
    """Template centre onto the centre of the upper head: nodded and shifted around it."""
    here = _centre(template.brain, template.brain.array)
    there = _centre_of_head(flair)
    for nod in (-20.0, 0.0, 20.0):
        for down in (-24.0, -8.0, 8.0):
            for back in (-8.0, 8.0):
                yield _placed(here, there + np.array([0.0, back, down]), nod)


def _placed(here: NDArray[np.float64], there: NDArray[np.float64], nod_deg: float) -> Affine:
    a = np.deg2rad(nod_deg)
    start = np.eye(4)
    start[:3, :3] = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    start[:3, 3] = there - start[:3, :3] @ here
    return start


def _centre_of_head(flair: Volume) -> NDArray[np.float64]:
    """Centre of the tissue in the first `HEAD_MM` below the crown, world mm."""
    grid = grid_around(corners(Grid.of(flair)), spacing_mm=COARSE_MM)
    values = resample(flair, grid, volume_from_grid=IDENTITY_4X4)
    tissue = ndimage.binary_opening(values > 0.5 * values[values > 0].mean()) if (values > 0).any() else values > 0
    if not tissue.any():
        return np.asarray(world_from_voxel(grid.affine, (np.array(grid.shape, np.float64)[None] - 1) / 2)[0])
    crown = int(np.flatnonzero(tissue.any(axis=(1, 2))).max())  # the first axis of `RAS_AXES` points up
    tissue[: max(0, crown - round(HEAD_MM / COARSE_MM))] = False
    return _centre(Volume(array=values, affine=grid.affine), tissue)


def _centre(volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(world_from_voxel(volume.affine, np.array(ndimage.center_of_mass(mask))[None])[0])
