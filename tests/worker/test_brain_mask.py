"""The brain of phantoms and of stripped scans, by the shipped anatomy network."""

from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from model.grid import Grid, grid_around
from model.head_labels import Region
from model.overlaps import within
from model.phantom import FLAIR_CONTRAST
from model.phantom_head import mni_head, paint
from model.phantom_scan import rigid
from model.resampling import resample
from model.volume import Volume
from service.contracts.errors import BrainNotFound
from worker.brain_mask import stripped_brain
from worker.pipeline_tools import network_masker

AVERAGE = np.diag([0.93, 0.93, 0.93, 1.0])


@lru_cache(maxsize=1)
def head():
    return mni_head(seed=5)


@lru_cache(maxsize=1)
def masker():
    return network_masker(torch.device("cpu"))


def whole_head(scan_from_head, *, thickness=3.0):
    """A thick-sliced FLAIR of the phantom with noise, and the truth."""
    centre = scan_from_head[:3, 3] + scan_from_head[:3, :3] @ np.array([0.0, 14.0, 4.0])
    grid = grid_around(np.stack([centre - 115, centre + 105]), spacing_mm=1.5)
    affine = grid.affine.copy()
    affine[:3, 0] *= thickness / 1.5
    thick = Grid(shape=(int(grid.shape[0] * 1.5 / thickness), *grid.shape[1:]), affine=affine)
    back = np.linalg.inv(scan_from_head)
    signal = resample(Volume(array=paint(head(), FLAIR_CONTRAST), affine=head().affine), thick, volume_from_grid=back)
    brain = resample(Volume(array=head().brain, affine=head().affine), thick, volume_from_grid=back) >= 0.5
    rng = np.random.default_rng(6)
    noisy = np.hypot(signal + 0.03 * rng.standard_normal(thick.shape), 0.03 * rng.standard_normal(thick.shape))
    return Volume(array=(500 * noisy).astype(np.float32), affine=thick.affine), brain


def regions_lie_on_the_brain(found, truth, scan_from_head):
    """Tissue is labelled inside the brain, and ventricles near those of the head, which are narrow in thick slices."""
    labels = found.regions.array
    tissue = (labels != Region.OUTSIDE) & (labels != Region.CSF)
    ventricles = Volume(array=head().ventricles, affine=head().affine)
    there = resample(ventricles, Grid.of(found.regions), volume_from_grid=np.linalg.inv(scan_from_head)) >= 0.5
    near = within(there, Grid.of(found.regions), 4.0)
    told = labels == Region.VENTRICLES
    return told.any() and (tissue & truth).sum() > 0.9 * tissue.sum() and (told & near).sum() > 0.5 * told.sum()


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize(
    ("turn_deg", "shift_mm"),
    [((0, 0, 0), (0, 0, 0)), ((18, -8, 10), (25, -20, 30)), ((-15, 6, -12), (1200, -800, 2500))],
    ids=["straight", "turned and shifted", "wild origin"],
)
def test_the_brain_of_a_whole_head_is_found(turn_deg, shift_mm):
    scan_from_head = rigid(tuple(map(float, turn_deg)), tuple(map(float, shift_mm))) @ AVERAGE
    flair, truth = whole_head(scan_from_head)
    found = masker()(flair)
    assert not found.skull_stripped
    assert dice(found.mask.array, truth) > 0.93
    assert found.explained > 0.7
    assert regions_lie_on_the_brain(found, truth, scan_from_head)


def test_a_stripped_scan_is_its_own_mask_even_with_values_below_zero():
    flair, truth = whole_head(AVERAGE)
    values = np.where(truth, flair.array - 60, 0).astype(np.float32)
    assert (values < 0).any()
    found = masker()(flair.like(values))
    assert found.skull_stripped
    assert found.explained == 1.0
    assert regions_lie_on_the_brain(found, truth, AVERAGE)
    assert dice(found.mask.array, truth) > 0.99


def test_a_whole_head_on_a_zero_background_is_not_taken_for_stripped():
    flair, _ = whole_head(AVERAGE)
    outline = resample(
        Volume(array=head().outside > 0, affine=head().affine), Grid.of(flair), volume_from_grid=np.linalg.inv(AVERAGE)
    )
    assert stripped_brain(flair.like(np.where(outline > 0.5, flair.array, 0).astype(np.float32))) is None


def test_an_image_without_a_brain_is_refused():
    rng = np.random.default_rng(7)
    noise = Volume(array=rng.random((60, 60, 40), np.float32), affine=np.diag([1.5, 1.5, 3.0, 1.0]))
    with pytest.raises(BrainNotFound):
        masker()(noise)


@pytest.mark.shared_data
def test_real_stripped_scans_are_recognised(shared_folder: Path):
    image = nib.load(shared_folder / "data/open_ms_data/cross_sectional/patient07/FLAIR.nii.gz")
    flair = Volume(
        array=np.asarray(image.dataobj, np.float32), affine=np.diag([-1.0, -1, 1, 1]) @ np.asarray(image.affine)
    )
    mask = stripped_brain(flair)
    assert mask is not None
    assert mask[flair.array != 0].mean() > 0.99
