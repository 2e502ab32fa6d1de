"""Images between SimpleITK and ours."""

import numpy as np
import pytest
import SimpleITK as sitk

from model.volume import world_from_voxel
from worker.itk import image_of, volume_of


def oblique() -> sitk.Image:
    image = sitk.GetImageFromArray(np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4))
    image.SetSpacing((0.5, 0.7, 3.0))
    image.SetOrigin((10, -20, 30))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3)
    image.SetDirection(turn.GetMatrix())
    return image


def test_every_voxel_keeps_its_place_and_value() -> None:
    image = oblique()

    volume = volume_of(image)

    for x, y, z in [(0, 0, 0), (3, 0, 0), (0, 2, 0), (0, 0, 1), (3, 2, 1)]:
        place = world_from_voxel(volume.affine, np.array([[z, y, x]], float))[0]
        np.testing.assert_allclose(place, image.TransformIndexToPhysicalPoint((x, y, z)), atol=1e-9)
        assert volume.array[z, y, x] == image[x, y, z]


def test_there_and_back_keeps_every_place() -> None:
    back = image_of(volume_of(oblique()))

    for x, y, z in [(0, 0, 0), (3, 2, 1), (1, 2, 0)]:
        place = oblique().TransformIndexToPhysicalPoint((x, y, z))
        assert back[back.TransformPhysicalPointToIndex(place)] == oblique()[x, y, z]


def test_a_series_of_volumes_is_refused() -> None:
    with pytest.raises(ValueError, match="3 dimensions"):
        volume_of(sitk.Image([2, 2, 2, 2], sitk.sitkFloat32))
