"""The phantom's lesions lie where they are in the patient, in whatever plane and kind of object they were stored."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import ndimage

from model.phantom import SITE_A, SITE_B, PhantomOptions, PhantomStudy, PhantomTruth, make_phantom_pair
from model.volume import Volume, world_from_voxel
from tests.fixtures.multi_frame import write_kind
from tests.fixtures.stored_planes import STORED, Stored
from worker.dicom_index import index_folder
from worker.dicom_reader import read_series
from worker.dicom_sequences import SIEMENS_FLAIR_3D
from worker.dicom_writer import MrHeader

VOXEL_MM = 1.5
SHAPE = (140, 136, 120)


@pytest.fixture(scope="module")
def phantom() -> tuple[PhantomStudy, PhantomTruth]:
    """The follow-up, and what is true of it."""
    coarse = {"voxel_mm": (8.0, 8.0, 8.0), "sub_voxel_mm": 8.0}
    fine = {"voxel_mm": (1.5, 1.5, 1.5), "sub_voxel_mm": 1.5}
    baseline = replace(SITE_A, t1=replace(SITE_A.t1, **coarse), flair=replace(SITE_A.flair, **coarse))
    follow_up = replace(SITE_B, t1=replace(SITE_B.t1, **coarse), flair=replace(SITE_B.flair, **fine))
    pair = make_phantom_pair(PhantomOptions(baseline=baseline, follow_up=follow_up))
    return pair.follow_up, pair.truth


def stored(ids: Volume, how: Stored) -> Volume:
    """The lesion ids as the values of an image with its own directions, the nearest voxel's at each place."""
    affine = np.eye(4)
    affine[:3, :3] = how.directions * VOXEL_MM
    centre = world_from_voxel(ids.affine, np.array([np.array(ids.array.shape) / 2]))[0]
    affine[:3, 3] = centre - affine[:3, :3] @ (np.array(SHAPE) / 2)
    ids_from_image = np.linalg.inv(ids.affine) @ affine
    array = ndimage.affine_transform(ids.array, ids_from_image[:3, :3], ids_from_image[:3, 3], SHAPE, order=0)
    return Volume(array=array.astype(np.float32), affine=affine)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, kind) for name in STORED for kind in ("classic", "enhanced")), ("oblique", "legacy_converted")],
)
def test_every_lesion_is_within_a_millimetre_of_its_place_in_the_patient(tmp_path, phantom, name, kind):
    study, truth = phantom
    how = STORED[name]
    header = MrHeader(
        sequence=SIEMENS_FLAIR_3D, study_date=date(2024, 4, 9), series_number=3, patient_position=how.position
    )
    write_kind(kind, stored(study.lesion_ids, how), tmp_path, header=header)

    (series,) = index_folder(tmp_path).series
    again = read_series(series)

    present = [lesion for lesion in truth.lesions if lesion.follow_up_volume_mm3 > 0]
    assert len(present) >= 8
    for lesion in present:
        voxels = np.argwhere(again.array == lesion.id)
        assert len(voxels)
        centre = world_from_voxel(again.affine, voxels.astype(float)).mean(axis=0)
        assert np.linalg.norm(centre - lesion.follow_up_centroid_mm) < 1.0
