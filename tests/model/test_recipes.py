"""The two recipes: their optimisers and rates."""

import pytest
import torch

from model.recipes import RECIPES


def parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(3))]


def test_nnunets_recipe_is_nnunets() -> None:
    optimizer = RECIPES["nnunet"].optimizer(parameters(), learning_rate=None)

    assert isinstance(optimizer, torch.optim.SGD)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (1e-2, 0.99, True, 3e-5)
    assert RECIPES["nnunet"].foreground == pytest.approx(1 / 3)


def test_adamw_is_that_of_the_runs_so_far() -> None:
    optimizer = RECIPES["adamw"].optimizer(parameters(), learning_rate=None)

    assert isinstance(optimizer, torch.optim.AdamW)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["betas"]) == (3e-3, 1e-2, (0.9, 0.98))


@pytest.mark.parametrize(
    ("iteration", "expected"), [(0, 1e-2), (500, 1e-2 * 0.5**0.9), (900, 1e-2 * 0.1**0.9), (1000, 0.0)]
)
def test_nnunets_rate_falls_by_the_polynomial(iteration: int, expected: float) -> None:
    assert RECIPES["nnunet"].rate(iteration, 1000) == pytest.approx(expected)


def test_adamw_warms_up_and_then_falls() -> None:
    rates = [RECIPES["adamw"].rate(n, 10_000, learning_rate=1.0) for n in (0, 24, 49, 5000)]

    assert rates == pytest.approx([1 / 50, 0.5, 1.0, 0.5**0.9], rel=5e-3)
    assert rates == sorted(rates[:3]) + rates[3:]
