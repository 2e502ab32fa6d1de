"""Patches of labelled scans: where they lie, what their prior is, and which process gives which."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.augmentation import augment, reach
from model.checkpoint import Preprocessing
from model.dataset import PairStream, Place, RealPairs
from model.labelled_folder import read_labelled_folder
from model.network import UNKNOWN
from model.prepared_patients import PreparedPatient, prepare_patients
from tests.fixtures.labelled_patients import write_nnunet

PATCH = (12, 12, 12)


def ramp(*, size: int = 40, visits: int = 1, lesion: tuple[int, int, int] | None = None) -> PreparedPatient:
    """A scan that says where each voxel is: T1 = 1 + row, FLAIR = 100 + column, a hundred more each visit."""
    d, _, w = np.indices((size,) * 3)
    scan = np.stack([1 + d, 100 + w]).astype(np.float32)
    mask = np.zeros((size,) * 3, np.int8)
    if lesion is not None:
        mask[lesion] = 1
    return PreparedPatient(
        name="ramp", scans=tuple(scan + 100 * n for n in range(visits)), lesions=tuple(mask for _ in range(visits))
    )


def pairs(patient: PreparedPatient, **changes: object) -> RealPairs:
    return RealPairs(**{"patients": [patient], "patch": PATCH, "augmented": False, "foreground": 0.0, **changes})


def test_every_voxel_of_a_scan_is_reached_without_foreground() -> None:
    rows = [pairs(ramp()).example(number)[0][0].unique() for number in range(300)]

    assert {int(row) for row in torch.cat(rows).unique()} == set(range(1, 41))


def test_every_voxel_is_reached_under_augmentation_too() -> None:
    """The box that is cut out before rotation is larger than the patch: it must reach over the border."""
    seen = torch.cat([pairs(ramp(lesion=(20, 20, 20))).example(number)[0][0].unique() for number in range(150)])
    turned = pairs(ramp(), augmented=True)
    first, last = False, False
    for number in range(150):
        current = turned.example(number)[0]
        inside = current.any(0).float()
        first |= bool(inside.mean(dim=(1, 2))[0] > 0) and bool(inside.sum() < inside.numel())
        last |= bool(inside.all())
    assert seen.max() == 40
    assert first
    assert last


def test_a_scan_smaller_than_the_patch_lies_in_its_middle() -> None:
    current = pairs(ramp(size=8)).example(3)[0]

    inside = np.argwhere(current.any(0).numpy())
    assert (inside.min(0).tolist(), inside.max(0).tolist()) == ([2] * 3, [9] * 3)


@pytest.mark.parametrize("lesion", [(20, 20, 20), (0, 0, 0), (39, 39, 39), (0, 20, 39)])
def test_forced_patches_hold_the_lesion_in_their_middle(lesion: tuple[int, int, int]) -> None:
    source = pairs(ramp(lesion=lesion), batch=2, foreground=0.33)

    for number in range(1, 21, 2):
        target = source.example(number)[2]
        assert target.sum() == 1
        assert target[0, 6, 6, 6] == 1


def test_what_is_unknown_is_no_foreground_and_stays_unknown_in_the_patch() -> None:
    patient = ramp(lesion=(20, 20, 20))
    mask = np.zeros((40, 40, 40), np.int8)
    mask[5:8, 5:8, 5:8] = UNKNOWN
    mask[20, 20, 20] = 1
    patient = replace(patient, lesions=(mask,))
    forced = [pairs(patient, foreground=1.0).example(number)[2] for number in range(8)]
    assert all(target[0, 6, 6, 6] == 1 for target in forced)

    turned = [pairs(patient, augmented=True).example(number)[2].unique().tolist() for number in range(80)]
    assert any(UNKNOWN in found for found in turned)
    assert {value for found in turned for value in found} <= {UNKNOWN, 0, 1}


def test_a_patient_without_lesions_gives_patches_all_the_same() -> None:
    assert not pairs(ramp(), foreground=1.0).example(1)[2].any()


@pytest.mark.parametrize(("batch", "forced"), [(2, [1]), (3, [2]), (6, [4, 5]), (9, [6, 7, 8])])
def test_the_last_third_of_a_batch_is_forced_as_nnunet_does(batch: int, forced: list[int]) -> None:
    source = pairs(ramp(size=80, lesion=(40, 40, 40)), batch=batch, foreground=1 / 3)

    always = [n for n in range(batch) if all(source.example(k * batch + n)[2].any() for k in range(25))]
    assert always == forced


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("loaders", [1, 2, 3])
def test_forced_patches_stay_last_in_their_batch_whatever_the_processes(
    monkeypatch: pytest.MonkeyPatch, ranks: int, loaders: int
) -> None:
    source = Numbers()
    batches = []
    for rank in range(ranks):
        for loader in range(loaders):
            worker = torch.utils.data._utils.worker.WorkerInfo(id=loader, num_workers=loaders, seed=0, dataset=None)
            monkeypatch.setattr("model.dataset.get_worker_info", lambda worker=worker: worker)
            stream = iter(PairStream([source], [1.0], Place(first=4, size=3, rank=rank, ranks=ranks)))
            batches += [[next(stream) for _ in range(3)] for _ in range(12 // ranks // loaders)]

    assert sorted(batches) == [[3 * k, 3 * k + 1, 3 * k + 2] for k in range(4, 4 + len(batches))]


def test_where_a_loss_asks_for_them_the_territories_of_both_targets_come_with_the_pair() -> None:
    source = pairs(ramp(visits=2, lesion=(slice(18, 22),) * 3), foreground=1.0)
    plain, asked = (next(iter(PairStream([source], [1.0], Place(), territories=one))) for one in (False, True))

    assert len(plain) == 4
    assert all(torch.equal(one, again) for one, again in zip(plain, asked, strict=False))
    of_target, of_prior = asked[4:]
    assert [one.shape for one in asked[4:]] == [asked[2].shape] * 2
    assert of_target.unique().tolist() == [1]  # one lesion: all of the patch is nearest to it
    assert torch.equal(of_prior, torch.full_like(of_prior, int(asked[3].any())))


class Numbers:
    def example(self, number: int) -> int:
        return number


def test_a_scan_that_is_its_own_prior_stays_so_under_augmentation() -> None:
    source = pairs(ramp(), augmented=True)
    equal = [torch.equal(current, prior) for current, prior, *_ in (source.example(n) for n in range(60))]

    assert 0.3 < np.mean(equal) < 0.7  # the other half are simulated rescans


def test_a_share_of_the_samples_of_a_patient_with_two_visits_has_the_same_visit_twice() -> None:
    source = pairs(ramp(visits=2))
    kinds = {"later": 0, "earlier": 0, "same": 0}
    for number in range(300):
        current, prior, *_ = source.example(number)
        apart = (current[0].max() - prior[0].max()).item()
        kinds["later" if apart > 50 else "earlier" if apart < -50 else "same"] += 1

    assert 15 <= kinds["same"] <= 45
    assert min(kinds["later"], kinds["earlier"]) > 100


def test_patches_of_a_folder_carry_their_lesions(tmp_path: Path) -> None:
    patients = read_labelled_folder(write_nnunet(tmp_path / "data"))
    prepared = prepare_patients(patients, tmp_path / "cache", Preprocessing(patch=PATCH))
    source = RealPairs(patients=prepared, patch=(20, 20, 20), augmented=False)

    for number in range(20):
        current, prior, target, prior_target = source.example(number)
        for scan, mask in ((current, target), (prior, prior_target)):
            assert scan[1][mask[0] > 0].mean() > 2
            assert scan[1][mask[0] == 0].mean() < 0.5


def test_both_scans_and_both_masks_go_through_one_spatial_transform() -> None:
    """Each image is its own mask: after augmentation they must still agree, wherever the transform took them."""
    rng = np.random.default_rng(5)
    size = reach((20, 20, 20))
    masks = torch.from_numpy(rng.random((2, *(n // 4 for n in size))) < 0.3).repeat_interleave(4, 1)
    masks = masks.repeat_interleave(4, 2).repeat_interleave(4, 3).to(torch.int16)
    images = 1.0 + 9.0 * masks.float().repeat_interleave(2, 0)
    moved = 0
    for seed in range(20):
        made, labels = augment(images, labels=masks, patch=(20, 20, 20), seed=seed)
        for n in range(2):
            for channel in made[2 * n : 2 * n + 2]:
                scores = np.corrcoef(channel.ravel(), labels[n].ravel())[0, 1]
                assert scores > 0.6  # blur, noise and interpolation soften the edges
        cut = tuple(slice((whole - 20) // 2, (whole - 20) // 2 + 20) for whole in masks.shape[1:])
        moved += not torch.equal(labels[0], masks[(0, *cut)])
    assert moved > 10


def test_augmentation_is_the_same_for_the_same_seed_and_leaves_the_generators_alone() -> None:
    size = reach(PATCH)
    images = torch.rand(4, *size)
    labels = torch.zeros(2, *size, dtype=torch.int16)
    state, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 (the library draws from it)

    first, again, other = (augment(images, labels, PATCH, seed)[0] for seed in (7, 7, 8))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002 (the same)


def test_what_lies_outside_the_head_stays_zero() -> None:
    size = reach((20, 20, 20))
    images = torch.zeros(4, *size)
    images[:, 8:-8, 8:-8, 8:-8] = 5 + torch.rand(4, *(n - 16 for n in size))
    labels = (images[::2, :] > 0).to(torch.int16)

    for seed in range(20):
        made, moved = augment(images, labels, (20, 20, 20), seed)
        assert torch.equal(made[0] != 0, made[1] != 0)
        assert not made[:2, moved[0] == 0].any()
