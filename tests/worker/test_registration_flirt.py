"""FLIRT's matrices in world coordinates; FSL itself is not needed."""

import numpy as np
import pytest

from model.volume import Volume
from service.contracts.input_errors import BackendUnavailable
from worker.registration import RegistrationSettings, align_pair, align_t1_to_flair
from worker.registration_flirt import flirt_fixed_from_moving, world_from_flirt

RAS_NEGATIVE = np.diag([-0.9, -1.1, 3.0, 1.0])
"""LPS affine of a volume whose voxel axes point to L, P, S turned to R, A, S: positive determinant in RAS."""

LPS_POSITIVE = np.diag([0.8, -1.2, 2.5, 1.0])
"""Voxel axes L, A, S: negative determinant in RAS, the storage FSL takes as it stands."""


def volume(affine, shape, origin):
    placed = affine.copy()
    placed[:3, 3] = origin
    return Volume(array=np.zeros(shape, np.float32), affine=placed)


def flirt_coordinates(v):
    """FSL's rule: voxels times spacing, with the first axis mirrored where the RAS determinant is positive."""
    scale = np.diag([*v.spacing, 1.0])
    ras = np.diag([-1.0, -1, 1, 1]) @ v.affine
    if np.linalg.det(ras[:3, :3]) > 0:
        mirror = np.diag([-1.0, 1, 1, 1])
        mirror[0, 3] = v.array.shape[0] - 1
        scale = scale @ mirror
    return scale


@pytest.mark.parametrize("source_axes", [RAS_NEGATIVE, LPS_POSITIVE])
@pytest.mark.parametrize("reference_axes", [RAS_NEGATIVE, LPS_POSITIVE])
def test_a_hand_made_flirt_matrix_becomes_the_world_transform_it_stands_for(source_axes, reference_axes):
    source = volume(source_axes, (20, 24, 10), (31.0, -12.0, 5.0))
    reference = volume(reference_axes, (22, 18, 12), (-9.0, 27.0, -14.0))
    world = np.array([[0.99, -0.12, 0.03, 4.0], [0.11, 1.01, 0.05, -6.0], [-0.02, -0.06, 0.98, 2.5], [0, 0, 0, 1.0]])
    voxel = np.linalg.inv(reference.affine) @ world @ source.affine
    matrix = flirt_coordinates(reference) @ voxel @ np.linalg.inv(flirt_coordinates(source))
    assert world_from_flirt(matrix, source, reference) == pytest.approx(world, abs=1e-4)


def test_without_fsl_the_backend_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("FSLDIR", raising=False)
    image = volume(LPS_POSITIVE, (4, 4, 4), (0, 0, 0))
    with pytest.raises(BackendUnavailable, match="FSLDIR"):
        flirt_fixed_from_moving(image, image, image)


@pytest.mark.parametrize(("kind", "freedoms"), [("affine", [12, 12]), ("rigid", [6, 6])])
def test_visits_are_aligned_with_the_freedoms_that_are_asked_for_and_t1_to_flair_with_all(monkeypatch, kind, freedoms):
    asked = []

    def stand_in(*, omat, dof, **_):
        asked.append(dof)
        np.savetxt(omat, np.eye(4))

    monkeypatch.setenv("FSLDIR", "/opt/fsl")
    monkeypatch.setattr("worker.registration_flirt.flirt", stand_in)
    image = volume(np.diag([2.0, 2.0, 2.0, 1.0]), (16, 16, 16), (0, 0, 0))
    image = image.like(np.random.default_rng(1).random(image.array.shape, np.float32))
    brain = image.like(np.ones(image.array.shape, bool))
    settings = RegistrationSettings(backend="flirt", between_visits=kind)

    pair = align_pair(image, brain, image, brain, settings=settings)
    align_t1_to_flair(image, image, brain, settings=settings)

    assert asked == [*freedoms, 12]
    assert (pair.backend, pair.kind) == ("flirt", kind)
