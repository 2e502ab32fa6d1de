"""Volumes as SimpleITK images and back; world coordinates are LPS on both sides."""

from typing import Any

import numpy as np
import SimpleITK as sitk

from model.grid import axes_of
from model.volume import Affine, Volume

# The metrics add up what their threads found in an order that differs from run to run, and the optimiser makes
# micrometres of the last bit: with one thread the same images give the same transform. Alignments run side by side.
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def image_of(volume: Volume) -> Any:
    """The SimpleITK image of a volume; bool becomes uint8.

    Raises:
        ValueError: the voxel axes are not orthogonal, which SimpleITK cannot state.
    """
    array = volume.array.astype(np.uint8) if volume.array.dtype == bool else volume.array
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    spacing = np.array(volume.spacing)
    direction = volume.affine[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > 1e-3:
        raise ValueError("affine: expected orthogonal voxel axes")
    image.SetSpacing(spacing.tolist())
    image.SetDirection(axes_of(volume.affine).ravel().tolist())
    image.SetOrigin(volume.affine[:3, 3].tolist())
    return image


def volume_of(image: Any) -> Volume:
    """The volume of a SimpleITK image; its array axes are the image's z, y, x.

    Raises:
        ValueError: the image has not 3 dimensions.
    """
    array = sitk.GetArrayFromImage(image)
    if array.ndim != 3:
        raise ValueError(f"image: expected 3 dimensions, saw {array.ndim}")
    affine = np.eye(4)
    affine[:3, :3] = (np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return Volume(array=array, affine=affine)


def matrix_of(transform: Any) -> Affine:
    """The 4x4 matrix of an affine SimpleITK transform: maps fixed (output) points to moving (input) points."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack(
        [np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()], axis=1
    )
    matrix[:3, 3] = origin
    return matrix


def transform_of(matrix: Affine) -> Any:
    """The SimpleITK transform of a 4x4 matrix."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform
