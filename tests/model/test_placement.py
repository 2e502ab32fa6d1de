import numpy as np
import pytest
from scipy import ndimage

from model.anatomy import Tissue
from model.deformation import Placement
from model.patch_anatomy import PatchAnatomy, canvas, grown_by_one, seen_anatomy
from model.placement import FEWEST_VOXELS, confluent, ovoid, place_lesions, regions
from model.training_pool import TrainingPool
from tests.fixtures.round_heads import LEVELS, round_heads

SHAPE = (64, 64, 64)
STRAIGHT = Placement(matrix=np.eye(3), offset=np.zeros(3), shape=SHAPE)


@pytest.fixture(scope="module")
def pool() -> TrainingPool:
    return round_heads()


def head(pool: TrainingPool, which: int) -> PatchAnatomy:
    return seen_anatomy(pool.anatomies[which], STRAIGHT)


@pytest.mark.parametrize("which", [0, 1])
def test_lesions_are_never_in_fluid_or_outside_the_brain(pool: TrainingPool, which: int):
    seen = head(pool, which)
    forbidden = np.isin(seen.tissue, (Tissue.CSF, Tissue.VENTRICLE, Tissue.AIR)) | (seen.tissue >= Tissue.EXTRA)
    for seed in range(6):
        assert not (place_lesions(seen, pool, np.random.default_rng(seed)) & forbidden).any()


def test_lesions_are_small_and_large_beside_the_ventricle_and_under_the_cortex(pool: TrainingPool):
    seen = head(pool, 0)
    sizes, touching = [], np.zeros(2, int)
    ventricle, cortex = (grown_by_one(seen.tissue == kind) for kind in (Tissue.VENTRICLE, Tissue.GREY))
    for seed in range(10):
        labelled, count = ndimage.label(place_lesions(seen, pool, np.random.default_rng(seed)), np.ones((3, 3, 3)))
        sizes += np.bincount(labelled.ravel())[1:].tolist()
        for n, beside in enumerate((ventricle, cortex)):
            touching[n] += len(np.unique(labelled[beside & (labelled > 0)]))
        assert count < 100
    assert min(sizes) >= FEWEST_VOXELS
    assert sum(size <= 50 for size in sizes) > len(sizes) / 3
    assert max(sizes) > 2000
    assert (touching > len(sizes) / 12).all()


def test_some_heads_have_few_lesions_and_some_are_full(pool: TrainingPool):
    seen = head(pool, 0)
    volumes = sorted(int(place_lesions(seen, pool, np.random.default_rng(seed)).sum()) for seed in range(30))
    assert volumes[9] < volumes[20] / 5  # the lower and the upper third


def test_the_four_regions_do_not_overlap_and_lie_where_they_are_named_for():
    tissue = np.full((20, 20, 20), Tissue.WHITE, np.uint8)
    tissue[:, :, :2], tissue[:, :, 18:] = Tissue.VENTRICLE, Tissue.GREY
    tissue[:4] = Tissue.BRAINSTEM
    depth = np.broadcast_to(np.maximum(np.arange(20, dtype=np.float32) - 1, 0), tissue.shape).copy()
    pool = round_heads()
    seen = PatchAnatomy(
        anatomy=pool.anatomies[0],
        frame=STRAIGHT.frame(),
        tissue=tissue,
        ventricle_mm=np.minimum(depth, 15),
        surface_mm=-depth,
    )
    found = regions(seen)
    assert sum(mask.astype(int) for mask in found.values()).max() == 1
    row = {name: np.flatnonzero(mask[10, 10]).tolist() for name, mask in found.items()}
    assert row["periventricular"] == [2, 3]
    assert row["juxtacortical"] == [17]
    assert row["deep"] == list(range(4, 17))
    assert np.flatnonzero(found["infratentorial"][2, 10]).tolist() == list(range(20))


@pytest.mark.parametrize("voxels", [3, 12, 50, 400])
def test_an_ovoid_has_exactly_the_asked_volume_in_one_piece(voxels: int):
    for seed in range(5):
        piece = ovoid(voxels, np.random.default_rng(seed))
        assert piece.sum() == voxels
        assert ndimage.label(piece, np.ones((3, 3, 3)))[1] == 1


def test_confluent_lesions_lie_along_the_ventricle_and_are_large(pool: TrainingPool):
    seen = head(pool, 0)
    masks = [confluent(seen, np.random.default_rng(seed)) & (seen.tissue == Tissue.WHITE) for seed in range(8)]
    assert max(int(mask.sum()) for mask in masks) > 2000
    assert all(seen.ventricle_mm[mask].max() < 15 for mask in masks if mask.any())


def test_the_healed_scan_shows_white_matter_where_its_own_lesion_was(pool: TrainingPool):
    real = pool.anatomies[1]
    assert real.flair is not None
    assert real.lesions is not None
    healed = canvas(real).healed[1]
    own = real.lesions > 0
    assert real.flair[own].min() > 1.4
    assert np.abs(healed[own] - LEVELS[Tissue.WHITE]).max() < 0.2
    far = ~ndimage.binary_dilation(own, iterations=8)
    assert np.allclose(healed[far], real.flair[far])


def test_a_label_map_has_no_canvas(pool: TrainingPool):
    with pytest.raises(ValueError, match="real scan"):
        canvas(pool.anatomies[0])


def test_growing_by_one_adds_the_face_neighbours():
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = mask[0, 0, 0] = True
    assert np.array_equal(grown_by_one(mask), ndimage.binary_dilation(mask))
