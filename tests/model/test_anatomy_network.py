"""The shipped anatomy network on a phantom head, and on images that are none."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from model.anatomy_network import region_map
from model.checkpoint import load
from model.grid import Grid, grid_around
from model.head_labels import Region
from model.phantom import FLAIR_CONTRAST, T1_CONTRAST
from model.phantom_head import mni_head, paint
from model.resampling import resample
from model.volume import Volume

WEIGHTS = Path(str(files("model"))) / "weights"


@lru_cache(maxsize=1)
def network():
    return load(WEIGHTS / "anatomy.safetensors")


@lru_cache(maxsize=1)
def head_of_all():
    return mni_head(seed=5)


@lru_cache(maxsize=4)
def scan(contrast, *, spacing=(3.0, 1.2, 1.2)):
    """A noisy scan of the phantom head in thick slices, and its true brain."""
    head = head_of_all()
    centre = np.array([0.0, 14.0, 4.0])
    fine = grid_around(np.stack([centre - 105, centre + 105]), spacing_mm=1.0)
    affine = fine.affine.copy()
    affine[:3, :3] *= spacing
    grid = Grid(shape=tuple(int(n / s) for n, s in zip(fine.shape, spacing, strict=True)), affine=affine)
    signal = resample(Volume(array=paint(head, contrast), affine=head.affine), grid, volume_from_grid=np.eye(4))
    brain = resample(Volume(array=head.brain, affine=head.affine), grid, volume_from_grid=np.eye(4)) >= 0.5
    rng = np.random.default_rng(6)
    noisy = np.hypot(signal + 0.03 * rng.standard_normal(grid.shape), 0.03 * rng.standard_normal(grid.shape))
    return Volume(array=(500 * noisy).astype(np.float32), affine=grid.affine), brain


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("contrast", [FLAIR_CONTRAST, T1_CONTRAST], ids=["FLAIR", "T1"])
def test_the_brain_of_a_whole_head_is_found_in_either_contrast(contrast):
    image, truth = scan(contrast)
    found = region_map(image, model=network())
    assert dice(found.brain(Grid.of(image)), truth) > 0.93
    assert found.explained > 0.7


def test_turning_the_array_turns_the_mask():
    image, _ = scan(FLAIR_CONTRAST)
    straight = region_map(image, model=network()).brain(Grid.of(image))
    order = [2, 0, 1]
    turned = Volume(array=image.array.transpose(order)[::-1].copy(), affine=_turned(image, order))
    again = region_map(turned, model=network()).brain(Grid.of(turned))
    assert dice(again[::-1].transpose(np.argsort(order)), straight) > 0.999


def test_the_scanners_units_do_not_matter():
    image, _ = scan(FLAIR_CONTRAST)
    first = region_map(image, model=network())
    again = region_map(image.like(image.array * np.float32(40.0)), model=network())
    assert np.abs(first.probability - again.probability).max() < 0.02


def test_regions_are_one_of_the_known_at_each_voxel_and_volumes_add_up():
    image, _ = scan(FLAIR_CONTRAST)
    found = region_map(image, model=network())
    labels = found.regions(Grid.of(image))
    assert set(np.unique(labels)) <= {int(region) for region in Region}
    volumes = found.volumes_ml()
    drawn = (labels > 0).sum() * image.voxel_volume_mm3 / 1000.0
    assert sum(volumes.values()) == pytest.approx(drawn, rel=0.1)


def test_regions_do_not_explain_noise():
    noise = Volume(
        array=np.random.default_rng(7).random((60, 60, 40), np.float32), affine=np.diag([1.5, 1.5, 3.0, 1.0])
    )
    assert region_map(noise, model=network()).explained < 0.6


def test_the_lesion_network_is_not_taken_for_the_anatomy_network():
    with pytest.raises(ValueError, match="anatomy"):
        region_map(scan(FLAIR_CONTRAST)[0], model=load(WEIGHTS / "compact.safetensors"))


def _turned(image, order):
    affine = image.affine[:, [*order, 3]].copy()
    last = image.array.transpose(order).shape[0] - 1
    affine[:3, 3] += affine[:3, 0] * last
    affine[:3, 0] *= -1
    return affine
