"""Series of real scanners against dcm2niix, voxel by voxel in patient space."""

import subprocess
import zipfile
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
import pytest

from model.volume import Volume
from worker.dicom_index import DicomSeries, index_folder
from worker.dicom_reader import assemble, read_series

WHOLE = [
    "ge_hdxt_t1_irspgr_refaced_classic",
    "philips_elition_t1_mprage_classic",
    "siemens_prisma_pdt2_dualecho",
    "siemens_prismafit_t1_sag_HFDL",
    "siemens_xa30_t1_jpeg2000_multifragment",
    "siemens_xa30_t1_jpeg_lossless_multifragment",
    "philips_cs_t1_enhanced_plus_rawdata",
    "siemens_xa30_t1_enhanced_multiframe",
]
FEW_SLICES = [
    "ge/anatomical",
    "generic/anatomical",
    "generic/compressed_j2k",
    "generic/compressed_jpeg",
    "generic/compressed_jpegls",
    "generic/compressed_rle",
    "hitachi/anatomical",
    "hyperfine/anatomical",
    "philips/anatomical",
    "philips_enhanced/anatomical",
    "siemens/anatomical",
    "siemens_multiframe/anatomical",
]
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture
def real(shared_folder, tmp_path):
    """A folder with one real series, by its name."""

    def folder_of(name: str) -> Path:
        for folder in (shared_folder / "data/dicom" / name, shared_folder / "data/dicom/dicom2nifti_fragments" / name):
            if folder.is_dir():
                return folder
        with zipfile.ZipFile(shared_folder / "data/dicom" / f"{name}.zip") as archive:
            archive.extractall(tmp_path / "series")
        return tmp_path / "series"

    return folder_of


def converted(folder: Path, out: Path) -> list[Volume]:
    """What dcm2niix makes of a folder, by the name of the echo; standard rescale, no merging, rotating or cropping."""
    out.mkdir()
    options = {"-p": "n", "-m": "n", "-x": "i", "-z": "n", "-b": "n", "-f": "%e", "-o": str(out)}
    command = [dcm2niix.bin, *(word for option in options.items() for word in option), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    images = [nib.load(path) for path in sorted(out.glob("*.nii"))]
    return [Volume(array=image.get_fdata(dtype=np.float64), affine=RAS_FROM_LPS @ image.affine) for image in images]


def on_the_axes_of(ours: Volume, theirs: Volume) -> np.ndarray:
    """Their array with our axes: the grids must be the same voxels in another order."""
    theirs_from_ours = np.linalg.inv(theirs.affine) @ ours.affine
    axes = np.round(theirs_from_ours[:3, :3])
    assert (np.abs(axes).sum(axis=0) == 1).all()
    array = theirs.array.transpose(np.abs(axes).argmax(axis=0))
    assert array.shape == ours.array.shape
    for corner in np.ndindex(2, 2, 2):
        index = np.multiply(corner, np.array(ours.array.shape) - 1)
        there = theirs_from_ours @ (*index, 1)
        apart = theirs.affine @ (there - np.round(there))
        assert np.linalg.norm(apart[:3]) < 0.02, "the same voxel lies elsewhere"
        assert (np.round(there[:3]) >= 0).all()
        assert (np.round(there[:3]) < theirs.array.shape).all()
    return np.flip(array, axis=[n for n in range(3) if axes[:, n].sum() < 0])


def voxels_agree(series: tuple[DicomSeries, ...], theirs: list[Volume]) -> None:
    assert len(series) == len(theirs)
    for one, other in zip(series, theirs, strict=True):
        ours = assemble(one.slices).volume
        expected = on_the_axes_of(ours, other)
        assert ours.array.any()
        assert np.abs(ours.array - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.shared_data
@pytest.mark.parametrize("name", WHOLE + FEW_SLICES)
def test_every_voxel_has_the_place_and_value_that_dcm2niix_gives_it(real, tmp_path, name):
    folder = real(name)
    voxels_agree(index_folder(folder).series, converted(folder, tmp_path / "nifti"))


@pytest.mark.shared_data
def test_a_real_dual_echo_series_is_two_stacks(real):
    stacks = index_folder(real("siemens_prisma_pdt2_dualecho")).series
    assert [(stack.header.echo_time, len(stack.slices)) for stack in stacks] == [(11.0, 35), (92.0, 35)]
    assert all(read_series(stack).array.shape == (64, 64, 35) for stack in stacks)
