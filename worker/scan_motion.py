"""Whether a head moved while it was scanned: what one scan of a pair says about where the head lay in the other.

both FLAIR, on the grid of one, line by line of k-space --correlation--> where the head lay when that line was read
                                slice by slice          --correlation--> where it lay when that slice was read

A head that lay still lies in one place in all of them, whatever the scanners, the contrast and the lesions; one that
moved does not, and its parts are put together to ghosts or steps. Which axis the lines were read along is not always
known, so all are asked.

Source for a shift by the phase of spectra: Kuglin and Hines 1975, "The phase correlation image alignment method".
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64
from numpy.typing import NDArray
from scipy import fft, ndimage

from model.grid import Grid
from model.resampling import field_of_view, resample
from model.volume import Affine
from worker.case import PairAlignment, TimePoint

FADE_MM = 10.0
"""Around the brain, over which the image fades to nothing."""
FINEST = 0.3
"""Cycles per mm: beyond, scans of 1 to 2 mm have little but noise."""
LINES = (0.03, 0.2)
"""Cycles per mm of the lines that are asked: of structures from 2.5 to 17 mm, lesions among them."""
BAND = 0.01
"""Cycles per mm: width of the shells in which the spectra are made equally strong."""
REACH_MM = 8.0
"""The farthest shift that is looked for."""
LEAST_MM, LEAST_MM2 = 80.0, 3000.0
"""Of brain along every axis, and in a slice that is asked: lesions that change are a large part of less."""
ABOVE_CHANCE = 2.0
"""A correlation counts from this many times what is expected as the best of unlike images."""
FEWEST = 5
"""Lines or slices that say something."""
INNER = (slice(1, -1),) * 3
"""Without a rim of one voxel."""

Box = tuple[slice, slice, slice]
Image = Float32[NDArray[np.float32], "a b c"]
Spectrum = Complex64[NDArray[np.complex64], "..."]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanMotion:
    """How far the head moved within one of two scans, of the one that moved more; not a number: not to be told."""

    lines_mm: float
    """Root mean square of the places of the lines along an axis of k-space about their mean, of the axis with most."""
    slices_mm: float
    """Median distance of the place of a slice from the middle of its neighbours' places."""


def motion_of(before: TimePoint, after: TimePoint, pair: PairAlignment) -> ScanMotion | None:
    """What each scan says about where the head lay in the other.

    Args:
        before: the baseline.
        after: the follow-up.
        pair: their alignment; where it is wrong by 1 mm and more over the brain, that begins to read as motion.

    Returns:
        Not a number where the images are too unlike to tell; None where a scan shows less than `LEAST_MM` of the brain
        along one of its axes, which is too little to measure motion by.
    """
    here, there = (_box_around(t.brain.mask.array, t.study.flair.volume.spacing) for t in (before, after))
    if here is None or there is None:
        return None
    found = [
        _Both.of(before, here, after, np.linalg.inv(pair.baseline_from_follow_up)),
        _Both.of(after, there, before, pair.baseline_from_follow_up),
    ]
    seen = [both for both in found if both is not None]
    return ScanMotion(
        lines_mm=_largest(both.spread_of_lines() for both in seen),
        slices_mm=_largest(both.steps_between_slices() for both in seen),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Both:
    """The brain in one scan and in the other, on the grid of the first, in a box around it."""

    images: tuple[Image, Image]
    window: Image
    """1 in the brain that both show, 0 from `FADE_MM` outside it."""
    spacing: tuple[float, float, float]
    """mm."""

    @staticmethod
    def of(scan: TimePoint, box: Box, other: TimePoint, other_from_scan: Affine) -> "_Both | None":
        """None: the other scan does not show this brain."""
        flair, there = scan.study.flair.volume, other.study.flair.volume
        grid = Grid.of(flair).crop(box)
        seen = field_of_view(there, grid, volume_from_grid=other_from_scan)
        window = _faded(~scan.brain.mask.array[box], flair.spacing)
        window *= 1.0 - _faded(np.pad(seen, 1), flair.spacing)[INNER]
        if not window.any():
            return None
        images = flair.array[box], resample(there, grid, volume_from_grid=other_from_scan)
        return _Both(images=images, window=window, spacing=flair.spacing)

    def spread_of_lines(self) -> float:
        """Root mean square distance, mm, of the places of the lines along an axis from their mean: the largest."""
        spectra = _Spectra.of(self, axes=(0, 1, 2)).centred()
        return _largest(spectra.spread(axis) for axis in range(3))

    def steps_between_slices(self) -> float:
        """Median distance, mm, of the place of a slice from the middle of its neighbours' places."""
        slices = int(np.argmax(self.spacing))
        across, along = (axis for axis in range(3) if axis != slices)
        brain_mm2 = self.window.sum(axis=(across, along)) * self.spacing[across] * self.spacing[along]
        asked = np.nonzero(brain_mm2 >= LEAST_MM2)[0]
        places = np.full((len(brain_mm2), 2), math.nan)
        shifts = _Spectra.of(self, axes=(across, along)).shifts(slices, asked)
        for n, shift in zip(asked, shifts, strict=True):
            if shift is not None:
                places[n] = shift.in_plane_mm
        steps = np.linalg.norm(places[1:-1] - (places[:-2] + places[2:]) / 2, axis=1)
        steps = steps[np.isfinite(steps)]
        return float(np.median(steps)) if steps.size >= FEWEST else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shift:
    """How the other image lies to the scan in one plane."""

    in_plane_mm: tuple[float, float]
    phase: float
    """Of the correlation there; in a plane of k-space it tells the shift across it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Spectra:
    """Spectra of two images along some axes, cut at `FINEST`, each band of frequencies as strong as the others."""

    scan: Spectrum
    other: Spectrum
    frequencies: dict[int, Float64[NDArray[np.float64], " n"]]
    """Cycles per mm along each of the axes, in the order of `numpy.fft`."""
    independent: float
    """Part of the samples that are independent of their neighbours: the brain is smaller than its box."""

    @staticmethod
    def of(both: _Both, *, axes: tuple[int, ...]) -> "_Spectra":
        """Source: the normalised cross-spectrum of Kuglin and Hines 1975, by bands."""
        shape = both.window.shape
        every = {axis: np.asarray(np.fft.fftfreq(shape[axis], both.spacing[axis]), np.float64) for axis in axes}
        kept = [np.arange(n) for n in shape]
        radius2 = np.zeros((1, 1, 1))
        for axis, frequencies in every.items():
            kept[axis] = np.nonzero(np.abs(frequencies) <= FINEST)[0]
            line = frequencies[kept[axis]] ** 2
            radius2 = radius2 + np.expand_dims(line, [n for n in range(3) if n != axis])
        shell = np.rint(np.sqrt(radius2) / BAND).astype(np.intp)
        inside = radius2 < FINEST**2
        images = []
        for image in both.images:
            faded = (image - np.average(image, weights=both.window)) * both.window
            spectrum = fft.fftn(faded.astype(np.float32), axes=axes)[np.ix_(*kept)]
            power = (np.abs(spectrum) ** 2).mean(axis=tuple(n for n in range(3) if n not in axes), keepdims=True)
            of_shell = np.bincount(shell.ravel(), power.ravel()) / np.maximum(np.bincount(shell.ravel()), 1)
            strength = np.sqrt(np.maximum(of_shell, np.finfo(np.float32).tiny)).astype(np.float32)[shell]
            images.append(np.where(inside, spectrum / strength, np.complex64(0)))
        window2 = both.window**2
        return _Spectra(
            scan=images[0],
            other=images[1],
            frequencies={axis: frequencies[kept[axis]] for axis, frequencies in every.items()},
            independent=float(window2.sum() ** 2 / ((window2**2).sum() * window2.size)),
        )

    def centred(self) -> "_Spectra":
        """The other image moved by whole samples to where the scan lies: the phase of a line wraps at larger shifts."""
        correlation = np.abs(fft.ifftn(self.scan * np.conj(self.other)))
        at = np.unravel_index(int(correlation.argmax()), correlation.shape)
        turns = [np.fft.fftfreq(n) * a for n, a in zip(correlation.shape, at, strict=True)]
        phase = sum(np.expand_dims(turn, [m for m in range(3) if m != n]) for n, turn in enumerate(turns))
        return replace(self, other=(self.other * np.exp(-2j * math.pi * phase)).astype(np.complex64))

    def spread(self, axis: int) -> float:
        """Root mean square distance, mm, of the places of the lines along an axis from their mean."""
        lines = self.frequencies[axis]
        asked = np.nonzero((lines >= LINES[0]) & (lines <= LINES[1]))[0]
        places = [
            [-shift.phase / (2 * math.pi * lines[n]), *shift.in_plane_mm]
            for n, shift in zip(asked, self.shifts(axis, asked), strict=True)
            if shift is not None
        ]
        if len(places) < FEWEST:
            return math.nan
        about = np.array(places) - np.mean(places, axis=0)
        return float(np.sqrt((about**2).sum(axis=1).mean()))

    def shifts(self, axis: int, asked: NDArray[np.intp]) -> Iterator[_Shift | None]:
        """Of some planes across an axis; None: no better than chance."""
        frequencies = [f for n, f in self.frequencies.items() if n != axis]
        spacing = [1.0 / (len(f) * (f[1] - f[0])) for f in frequencies]
        for one, two in zip(*(np.moveaxis(s, axis, 0)[asked] for s in (self.scan, self.other)), strict=True):
            yield self._shift(one, two, spacing)

    def _shift(self, one: Spectrum, two: Spectrum, spacing: list[float]) -> _Shift | None:
        power = math.sqrt(float((np.abs(one) ** 2).sum()) * float((np.abs(two) ** 2).sum()))
        samples = np.count_nonzero(one) * self.independent
        if power == 0.0 or samples < 1.0:
            return None
        correlation = fft.fftshift(fft.ifft2(one * np.conj(two))) * (one.size / power)
        middle = [n // 2 for n in correlation.shape]
        reach = [max(1, min(math.ceil(REACH_MM / s), m - 1)) for s, m in zip(spacing, middle, strict=True)]
        near = correlation[tuple(slice(m - r, m + r + 1) for m, r in zip(middle, reach, strict=True))]
        height = np.abs(near)
        row, column = np.unravel_index(int(height.argmax()), height.shape)
        if height[row, column] < ABOVE_CHANCE * math.sqrt(math.log(height.size) / samples):
            return None
        down = (_peak(height[:, column], int(row)) - reach[0]) * spacing[0]
        along = (_peak(height[row], int(column)) - reach[1]) * spacing[1]
        return _Shift(in_plane_mm=(down, along), phase=float(np.angle(near[row, column])))


def _largest(values: Iterable[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=math.nan)


def _box_around(brain: Bool[NDArray[np.bool_], "a b c"], spacing: tuple[float, float, float]) -> Box | None:
    """Of the brain and what is faded around it; None: there is too little of it."""
    boxes = ndimage.find_objects(brain.astype(np.uint8))
    if not boxes:
        return None
    if any((side.stop - side.start) * s < LEAST_MM for side, s in zip(boxes[0], spacing, strict=True)):
        return None
    margins = [math.ceil(FADE_MM / s) for s in spacing]
    first, second, third = (
        slice(max(0, side.start - m), min(side.stop + m, n))
        for side, m, n in zip(boxes[0], margins, brain.shape, strict=True)
    )
    return first, second, third


def _faded(outside: Bool[NDArray[np.bool_], "a b c"], spacing: tuple[float, float, float]) -> Image:
    """1 where it is not outside, smoothly down to 0 from `FADE_MM` on."""
    away_mm = ndimage.distance_transform_edt(outside, sampling=spacing)
    near = np.clip(1.0 - away_mm / FADE_MM, 0.0, 1.0)
    return np.asarray(near * near * (3.0 - 2.0 * near), np.float32)


def _peak(profile: Float32[NDArray[np.float32], " n"], top: int) -> float:
    """Where the parabola through the highest sample and its neighbours is highest."""
    if not 0 < top < len(profile) - 1:
        return float(top)
    before, here, after = (float(v) for v in profile[top - 1 : top + 2])
    bend = before - 2 * here + after
    return top + (0.5 * (before - after) / bend if bend < 0 else 0.0)
