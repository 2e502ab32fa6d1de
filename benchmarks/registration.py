"""Registration error against the dataset authors' transforms, seconds, and FLIRT beside it.

    python benchmarks/registration.py [--data ../shared/data]

Error: mean distance over the brain between a point sent by our transform and by the authors', mm. The references are
affine registrations themselves: a tenth of a millimetre means little. Seconds are for one direction and depend on
what else the machine does; FLIRT is run where FSLDIR is set, else the column holds what was measured once.
"""

import argparse
import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from model.grid import Grid
from model.resampling import resample
from model.volume import Volume, world_from_voxel
from worker.brain_mask import TemplateBrainMasker
from worker.itk import matrix_of
from worker.registration import RegistrationSettings, align_pair, align_t1_to_flair, brain_points

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def volume(path: Path) -> Volume:
    image = nib.load(path)
    return Volume(array=np.asarray(image.dataobj, np.float32), affine=LPS @ image.affine)


def reference(path: Path) -> np.ndarray:
    """World of the output (reference) grid -> world of the moving image."""
    return matrix_of(sitk.ReadTransform(str(path)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--backend", default="simpleitk")
    root = parser.parse_args().data / "open_ms_data" / "longitudinal"
    settings = RegistrationSettings(backend=parser.parse_args().backend)
    masker = TemplateBrainMasker()
    print(f"{'pair':34} {'error mm':>9} {'seconds':>8} {'inverse consistency mm':>23} {'brain Dice':>11}")
    for patient in sorted(root.iterdir()):
        if not patient.is_dir():
            continue
        flairs = {n: patient / f"study{n}_FLAIR.nii.gz" for n in (1, 2)}
        scans = {n: volume(p) for n, p in flairs.items() if p.exists()}
        common_brain = volume(patient / "brainmask.nii.gz")
        brains = {}
        for n, flair in scans.items():
            began = time.perf_counter()
            brains[n] = masker(flair).mask
            seconds = time.perf_counter() - began
            scan_from_common = reference(patient / f"study{n}_FLAIR_to_common_space.txt")
            truth = resample(common_brain, Grid.of(flair), volume_from_grid=np.linalg.inv(scan_from_common)) > 0.5
            dice = 2 * (truth & brains[n].array).sum() / (truth.sum() + brains[n].array.sum())
            print(f"{patient.name + f' brain mask study{n}':34} {'':>9} {seconds:8.1f} {'':>23} {dice:11.3f}")
            t1_path = patient / f"study{n}_T1W.nii.gz"
            if t1_path.exists():
                began = time.perf_counter()
                ours = align_t1_to_flair(volume(t1_path), flair, brains[n], settings=settings).flair_from_t1
                seconds = time.perf_counter() - began
                t1_from_flair = reference(patient / f"study{n}_T1W_intrastudy_to_FLAIR.txt")
                points = brain_points(flair.like(truth))
                error = world_from_voxel(np.linalg.inv(ours), points) - world_from_voxel(t1_from_flair, points)
                print(f"{patient.name + f' study{n} T1 to FLAIR':34} {np.linalg.norm(error, axis=1).mean():9.2f} {seconds:8.1f}")
        if len(scans) == 2:
            began = time.perf_counter()
            pair = align_pair(scans[1], brains[1], scans[2], brains[2], settings=settings)
            seconds = (time.perf_counter() - began) / 2
            one, two = (reference(patient / f"study{n}_FLAIR_to_common_space.txt") for n in (1, 2))
            points = brain_points(brains[1])
            follow_up_from_baseline = np.linalg.inv(pair.baseline_from_follow_up)
            error = world_from_voxel(follow_up_from_baseline, points) - world_from_voxel(two @ np.linalg.inv(one), points)
            print(
                f"{patient.name + ' follow-up to baseline':34} {np.linalg.norm(error, axis=1).mean():9.2f} {seconds:8.1f} "
                f"{pair.inverse_consistency_mm:23.3f}   ncc {pair.correlation:.2f} overlap {pair.overlap:.2f}"
            )


if __name__ == "__main__":
    main()
