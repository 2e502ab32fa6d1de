"""The phantom pair as files that users upload, with the truth beside them.

baseline/    T1.nii.gz FLAIR.nii.gz    or    t1/IM0001.dcm ... flair/IM0001.dcm ...   (multi-frame: one each)
follow_up/   the same
truth/       truth.json  {baseline,follow_up}_{lesions,lesion_ids,brain}.nii.gz   each on its FLAIR's grid
"""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np

from model.phantom import PhantomOptions, PhantomPair, PhantomStudy, PhantomTruth, make_phantom_pair
from model.volume import Affine, Volume
from worker.dicom_enhanced_writer import write_enhanced_mr, write_legacy_converted_mr
from worker.dicom_sequences import PHILIPS_FLAIR_3D, PHILIPS_T1_TFE, SIEMENS_FLAIR_2D, SIEMENS_MPRAGE, MrSequence
from worker.dicom_writer import MrHeader, write_mr_series

PhantomKind = Literal["dicom", "enhanced_dicom", "legacy_converted_dicom", "nifti"]
"""One DICOM file per slice, one Enhanced MR or Legacy Converted Enhanced MR object per series, or NIfTI."""
RAS_FROM_LPS: Affine = np.diag([-1.0, -1.0, 1.0, 1.0])


BASELINE_DATE, FOLLOW_UP_DATE = date(2023, 3, 14), date(2024, 4, 9)


def write_phantom_pair(folder: Path, *, kind: PhantomKind, options: PhantomOptions | None = None) -> PhantomTruth:
    """The truth about the pair that it has made and written under `folder`."""
    pair = make_phantom_pair(options)
    write_pair(pair, folder, kind=kind)
    return pair.truth


def write_pair(pair: PhantomPair, folder: Path, *, kind: PhantomKind) -> None:
    """Both studies and the truth as files under `folder`."""
    visits = (("baseline", pair.baseline, BASELINE_DATE), ("follow_up", pair.follow_up, FOLLOW_UP_DATE))
    for name, study, day in visits:
        if kind == "nifti":
            write_nifti(study.t1, folder / name / "T1.nii.gz")
            write_nifti(study.flair, folder / name / "FLAIR.nii.gz")
        else:
            _write_dicom(study, folder / name, day, kind)
    _write_truth(pair, folder / "truth")


def write_nifti(volume: Volume, path: Path) -> None:
    """A NIfTI file: float32 for images, uint8 for masks and labels; world turned from LPS to RAS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = np.float32 if volume.array.dtype.kind == "f" else np.uint8
    nifti_image: Any = nib.Nifti1Image
    image = nifti_image(volume.array.astype(kind), RAS_FROM_LPS @ volume.affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    nib.save(image, path)


def truth_as_json(truth: PhantomTruth) -> dict[str, Any]:
    """Plain numbers and texts: the lesions, and the 4x4 transforms (world mm, LPS)."""
    return {
        "lesions": [asdict(lesion) for lesion in truth.lesions],
        "baseline_from_follow_up": truth.baseline_from_follow_up.tolist(),
        "baseline_flair_from_t1": truth.baseline_flair_from_t1.tolist(),
        "follow_up_flair_from_t1": truth.follow_up_flair_from_t1.tolist(),
    }


def _write_dicom(study: PhantomStudy, folder: Path, day: date, kind: PhantomKind) -> None:
    t1, flair = _sequences(study)
    for number, name, volume, sequence in ((2, "t1", study.t1, t1), (3, "flair", study.flair, flair)):
        header = MrHeader(sequence=sequence, study_date=day, series_number=number)
        if kind == "enhanced_dicom":
            write_enhanced_mr(volume, folder / name / "IM0001.dcm", header=header)
        elif kind == "legacy_converted_dicom":
            write_legacy_converted_mr(volume, folder / name / "IM0001.dcm", header=header)
        else:
            write_mr_series(volume, folder / name, header=header)


def _sequences(study: PhantomStudy) -> tuple[MrSequence, MrSequence]:
    """T1 and FLAIR of the site whose protocol the images follow: thick slices at one, 3D at the other."""
    in_plane, _, between_slices = study.flair.spacing
    if between_slices > 1.5 * in_plane:
        return SIEMENS_MPRAGE, SIEMENS_FLAIR_2D
    return PHILIPS_T1_TFE, PHILIPS_FLAIR_3D


def _write_truth(pair: PhantomPair, folder: Path) -> None:
    for name, study in (("baseline", pair.baseline), ("follow_up", pair.follow_up)):
        write_nifti(study.lesions, folder / f"{name}_lesions.nii.gz")
        write_nifti(study.lesion_ids, folder / f"{name}_lesion_ids.nii.gz")
        write_nifti(study.brain, folder / f"{name}_brain.nii.gz")
    text = json.dumps(truth_as_json(pair.truth), indent=2)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")
