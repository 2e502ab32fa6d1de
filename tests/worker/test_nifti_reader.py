"""NIfTI files read to their world positions, or refused by name; written ones lie on the source's exact grid."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from service.contracts.errors import ResultInconsistent
from service.contracts.input_errors import (
    CorruptImage,
    EmptyImage,
    ImageTooSmall,
    InconsistentOrientation,
    NotAnImage,
    NotThreeDimensional,
)
from tests.fixtures.small_studies import small_volume
from worker import nifti_writer
from worker.nifti_reader import read_nifti
from worker.nifti_writer import write_nifti

RAS = np.array([[2.5, 0, 0, -40], [0, 3, 0, -50], [0, 0, 5, -30], [0, 0, 0, 1.0]])


def noise(shape=(40, 36, 14), dtype=np.int16):
    return np.random.default_rng(3).integers(0, 900, shape).astype(dtype)


def save(path, array, affine=RAS, *, sform=1, qform=1, unit="mm"):
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units(unit)
    image.set_sform(affine, code=sform)
    image.set_qform(affine, code=qform)
    nib.save(image, path)
    return path


def test_world_is_turned_from_ras_to_lps(tmp_path):
    volume = read_nifti(save(tmp_path / "a.nii.gz", noise()))
    np.testing.assert_allclose(volume.affine @ (2, 3, 4, 1), (40 - 5, 50 - 9, -30 + 20, 1))
    assert volume.array.dtype == np.float32
    assert (volume.array == noise()).all()


@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (2, 1), (4, 0)])
def test_one_coded_form_is_enough(tmp_path, sform, qform):
    path = save(tmp_path / "a.nii.gz", noise(), sform=sform, qform=qform)
    np.testing.assert_allclose(read_nifti(path).affine, np.diag([-1.0, -1.0, 1.0, 1.0]) @ RAS, atol=1e-5)


def test_an_image_without_coded_forms_is_refused(tmp_path):
    with pytest.raises(CorruptImage, match="neither sform nor qform"):
        read_nifti(save(tmp_path / "a.nii.gz", noise(), sform=0, qform=0))


def test_other_units_than_mm_are_refused(tmp_path):
    with pytest.raises(CorruptImage, match="micron"):
        read_nifti(save(tmp_path / "a.nii.gz", noise(), unit="micron"))


def test_slope_and_intercept_are_applied(tmp_path):
    image = nib.Nifti1Image(noise(), RAS)
    image.set_sform(RAS, code=1)
    image.header.set_slope_inter(0.5, -7)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii").array, noise() * 0.5 - 7)


def test_a_last_axis_of_one_is_dropped(tmp_path):
    assert read_nifti(save(tmp_path / "a.nii.gz", noise((40, 36, 14, 1)))).array.shape == (40, 36, 14)


def test_four_dimensions_are_refused(tmp_path):
    with pytest.raises(NotThreeDimensional, match=r"saw 4 dimensions \(40, 36, 14, 2\), expected 3"):
        read_nifti(save(tmp_path / "a.nii.gz", noise((40, 36, 14, 2))))


def test_voxels_that_are_no_numbers_become_zero(tmp_path):
    array = noise(dtype=np.float32)
    array[3, 3, 3], array[4, 4, 4] = np.nan, np.inf
    volume = read_nifti(save(tmp_path / "a.nii.gz", array))
    assert volume.array[3, 3, 3] == volume.array[4, 4, 4] == 0


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_constant_image_is_empty(tmp_path, value):
    with pytest.raises(EmptyImage):
        read_nifti(save(tmp_path / "a.nii.gz", np.full((40, 36, 14), value, np.float32)))


@pytest.mark.parametrize("shape", [(40, 36, 4), (20, 36, 14)])
def test_a_thin_slab_is_too_small(tmp_path, shape):
    with pytest.raises(ImageTooSmall):
        read_nifti(save(tmp_path / "a.nii.gz", noise(shape)))


def test_sheared_axes_are_refused(tmp_path):
    sheared = RAS.copy()
    sheared[0, 1] = 0.2
    with pytest.raises(InconsistentOrientation, match="sheared"):
        read_nifti(save(tmp_path / "a.nii.gz", noise(), sheared, qform=0))


def test_colour_voxels_are_refused(tmp_path):
    colour = np.zeros((40, 36, 14), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(NotAnImage, match="colours"):
        read_nifti(save(tmp_path / "a.nii.gz", colour))


@pytest.mark.parametrize("kept", [0.0005, 0.2, 0.9, 0.9999])
def test_a_truncated_file_is_corrupt(tmp_path, kept):
    whole = save(tmp_path / "a.nii.gz", noise()).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(whole[: max(3, int(len(whole) * kept))])
    with pytest.raises(CorruptImage):
        read_nifti(tmp_path / "b.nii.gz")


def test_damaged_bytes_are_corrupt(tmp_path):
    raw = bytearray(save(tmp_path / "a.nii.gz", noise()).read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 40] = bytes(40)
    (tmp_path / "a.nii.gz").write_bytes(raw)
    with pytest.raises(CorruptImage):
        read_nifti(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("content", [b"", b"not an image" * 100])
def test_text_named_as_nifti_is_not_an_image(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NotAnImage):
        read_nifti(tmp_path / name)


def test_zipped_text_named_as_nifti_is_not_an_image(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"not an image" * 100))
    with pytest.raises(NotAnImage):
        read_nifti(tmp_path / "a.nii.gz")


def test_a_header_that_asks_for_too_much_is_refused_before_memory_is_taken(tmp_path):
    path = save(tmp_path / "a.nii", noise())
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    path.write_bytes(raw)
    with pytest.raises(CorruptImage, match="more than any brain scan"):
        read_nifti(path)


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_a_written_mask_lies_on_the_exact_grid_of_its_source(tmp_path, plane):
    source = small_volume(plane, (11.0, -4.0, 8.0))
    write_nifti(source, tmp_path / "source.nii.gz")
    read = read_nifti(tmp_path / "source.nii.gz")
    write_nifti(read.like(read.array > 1500), tmp_path / "mask.nii.gz")
    first, second = nib.load(tmp_path / "source.nii.gz"), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(first.header.get_sform(), second.header.get_sform())
    np.testing.assert_allclose(first.header.get_qform(), second.header.get_qform(), atol=1e-5)
    assert (int(second.header["sform_code"]), int(second.header["qform_code"])) == (1, 1)
    assert second.get_data_dtype() == np.uint8
    assert (np.asarray(second.dataobj) == (source.array > 1500)).all()


@pytest.mark.shared_data
def test_a_written_mask_keeps_the_form_of_a_real_clinical_scan(tmp_path, shared_folder):
    source = shared_folder / "data/open_ms_data/longitudinal/patient01/study1_FLAIR.nii.gz"
    volume = read_nifti(source)
    write_nifti(volume.like(volume.array > volume.array.mean()), tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(nib.load(source).affine, nib.load(tmp_path / "mask.nii.gz").affine)


def test_a_file_that_reads_back_differently_is_refused(tmp_path, monkeypatch):
    def save_something_else(image, path):
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine, image.header), path)

    class Writer:
        nifti1, load = nib.nifti1, staticmethod(nib.load)
        save = staticmethod(save_something_else)

    monkeypatch.setattr(nifti_writer, "nib", Writer)
    volume = small_volume()
    with pytest.raises(ResultInconsistent, match="other values"):
        write_nifti(volume.like(volume.array > 1500), tmp_path / "mask.nii.gz")
