"""The Difference Weighting block where it runs chunk by chunk."""

import pytest
import torch
from torch import Tensor

from model import difference_weighting
from model.difference_weighting import DifferenceWeighting


def equation_two(x_c: Tensor, x_p: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    x_c, x_p = x_c.double(), x_p.double()
    difference = x_c - x_p
    mean = difference.mean((2, 3, 4), keepdim=True)
    variance = difference.var((2, 3, 4), keepdim=True, correction=0)
    shape = (1, -1, 1, 1, 1)
    normalised = (difference - mean) / (variance + 1e-5).sqrt() * weight.reshape(shape) + bias.reshape(shape)
    return x_c * normalised + x_c


@pytest.mark.parametrize("chunk_values", [1, 40, 2**19])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_bf16_features_are_merged_in_fp32_whatever_the_chunks(
    monkeypatch: pytest.MonkeyPatch, chunk_values: int, layout: torch.memory_format
) -> None:
    monkeypatch.setattr(difference_weighting, "CHUNK_VALUES", chunk_values)
    torch.manual_seed(0)
    block = DifferenceWeighting([3])
    weight, bias = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0.0, -1.0, 0.25])
    block.norms[0].load_state_dict({"weight": weight, "bias": bias})
    x_c = torch.randn(2, 3, 4, 5, 6).bfloat16().contiguous(memory_format=layout)
    x_p = (x_c + 0.1 * torch.randn(2, 3, 4, 5, 6) + 1.0).bfloat16().contiguous(memory_format=layout)

    with torch.inference_mode():
        (x_w,) = block([x_c], [x_p])

    expected = equation_two(x_c, x_p, weight, bias)
    torch.testing.assert_close(x_w.double(), expected, rtol=2**-8, atol=1e-4)  # half a step of bf16, and a little


def test_an_even_offset_between_the_scans_is_no_difference() -> None:
    block = DifferenceWeighting([1])
    x_c = torch.arange(24.0).reshape(1, 1, 2, 3, 4).bfloat16()

    with torch.inference_mode():
        (x_w,) = block([x_c], [x_c + 64])

    torch.testing.assert_close(x_w, x_c)
