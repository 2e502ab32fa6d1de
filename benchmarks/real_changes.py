"""What the whole service reports of raw clinical pairs whose change is marked, and of scans beside a rescan.

    python benchmarks/real_changes.py [--patients 01 03 19] [--rescans 1] [--weights FILE] [--mirroring]
                                                       [--alignment affine] [--motion 2 6] [--kind shots]

Each row is one run from files to report: its own brain masks, registration and network. A pair is scored against the
authors' mask of change, carried onto the follow-up's FLAIR by their transform. A rescan is the follow-up itself, turned
and shifted by up to 5 degrees and 5 mm, on a grid of 1 mm, as another simulated scanner would give it: every change is
false. So it is beside the follow-up with a FLAIR in which the head moved by about so many mm (`--motion`): all through
the scan, between echo trains, or between two packages of slices (`--kind`; `gate_damage.py`). The shipped weights
have not seen these patients. The baselines of 03 and 19 have no T1 here: the follow-up's stands in.
"""

import argparse
import itertools
import tempfile
from functools import partial
from pathlib import Path

import cc3d
import nibabel as nib
import numpy as np
from gate_damage import moved, moved_between_packages, moved_between_shots
from longitudinal import Visit, data_folder
from scipy import ndimage

from model.grid import Grid, corners, grid_around
from model.lesions import COUNTED_MM3
from model.phantom_scan import rigid
from model.resampling import resample
from model.scanner import acquire, draw_acquisition
from model.volume import Affine, Volume
from service.contracts.options import CompareOptions
from service.contracts.report import CHANGE_LABELS, LesionStatus, Report
from worker.nifti_writer import write_nifti
from worker.outcome import CaseRequest
from worker.pipeline import run_case
from worker.pipeline_tools import Tools, load_tools

LARGEST_TURN_DEG, LARGEST_SHIFT_MM = 5.0, 5.0
MOTION = {
    "bands": partial(moved, moves=30),
    "shots": partial(moved_between_shots, moves=8),
    "packages": moved_between_packages,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", nargs="*", default=["01", "03", "19"])
    parser.add_argument("--rescans", type=int, default=1, help="of each follow-up")
    parser.add_argument("--motion", nargs="*", type=float, default=[], help="mm, in a copy of each follow-up's FLAIR")
    parser.add_argument("--kind", nargs="+", choices=MOTION, default=["bands"], help="of the motion")
    parser.add_argument("--no-pairs", action="store_true", help="only follow-ups beside themselves")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--mirroring", action="store_true")
    parser.add_argument("--alignment", choices=("rigid", "affine"), default=CompareOptions().alignment)
    arguments = parser.parse_args()
    tools = load_tools(weights=arguments.weights)
    options = CompareOptions(mirroring=arguments.mirroring, alignment=arguments.alignment)
    print("| patient | comparable | marked volume found | new | of these false | enlarging | shrinking | resolved |")
    print("|---|---|---|---|---|---|---|---|")
    for patient in arguments.patients:
        first, second = (Visit(data_folder() / f"patient{patient}", number) for number in (1, 2))
        with tempfile.TemporaryDirectory() as folder:
            baseline, follow_up = first.link(Path(folder) / "baseline"), second.link(Path(folder) / "follow_up")
            out = Path(folder) / "out"
            if not arguments.no_pairs:
                report = compared(baseline, follow_up, out, tools, options)
                found, false = against_marks(out / "change.nii.gz", second)
                row(patient, report, f"{found:.0%}", str(false))
            for seed in range(arguments.rescans):
                again = write_rescan(second, Path(folder) / f"rescan{seed}", seed)
                report = compared(follow_up, again, Path(folder) / f"out{seed}", tools, options)
                row(f"{patient}, rescan {seed}", report, "", str(report.counts.new) if report.counts else "")
            for kind, mm in itertools.product(arguments.kind, arguments.motion):
                again = write_moved(second, Path(folder) / f"{kind}{mm:g}", kind, mm)
                report = compared(follow_up, again, Path(folder) / f"out_{kind}{mm:g}", tools, options)
                row(f"{patient}, {kind}, {mm:g} mm", report, "", str(report.counts.new) if report.counts else "")


def row(name: str, report: Report, found: str, false: str) -> None:
    counts = report.counts
    numbers = [counts.new, false, counts.enlarging, counts.shrinking, counts.resolved] if counts else [""] * 5
    reasons = "yes" if report.comparable else "no: " + ", ".join(reason.code for reason in report.reasons)
    print(f"| {name} | {reasons} | {found} | " + " | ".join(map(str, numbers)) + " |", flush=True)


def compared(baseline: Path, follow_up: Path, out: Path, tools: Tools, options: CompareOptions) -> Report:
    request = CaseRequest(baseline=baseline, follow_up=follow_up, out=out, options=options)
    return run_case(request, tools=tools, progress=lambda *_: None)


def against_marks(change_map: Path, visit: Visit) -> tuple[float, int]:
    """Part of the marked volume that is reported as any change, and new lesions a voxel or more from every mark."""
    if not change_map.exists():
        return 0.0, 0
    marked = visit.change.array
    labels = np.asarray(nib.load(change_map).dataobj)
    changed = (labels > 0) & (labels != CHANGE_LABELS[LesionStatus.STABLE])
    changed &= labels != CHANGE_LABELS[LesionStatus.INDETERMINATE]
    new = cc3d.connected_components(labels == CHANGE_LABELS[LesionStatus.NEW], connectivity=26)
    sizes = np.bincount(new.ravel()) * visit.flair.voxel_volume_mm3
    near = set(np.unique(new[ndimage.binary_dilation(marked, np.ones((3, 3, 3)))]))
    false = sum(size >= COUNTED_MM3 and n > 0 and n not in near for n, size in enumerate(sizes))
    return float((changed & marked).sum() / max(int(marked.sum()), 1)), int(false)


def write_rescan(visit: Visit, folder: Path, seed: int) -> Path:
    """The folder, with both sequences of the visit: the head moved, from another scanner."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    moved = turned_about(corners(Grid.of(visit.flair)).mean(axis=0), rng)
    for name, volume in (("FLAIR", visit.flair), ("T1", visit.t1)):
        if volume is None:
            raise ValueError(f"visit: {visit.name} has no T1")
        grid = grid_around(corners(Grid.of(volume)), spacing_mm=1.0)
        clean = np.asarray(resample(volume, grid, volume_from_grid=moved))
        white = np.float32(np.median(clean[clean > np.median(clean[clean > 0])]))
        image = acquire(clean / white, draw_acquisition(rng)) * 1000
        write_nifti(Volume(array=image.astype(np.float32), affine=grid.affine), folder / f"{name}.nii.gz")
    return folder


def write_moved(visit: Visit, folder: Path, kind: str, mm: float) -> Path:
    """The folder, with the visit's T1 as it is and a FLAIR in which the head moved."""
    visit.link(folder)
    (folder / "FLAIR.nii.gz").unlink()
    flair = MOTION[kind](visit.flair, visit.brain.array, np.random.default_rng(1), mm=mm)
    write_nifti(flair, folder / "FLAIR.nii.gz")
    return folder


def turned_about(centre: np.ndarray, rng: np.random.Generator) -> Affine:
    """A rigid transform of world points, mm."""
    a, b, c = rng.uniform(-LARGEST_TURN_DEG, LARGEST_TURN_DEG, 3)
    transform = rigid((a, b, c), (0.0, 0.0, 0.0))
    shift = rng.uniform(-LARGEST_SHIFT_MM, LARGEST_SHIFT_MM, 3)
    transform[:3, 3] = centre - transform[:3, :3] @ centre + shift
    return transform


if __name__ == "__main__":
    main()
