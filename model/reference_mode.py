"""Masks as the reference implementation makes them, to check imported weights against it.

file -> RAS -> crop -> z-score -> plan's spacing -> tiles -> logits in the scan's spacing -> argmax -> the file's axes

The scans must lie on one grid: registration is the caller's, as it is the reference's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import SimpleITK as sitk
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from scipy import ndimage

from model.checkpoint import LoadedModel, Preprocessing
from model.reference_resampling import Channels, Spacing, resampled_shape, to_shape
from model.sliding_window import Progress, WindowSettings, predict_one

T = TypeVar("T", int, float)
Box = tuple[slice, slice, slice]
Crop = Literal["union", "none"]
GEOMETRY_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceScan:
    """The images of one time point in RAS."""

    data: Channels
    """Array axes superior, anterior, right; those of the file where it was not reoriented."""
    image: sitk.Image
    """The first image as `data` holds it: where the mask belongs."""
    orientation: str
    """Of the file, e.g. `LPS`: what the mask is turned back to."""

    @property
    def spacing(self) -> Spacing:
        """Millimetres along the array's axes."""
        x, y, z = self.image.GetSpacing()
        return z, y, x


def read_scan(paths: Sequence[Path], *, reoriented: bool = True) -> ReferenceScan:
    """One time point from one file per channel, in the order of the weights' channels.

    Args:
        paths: files of one grid.
        reoriented: turn the axes to RAS; some models are trained on the axes of the files.

    Raises:
        ValueError: no file, an image that is not 3D, or images on different grids.
    """
    if not paths:
        raise ValueError("paths: expected one file per channel, saw none")
    stored = [sitk.ReadImage(str(path), sitk.sitkFloat32) for path in paths]
    if any(image.GetDimension() != 3 for image in stored):
        raise ValueError("paths: expected images of 3 dimensions")
    if not all(_one_grid(stored[0], image) for image in stored):
        raise ValueError("paths: the channels lie on different grids")
    orientation = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(stored[0].GetDirection())
    images = [sitk.DICOMOrient(image, "RAS") for image in stored] if reoriented else stored
    data = np.stack([sitk.GetArrayFromImage(image) for image in images])
    return ReferenceScan(data=data, image=images[0], orientation=orientation)


def segment(
    members: Sequence[LoadedModel],
    current: ReferenceScan,
    prior: ReferenceScan | None,
    *,
    mirroring: bool = True,
    crop: Crop = "none",
    progress: Progress,
) -> sitk.Image:
    """Label mask of the current scan on its file's grid; logits averaged over the members of an ensemble.

    Args:
        members: networks of one plan.
        current: the scan to segment.
        prior: the other time point (the paper's way for a first scan as well); None takes the scan itself (the tool's).
        mirroring: average over all mirrored versions that the weights allow.
        crop: `none` as the tool infers, `union` to the nonzero box of both scans as the paper trains.
        progress: is told the fraction done; may raise to cancel.

    Raises:
        ValueError: no member, scans on different grids, or other channels than the weights take.
    """
    if not members:
        raise ValueError("members: expected at least one network, saw none")
    scans = [current] if prior is None else [current, prior]
    if not all(_one_grid(current.image, scan.image) for scan in scans):
        raise ValueError("prior: expected the grid of the current scan")
    preprocessing = members[0].preprocessing
    box = nonzero_box(scans) if crop == "union" else _everything(current.data)
    inputs = [torch.from_numpy(preprocess(scan, preprocessing, box)) for scan in scans]
    window = WindowSettings(patch=preprocessing.patch, mirror_axes=preprocessing.mirror_axes if mirroring else ())
    logits = torch.zeros(())
    for number, member in enumerate(members):
        part = partial(_fraction, progress, number, len(members))
        device = next(member.network.parameters()).device
        of_prior = None if prior is None else inputs[1].to(device)
        one = predict_one(member.network, inputs[0].to(device), of_prior, settings=window, progress=part)
        logits = logits + one.cpu()
    return _mask(logits.numpy() / np.float32(len(members)), current, preprocessing, box)


def preprocess(scan: ReferenceScan, preprocessing: Preprocessing, box: Box) -> Channels:
    """The scan cropped, z-scored and then brought to the plan's spacing and axes, in nnU-Net's order.

    Raises:
        ValueError: another number of channels than the weights take.
    """
    if len(scan.data) != len(preprocessing.channels):
        raise ValueError(f"scan: expected {len(preprocessing.channels)} channels, saw {len(scan.data)}")
    nonzero = nonzero_mask(scan.data)[box]
    scored = [
        _z_scored(channel[box], nonzero if in_mask else np.ones_like(nonzero))
        for channel, in_mask in zip(scan.data, preprocessing.mask_for_norm, strict=True)
    ]
    axes, wanted = preprocessing.transpose, preprocessing.spacing_mm
    data = np.stack(scored).transpose(0, *(axis + 1 for axis in axes))
    spacing = _in_order(scan.spacing, axes)
    shape = resampled_shape((data.shape[1], data.shape[2], data.shape[3]), spacing, wanted)
    return np.ascontiguousarray(to_shape(data, shape, spacing=spacing, wanted=wanted, order=3))


def nonzero_mask(data: Channels) -> Bool[NDArray[Any], "_ _ _"]:
    """Where any channel is not zero, holes filled."""
    return np.asarray(ndimage.binary_fill_holes((data != 0).any(axis=0)))


def nonzero_box(scans: Sequence[ReferenceScan]) -> Box:
    """The smallest box that holds every scan's nonzero mask.

    Raises:
        ValueError: all scans are zero.
    """
    union = np.any([nonzero_mask(scan.data) for scan in scans], axis=0)
    found = ndimage.find_objects(union.astype(np.uint8))
    if not found:
        raise ValueError("scans: every voxel is zero")
    d, h, w = found[0]
    return d, h, w


def _z_scored(channel: NDArray[np.float32], region: NDArray[np.bool_]) -> NDArray[np.float32]:
    scored, values = channel.copy(), channel[region]
    scored[region] = (values - values.mean()) / max(values.std(), np.float32(1e-8))
    return scored


def _mask(logits: Channels, scan: ReferenceScan, preprocessing: Preprocessing, box: Box) -> sitk.Image:
    """Logits back in the scan's spacing, then the most likely class, then the file's axes and orientation."""
    labels, axes = np.zeros(scan.data.shape[1:], np.uint8), preprocessing.transpose
    spacing, shape = _in_order(scan.spacing, axes), _in_order(labels[box].shape, axes)
    back = to_shape(logits, shape, spacing=preprocessing.spacing_mm, wanted=spacing, order=1)
    labels[box] = back.argmax(axis=0).transpose(np.argsort(axes))
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(scan.image)
    oriented: sitk.Image = sitk.DICOMOrient(image, scan.orientation)
    return oriented


def _in_order(values: tuple[T, T, T], axes: tuple[int, int, int]) -> tuple[T, T, T]:
    a, b, c = (values[axis] for axis in axes)
    return a, b, c


def _one_grid(a: sitk.Image, b: sitk.Image) -> bool:
    ours, theirs = (np.array([*i.GetOrigin(), *i.GetSpacing(), *i.GetDirection()]) for i in (a, b))
    return a.GetSize() == b.GetSize() and bool(np.allclose(ours, theirs, rtol=0, atol=GEOMETRY_TOLERANCE_MM))


def _everything(data: Channels) -> Box:
    d, h, w = (slice(0, n) for n in data.shape[1:])
    return d, h, w


def _fraction(progress: Callable[[float], None], number: int, count: int, fraction: float) -> None:
    progress((number + fraction) / count)
