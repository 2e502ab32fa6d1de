"""InstanceNorm, and its gradients, by whatever function computes it."""

import pytest
import torch

from model.blocks import InstanceNorm


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2**-7)])
def test_every_image_and_channel_is_normalised_alone_in_any_layout(
    layout: torch.memory_format, batch: int, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(3).eval()
    offset = torch.tensor([-3.0, 0.0, 30.0]).reshape(1, 3, 1, 1, 1)
    x = (torch.randn(batch, 3, 8, 9, 10) + offset).to(dtype).contiguous(memory_format=layout)
    values = x.double()
    mean = values.mean((2, 3, 4), keepdim=True)
    expected = (values - mean) / (values.var((2, 3, 4), keepdim=True, correction=0) + 1e-5).sqrt()

    with torch.inference_mode():
        seen = norm(x)

    assert seen.dtype == dtype
    torch.testing.assert_close(seen.double(), expected, rtol=tolerance, atol=tolerance)


def test_a_single_bf16_image_keeps_its_memory_layout() -> None:
    x = torch.randn(1, 3, 4, 4, 4, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last_3d)

    with torch.inference_mode():
        seen = InstanceNorm(3).eval()(x)

    assert seen.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 2**-6)])
def test_training_has_the_gradients_of_the_definition(
    layout: torch.memory_format, batch: int, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(3).train()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    x = torch.randn(batch, 3, 6, 7, 8).to(dtype).contiguous(memory_format=layout).requires_grad_()
    upstream = torch.randn(batch, 3, 6, 7, 8).to(dtype)
    (norm(x) * upstream).sum().backward()

    values = x.detach().double().requires_grad_()
    scale, shift = (p.detach().double().requires_grad_() for p in (norm.weight, norm.bias))
    centred = values - values.mean((2, 3, 4), keepdim=True)
    normed = centred / (centred.square().mean((2, 3, 4), keepdim=True) + 1e-5).sqrt()
    out = normed * scale.reshape(1, 3, 1, 1, 1) + shift.reshape(1, 3, 1, 1, 1)
    (out * upstream.double()).sum().backward()

    for seen, expected in ((x.grad, values.grad), (norm.weight.grad, scale.grad), (norm.bias.grad, shift.grad)):
        assert seen is not None
        assert expected is not None
        error = (seen.double() - expected).norm() / expected.norm()
        assert error < tolerance


def test_training_and_evaluation_agree() -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(2)
    x = torch.randn(2, 2, 4, 5, 6)

    torch.testing.assert_close(norm.eval()(x), norm.train()(x))
