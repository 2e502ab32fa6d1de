"""Damage to a FLAIR scan or to an alignment, of a stated strength, for `benchmarks/gates.py`."""

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
    lines = np.zeros(scan.array.shape, np.complex64)
    for n in range(moves + 1):
        pose = scan.array if n == band[length // 2] else _posed(scan, mm, rng)
        of_pose = np.fft.fftshift(np.fft.fft(pose, axis=PHASE_AXIS), axes=PHASE_AXIS)
        chosen = np.expand_dims(band == n, [a for a in range(3) if a != PHASE_AXIS])
        lines = np.where(chosen, of_pose, lines)
    image = np.abs(np.fft.ifft(np.fft.ifftshift(lines, axes=PHASE_AXIS), axis=PHASE_AXIS))
    return scan.like(image.astype(np.float32))


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
