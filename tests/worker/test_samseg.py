"""The method without learning on folders; FreeSurfer is a stand-in that checks its options as the real one would."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from model.phantom_head import mni_head
from model.reference_mode import read_scan
from model.volume import Volume
from service.contracts.errors import ProcessingFailed
from service.contracts.input_errors import BackendUnavailable, EmptyStudy, UnusableScans
from tests.fixtures.reference_scans import write
from worker.commands.samseg_method import chosen_backend, predict_with_samseg, segment_patient
from worker.samseg import Visit, segment_with_freesurfer

STAND_IN = '''#!{python}
"""Calls voxels over 50 in FLAIR lesions (99), the rest of the brain white matter (2)."""
import argparse, os, pathlib, sys
import nibabel as nib
import numpy as np

longitudinal = sys.argv[0].endswith("_long")
parser = argparse.ArgumentParser(allow_abbrev=False)
if longitudinal:
    parser.add_argument("--timepoint", nargs="+", action="append", required=True)
else:
    parser.add_argument("--input", nargs="+", action="append", required=True)
parser.add_argument("--output", required=True)
parser.add_argument("--lesion", action="store_true", required=True)
parser.add_argument("--lesion-mask-pattern", type=int, nargs="+", required=True)
parser.add_argument("--pallidum-separate", action="store_true", required=True)
parser.add_argument("--threads", type=int, required=True)
options = parser.parse_args()
visits = options.timepoint if longitudinal else options.input
assert os.environ["FREESURFER_HOME"] == str(pathlib.Path(sys.argv[0]).parent.parent)
assert options.lesion_mask_pattern == [0, 1] and options.threads == 3
assert len(visits) > 1 if longitudinal else len(visits) == 1
for number, (t1, flair) in enumerate(visits, start=1):
    t1, flair = nib.load(t1), nib.load(flair)
    assert t1.shape == flair.shape and np.allclose(t1.affine, flair.affine)
    assert t1.get_fdata().min() >= 0
    labels = np.where(flair.get_fdata() > 50, 99, np.where(t1.get_fdata() > 0, 2, 0)).astype(np.int32)
    folder = pathlib.Path(options.output) / (f"tp{{number:03d}}" if longitudinal else "")
    folder.mkdir(parents=True)
    nib.save(nib.MGHImage(labels[::-1], t1.affine @ np.array(
        [[-1, 0, 0, t1.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)), folder / "seg.mgz")
'''

FAILING = "#!/bin/sh\nexit 3\n"
SILENT = "#!/bin/sh\nexit 0\n"
GARBLED = """#!{python}
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
out.mkdir()
(out / "seg.mgz").write_bytes(b"no image")
"""

AFFINE = np.array([[0.0, -0.9, 0, 20], [1.1, 0, 0, -30], [0, 0, 2.0, 5], [0, 0, 0, 1]])


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FREESURFER_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing_installed: None) -> Callable[[str], Path]:
    """Puts a script in the place of both programs."""

    def both(script: str) -> Path:
        folder = tmp_path / "freesurfer" / "bin"
        folder.mkdir(parents=True)
        for name in ("run_samseg_long", "run_samseg"):
            (folder / name).write_text(script.format(python=sys.executable))
            (folder / name).chmod(0o755)
        monkeypatch.setenv("FREESURFER_HOME", str(folder.parent))
        return folder

    return both


def visit(seed: int) -> tuple[Visit, np.ndarray]:
    """Random lesions, also in a corner; one voxel below zero as interpolation leaves them."""
    lesion = np.random.default_rng(seed).random((9, 11, 7)) > 0.8
    t1 = np.full(lesion.shape, 20.0, np.float32)
    t1[4, 4, 4] = -1.0
    flair = np.where(lesion, 80.0, 30.0).astype(np.float32)
    return Visit(t1=Volume(array=t1, affine=AFFINE), flair=Volume(array=flair, affine=AFFINE)), lesion


@pytest.mark.parametrize("count", [1, 2, 3])
def test_lesions_of_freesurfer_come_back_on_the_scans_own_grid(install: Callable[[str], Path], count: int) -> None:
    install(STAND_IN)
    visits, lesions = zip(*(visit(seed) for seed in range(count)), strict=True)

    masks = segment_with_freesurfer(visits, threads=3)

    for mask, lesion in zip(masks, lesions, strict=True):
        np.testing.assert_array_equal(mask.array, lesion)
        np.testing.assert_array_equal(mask.affine, AFFINE)


def test_freesurfer_is_found_on_the_path(install: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(STAND_IN)
    monkeypatch.delenv("FREESURFER_HOME")
    monkeypatch.setenv("PATH", str(folder))
    one, lesion = visit(1)

    assert chosen_backend("auto") == "freesurfer"
    np.testing.assert_array_equal(segment_with_freesurfer([one], threads=3)[0].array, lesion)


@pytest.mark.usefixtures("nothing_installed")
def test_without_freesurfer_the_backend_says_what_is_missing() -> None:
    with pytest.raises(BackendUnavailable, match="FREESURFER_HOME"):
        segment_with_freesurfer([visit(1)[0]])
    assert chosen_backend("auto") == "built-in"


@pytest.mark.parametrize(
    ("script", "match"),
    [(FAILING, "ended with status 3"), (SILENT, "left no segmentation"), (GARBLED, "left no segmentation")],
)
def test_a_run_that_fails_is_a_named_error_without_a_path(
    install: Callable[[str], Path], tmp_path: Path, script: str, match: str
) -> None:
    install(script)

    with pytest.raises(ProcessingFailed, match=match) as caught:
        segment_with_freesurfer([visit(1)[0]])

    assert "/" not in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_a_run_that_takes_too_long_is_ended(install: Callable[[str], Path]) -> None:
    install("#!{python}\nimport time\ntime.sleep(60)\n")

    with pytest.raises(ProcessingFailed, match="more than"):
        segment_with_freesurfer([visit(1)[0]], timeout_s=0.2)


def cube() -> np.ndarray:
    """One on 20, lesion where it is 100; channel two is twice that."""
    array = np.full((9, 10, 8), 20.0)
    array[2:4, 5:8, 1:3] = 100
    return array


def array(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_a_folder_goes_through_freesurfer_and_a_broken_scan_stops_no_other(
    install: Callable[[str], Path], tmp_path: Path
) -> None:
    install(STAND_IN)
    scans, out = tmp_path / "in", tmp_path / "out"
    for name in ("a", "b", "c"):
        write(scans, cube(), name=name, spacing=(1.2, 0.8, 3.0))
    (scans / "Canary^Name_0000.nii.gz").write_bytes(b"nothing")
    patients = {"one": ["a", "b", "not there"], "two": ["Canary^Name", "c"]}

    with pytest.raises(UnusableScans, match="1 of 4") as caught:
        predict_with_samseg(scans, patients, out, threads=3)

    assert "Canary" not in caught.value.message
    for name in ("a", "b", "c"):
        written, source = (sitk.ReadImage(str(p)) for p in (out / f"{name}.nii.gz", scans / f"{name}_0001.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(source) > 50)
        assert written.GetDirection() == pytest.approx(source.GetDirection())
        assert written.GetOrigin() == pytest.approx(source.GetOrigin(), abs=1e-4)
    record = json.loads((out / "predict.json").read_text())
    assert (record["method"], record["backend"]) == ("samseg", "freesurfer")
    problems = {row["scan"]: row["problem"] for row in record["scans"]}
    assert problems == {"a": None, "b": None, "Canary^Name": "an image is missing or cannot be read", "c": None}


@pytest.mark.usefixtures("nothing_installed")
def test_an_empty_folder_a_missing_backend_and_a_whole_head_are_refused(tmp_path: Path) -> None:
    scans, out = tmp_path / "in", tmp_path / "out"
    with pytest.raises(EmptyStudy):
        predict_with_samseg(tmp_path, None, out)
    head = np.full((18, 18, 18), 30.0)
    write(scans, head, name="head", spacing=(10.0, 10.0, 10.0))
    with pytest.raises(BackendUnavailable):
        predict_with_samseg(scans, None, out, "freesurfer")

    with pytest.raises(UnusableScans):
        predict_with_samseg(scans, None, out, "built-in")

    (row,) = json.loads((out / "predict.json").read_text())["scans"]
    assert "zero outside the brain" in row["problem"]
    assert not list(out.glob("*.nii.gz"))


def test_scans_of_a_patient_on_different_grids_are_refused(tmp_path: Path) -> None:
    two = [read_scan(write(tmp_path, cube(), name=name, spacing=(1, 1, thick))) for name, thick in (("a", 1), ("b", 2))]
    with pytest.raises(ValueError, match="different grids"):
        segment_patient(two, "built-in")


@pytest.mark.slow
def test_the_built_in_mixture_finds_the_lesion_of_a_stripped_head_in_thick_slices(tmp_path: Path) -> None:
    """MNI152's tissues with a new lesion of 12 mm at the second visit, in LPS files of 1 x 1 x 2 mm."""
    head = mni_head(3)
    centre = np.linalg.inv(head.affine) @ [-26.0, 8.0, 28.0, 1.0]  # deep white matter
    axes = np.ogrid[tuple(slice(n) for n in head.brain.shape)]
    lesion = sum((axis - c) ** 2 for axis, c in zip(axes, centre[:3], strict=True)) <= 6.0**2
    for name, there in (("before", False), ("after", True)):
        _write_head(tmp_path / "in", head, lesion & there, name)

    predict_with_samseg(tmp_path / "in", {"p": ["before", "after"]}, tmp_path / "out", "built-in")

    before, after = (array(tmp_path / "out" / f"{name}.nii.gz") > 0 for name in ("before", "after"))
    truth = array(tmp_path / "in" / "truth_after.nii.gz") > 0
    assert after.shape == array(tmp_path / "in" / "after_0001.nii.gz").shape
    assert 2 * (after & truth).sum() / (after.sum() + truth.sum()) > 0.7
    assert not (before & truth).any()


def _write_head(folder: Path, head: object, lesion: np.ndarray, name: str) -> None:
    """Files x y z in RAS turned to LPS on disk, slices of 2 mm by averaging pairs."""
    rng = np.random.default_rng(len(name))
    folder.mkdir(exist_ok=True)
    for file, (fluid, grey, white, bright) in {
        f"{name}_0000": (0.25, 0.7, 1.0, 0.75),
        f"{name}_0001": (0.15, 1.15, 0.95, 1.6),
        f"truth_{name}": (0, 0, 0, 1),
    }.items():
        image = fluid * head.fluid + grey * head.grey + white * head.white
        image = np.where(lesion, bright, ndimage.gaussian_filter(image, 0.6))
        noise = 0.03 * rng.standard_normal(image.shape) if bright != 1 else 0
        image = (500 * (image + noise) * head.brain) if bright != 1 else lesion * 500
        even = image[:, :, : image.shape[2] // 2 * 2]
        thick = (even[:, :, 0::2] + even[:, :, 1::2]) / 2
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ head.affine
        affine[:3, 2] *= 2
        affine[2, 3] += 0.5
        data = np.round(thick).astype(np.int16) if bright != 1 else (thick >= 250).astype(np.uint8)
        stored = nib.Nifti1Image(data, affine).as_reoriented(nib.orientations.axcodes2ornt("LPS"))
        stored.set_sform(stored.affine, 1)
        nib.save(stored, folder / f"{file}.nii.gz")
