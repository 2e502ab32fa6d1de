"""The term in which each lesion weighs the same against values worked out by hand."""

import pytest
import torch

from model.losses import FALSE_VOXELS, DeepSupervision, lesion_dice_loss
from model.network import UNKNOWN
from model.new_lesions import new_lesion_target
from model.territories import territories_of


def logits_of(probability: torch.Tensor) -> torch.Tensor:
    """Two classes whose softmax is this."""
    return torch.stack((torch.log(1 - probability), torch.log(probability)), dim=1)


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """A lesion of 8 voxels at probability 0.5 in a corner, one of 64 at 0.25 in the other; nothing beside them."""
    probability, target = torch.zeros(1, 12, 12, 12), torch.zeros(1, 1, 12, 12, 12, dtype=torch.long)
    probability[0, 1:3, 1:3, 1:3], target[0, 0, 1:3, 1:3, 1:3] = 0.5, 1
    probability[0, 7:11, 7:11, 7:11], target[0, 0, 7:11, 7:11, 7:11] = 0.25, 1
    return probability, target


DICE = {8: 2 * 0.5 / 1.5, 64: 2 * 0.25 / 1.25}
"""By the voxels of the lesion."""


def test_every_lesion_counts_the_same_whatever_its_size() -> None:
    probability, target = scene()

    value = lesion_dice_loss(logits_of(probability), target)

    assert value.item() == pytest.approx(1 - (DICE[8] + DICE[64]) / 2, abs=1e-5)


def test_a_false_positive_costs_the_lesion_that_is_nearest() -> None:
    probability, target = scene()
    probability[0, 1:3, 1:3, 4] = 1.0

    value = lesion_dice_loss(logits_of(probability), target)

    assert value.item() == pytest.approx(1 - (2 * 4 / (8 + 4 + 4) + DICE[64]) / 2, abs=1e-5)


def test_the_lesions_of_a_batch_are_counted_together() -> None:
    probability, target = scene()
    target[0, 0, 7:11, 7:11, 7:11] = 0
    none, other = (torch.zeros_like(target) for _ in range(2))
    other[0, 0, 7:11, 7:11, 7:11] = 1

    value = lesion_dice_loss(
        logits_of(torch.cat((probability, probability, probability))), torch.cat((none, target, other))
    )

    alone = [2 * 8 * 0.5 / (8 * 0.5 + 16 + 8), 2 * 64 * 0.25 / (8 * 0.5 + 16 + 64)]
    false = 8 * 0.25 + 64 * 0.0625
    assert value.item() == pytest.approx(1 - sum(alone) / 2 + false / (false + FALSE_VOXELS) / 3, abs=1e-5)


def test_the_smallest_lesion_pulls_as_hard_as_the_largest() -> None:
    probability, target = scene()
    probability[target[:, 0] > 0] = 0.5
    logits = logits_of(probability.clamp(1e-6)).requires_grad_()

    lesion_dice_loss(logits, target).backward()  # type: ignore[no-untyped-call]

    pull = logits.grad[0, 1]  # type: ignore[index]
    assert pull[1:3, 1:3, 1:3].sum().item() == pytest.approx(pull[7:11, 7:11, 7:11].sum().item(), rel=1e-3)
    assert pull[1:3, 1:3, 1:3].sum().item() < 0


def test_two_voxels_are_no_lesion_of_their_own() -> None:
    probability, target = scene()
    value = lesion_dice_loss(logits_of(probability), target)
    target[0, 0, 1, 10, 1:3] = 1

    again = lesion_dice_loss(logits_of(probability), target)

    assert 0 < again.item() - value.item() < 0.1  # they are missing in the territory of the small lesion


def test_what_is_found_in_an_example_without_lesions_costs_and_a_brain_of_small_probabilities_does_not() -> None:
    none = torch.zeros(1, 1, 12, 12, 12, dtype=torch.long)
    probability = torch.full((1, 12, 12, 12), 1e-3)
    few = lesion_dice_loss(logits_of(probability), none)
    probability[0, :1, :2, :5] = 1 - 1e-6
    logits = logits_of(probability).requires_grad_()

    half = lesion_dice_loss(logits, none)
    half.backward()  # type: ignore[no-untyped-call]

    assert few.item() < 0.001
    assert half.item() == pytest.approx(0.5, abs=1e-3)
    assert logits.grad is not None
    assert (logits.grad[0, 1, 0, :2, :5] > 0).all()


def test_what_is_marked_but_too_small_for_a_territory_is_nothing_false() -> None:
    target = torch.zeros(1, 1, 12, 12, 12, dtype=torch.long)
    target[0, 0, 5, 5, 5:7] = 1
    probability = (target[:, 0] > 0).float().clamp(1e-6, 1 - 1e-6)

    assert lesion_dice_loss(logits_of(probability), target).item() == pytest.approx(0, abs=1e-6)


def test_territories_that_were_found_before_give_the_same_loss() -> None:
    probability, target = scene()
    logits, targets = logits_of(torch.cat((probability,) * 3)), torch.cat((target, torch.zeros_like(target), target))
    before = torch.stack([territories_of(one) for one in targets])  # as the processes that make the examples do

    assert lesion_dice_loss(logits, targets, before).item() == lesion_dice_loss(logits, targets).item()
    assert before.amax(dim=(1, 2, 3, 4)).tolist() == [2, 0, 2]
    assert (before[0][target[0] > 0] == before[2][target[0] > 0]).all()


def test_the_term_is_added_once_at_full_resolution() -> None:
    probability, target = scene()
    full = logits_of(probability)
    stages = [full, full[:, :, ::2, ::2, ::2], full[:, :, ::4, ::4, ::4]]

    with_term, plain = DeepSupervision(lesion_balance=0.5)(stages, target), DeepSupervision()(stages, target)

    assert (with_term - plain).item() == pytest.approx(0.5 * lesion_dice_loss(full, target).item(), rel=1e-5)


def test_what_is_unknown_pulls_at_nothing_and_the_rest_is_pulled_as_before() -> None:
    _, target = scene()
    partly = target.clone()
    partly[0, 0, :, :4] = UNKNOWN
    logits = [torch.randn(1, 2, n, n, n, generator=torch.Generator().manual_seed(n)) for n in (12, 6, 3)]
    other = [stage.clone() for stage in logits]
    for stage in other:
        stage[:, :, :, : stage.shape[3] // 3] = 7.0  # where the target is unknown, at every resolution
    values = []
    for stages in (logits, other):
        for stage in stages:
            stage.requires_grad_()
        value = DeepSupervision(lesion_balance=0.1)(stages, partly)
        value.backward()  # type: ignore[no-untyped-call]
        values.append(value.item())

    assert values[0] == pytest.approx(values[1])
    for stage, again in zip(logits[:2], other[:2], strict=True):
        third = stage.shape[3] // 3
        assert stage.grad is not None
        assert again.grad is not None
        assert not stage.grad[:, :, :, :third].any()
        assert stage.grad[:, :, :, third:].any()
        assert torch.allclose(stage.grad, again.grad)


def test_a_lesion_beside_what_is_unknown_before_may_be_new_or_not() -> None:
    target, prior = torch.zeros(2, 1, 1, 9, 9, 9, dtype=torch.long)
    target[0, 0, 0], target[0, 0, 4], target[0, 0, 8] = 1, 1, UNKNOWN
    prior[0, 0, 0, 3] = UNKNOWN
    prior[0, 0, 4, 3], prior[0, 0, 4, 5] = UNKNOWN, 1

    new = new_lesion_target(target, prior)

    assert (new[0, 0, 0] == UNKNOWN).all()
    assert (new[0, 0, 4] == 0).all()
    assert (new[0, 0, 8] == UNKNOWN).all()
    assert not new[0, 0, 1:4].any()
