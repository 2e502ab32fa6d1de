"""Damage to a FLAIR scan or to an alignment, of a stated strength, for `benchmarks/gates.py`."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from model.volume import Affine, Volume
from worker.registration import apart_mm, brain_points

PHASE_AXIS = 1
"""Anterior to posterior: along it the lines of k-space are read one after another."""


@dataclass(frozen=True)
class Damage:
    """One kind of damage at one strength."""

    name: str
    strength: str
    apply: Callable[[Volume, np.ndarray, np.random.Generator], Volume]
    """Scan, its brain, random numbers."""


def moved(scan: Volume, _: np.ndarray, rng: np.random.Generator, *, mm: float, moves: int) -> Volume:
    """The patient moved so often by about `mm` (and as many degrees): each band of k-space is of another pose.

    The band in the middle, which decides where the head is seen, is of the pose at rest.
    """
    length = scan.array.shape[PHASE_AXIS]
    borders = np.sort(rng.choice(np.arange(4, length - 4), moves, replace=False))
    band = np.searchsorted(borders, np.arange(length), side="right")
    return _read_in_poses(scan, (band - band[length // 2]) % (moves + 1), mm, rng)


def moved_between_shots(
    scan: Volume, _: np.ndarray, rng: np.random.Generator, *, mm: float, moves: int, echoes: int = 16
) -> Volume:
    """Likewise, where each echo train reads lines from all of k-space: poses lie in it like the teeth of a comb."""
    length = scan.array.shape[PHASE_AXIS]
    shots = math.ceil(length / echoes)
    borders = np.sort(rng.choice(np.arange(1, shots), min(moves, shots - 1), replace=False))
    return _read_in_poses(scan, np.searchsorted(borders, np.arange(length) % shots, side="right"), mm, rng)


def moved_between_packages(
    scan: Volume, _: np.ndarray, rng: np.random.Generator, *, mm: float, packages: int = 2
) -> Volume:
    """The slices were read in packages (odd ones, even ones), and the patient moved by about `mm` between them."""
    slices = int(np.argmax(scan.spacing))
    image = scan.array.copy()
    for n in range(1, packages):
        chosen = tuple(slice(n, None, packages) if axis == slices else slice(None) for axis in range(3))
        image[chosen] = _posed(scan, mm, rng)[chosen]
    return scan.like(image)


def noisy(scan: Volume, brain: np.ndarray, rng: np.random.Generator, *, part: float) -> Volume:
    """Noise of a magnitude image, its standard deviation `part` of the brain's median signal."""
    deviation = np.float32(part * np.median(scan.array[brain]))
    real, imaginary = (deviation * rng.standard_normal(scan.array.shape, dtype=np.float32) for _ in range(2))
    return scan.like(np.hypot(scan.array + real, imaginary))


def cropped(scan: Volume, brain: np.ndarray, _: np.random.Generator, *, part: float) -> Volume:
    """The scan without the upper `part` of the brain (of its volume); the first axis points up."""
    filled = np.cumsum(brain.sum(axis=(1, 2)))
    last = int(np.searchsorted(filled, (1.0 - part) * filled[-1]))
    return Volume(array=scan.array[:last], affine=scan.affine)


def flipped(scan: Volume, _: np.ndarray, __: np.random.Generator) -> Volume:
    """Left and right exchanged; the third axis points right."""
    return scan.like(np.ascontiguousarray(scan.array[:, :, ::-1]))


def misaligned(transform: Affine, brain: Volume, rng: np.random.Generator, *, mm: float) -> Affine:
    """The transform after a wrong turn and shift that move the brain by `mm` in the mean, half by each."""
    centre = brain_points(brain).mean(axis=0)
    turn, step = (v / np.linalg.norm(v) for v in rng.standard_normal((2, 3)))
    low, high = 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        wrong = _about(centre, Rotation.from_rotvec(np.deg2rad(0.7 * middle) * turn).as_matrix(), 0.5 * middle * step)
        low, high = (middle, high) if apart_mm(wrong, np.eye(4), brain) < mm else (low, middle)
    return np.asarray(transform @ wrong)


def _read_in_poses(scan: Volume, pose: np.ndarray, mm: float, rng: np.random.Generator) -> Volume:
    """The magnitude image of lines of k-space that are each of a pose; pose 0 is at rest."""
    lines = np.zeros(scan.array.shape, np.complex64)
    for n in np.unique(pose):
        head = scan.array if n == 0 else _posed(scan, mm, rng)
        of_pose = np.fft.fftshift(np.fft.fft(head, axis=PHASE_AXIS), axes=PHASE_AXIS)
        chosen = np.expand_dims(pose == n, [a for a in range(3) if a != PHASE_AXIS])
        lines = np.where(chosen, of_pose, lines)
    image = np.abs(np.fft.ifft(np.fft.ifftshift(lines, axes=PHASE_AXIS), axis=PHASE_AXIS))
    return scan.like(image.astype(np.float32))


def _about(centre: np.ndarray, turn: np.ndarray, step: np.ndarray) -> Affine:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, centre - turn @ centre + step
    return matrix


def _posed(scan: Volume, mm: float, rng: np.random.Generator) -> np.ndarray:
    spacing = np.array(scan.spacing)
    turn = Rotation.from_rotvec(np.deg2rad(mm) * rng.standard_normal(3) / np.sqrt(3)).as_matrix()
    step = mm / spacing * rng.standard_normal(3) / np.sqrt(3)
    turn = turn * spacing / spacing[:, None]  # in voxels that are no cubes
    centre = (np.array(scan.array.shape) - 1) / 2
    return np.asarray(ndimage.affine_transform(scan.array, turn, centre - turn @ centre + step, order=1))
