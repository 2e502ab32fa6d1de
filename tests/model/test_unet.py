"""The networks: sizes, sharing of the encoder, and what a prior does."""

import numpy as np
import pytest
import torch

from model.difference_weighting import DifferenceWeighting
from model.sliding_window import (
    WindowSettings,
    lesion_probabilities,
    predict_asked,
    predict_one,
    predict_pair,
    tile_starts,
)
from model.unet import UNetConfig, build_unet
from model.zoo import plan


def tiny(variant: str = "difference-weighting", **changes: object) -> UNetConfig:
    values = {
        "variant": variant,
        "features": (4, 8),
        "kernels": ((3, 3, 3), (3, 3, 3)),
        "strides": ((1, 1, 1), (2, 2, 2)),
        "encoder_convs": (1, 1),
        "decoder_convs": (1,),
    }
    return UNetConfig.model_validate({**values, **changes})


def test_the_full_plan_has_the_papers_size() -> None:
    parameters = sum(p.numel() for p in build_unet(plan("full")).parameters())

    assert abs(parameters - 31.2e6) < 0.1e6


def test_the_block_computes_equation_two() -> None:
    block = DifferenceWeighting([1])
    x_c = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2, 1)
    x_p = torch.tensor([0.0, 2.0, 3.0, 5.0]).reshape(1, 1, 2, 2, 1)
    # differences 1 0 0 -1: mean 0, variance 1/2
    normalised = torch.tensor([1.0, 0.0, 0.0, -1.0]).reshape(1, 1, 2, 2, 1) / (0.5 + 1e-5) ** 0.5

    (x_w,) = block([x_c], [x_p])

    torch.testing.assert_close(x_w, x_c * normalised + x_c)


def test_a_scan_as_its_own_prior_passes_through_the_block_unchanged() -> None:
    block = DifferenceWeighting([3])
    x_c = torch.randn(1, 3, 4, 4, 4)

    (x_w,) = block([x_c], [x_c])

    torch.testing.assert_close(x_w, x_c)


@pytest.mark.parametrize("variant", ["difference-weighting", "single"])
def test_each_scan_of_a_pair_is_encoded_once_per_tile(variant: str) -> None:
    network = build_unet(tiny(variant))
    passes = []
    network.encoder.register_forward_hook(lambda *_: passes.append(1))
    scans = torch.randn(2, 2, 8, 8, 12)

    predict_pair(network, scans[0], scans[1], settings=WindowSettings(patch=(8, 8, 8)), progress=lambda _: None)

    tiles = len(tile_starts(12, 8, 0.5))
    assert len(passes) == 2 * tiles


def test_a_scan_without_prior_is_encoded_once_per_tile() -> None:
    network = build_unet(tiny())
    passes = []
    network.encoder.register_forward_hook(lambda *_: passes.append(1))

    predict_one(
        network, torch.randn(2, 8, 8, 8), None, settings=WindowSettings(patch=(8, 8, 8)), progress=lambda _: None
    )

    assert len(passes) == 1


def test_second_opinions_equal_each_scan_alone_and_cost_no_encoder_pass() -> None:
    network = build_unet(tiny())
    passes = []
    network.encoder.register_forward_hook(lambda *_: passes.append(1))
    first, second = torch.randn(2, 2, 8, 8, 12)
    window = WindowSettings(patch=(8, 8, 8))

    asked = [(0, 1), (1, 0), (0, 0), (1, 1)]
    maps = predict_asked(network, [first, second], asked, settings=window, progress=lambda _: None)
    encoded = len(passes)

    pair = predict_pair(network, first, second, settings=window, progress=lambda _: None)
    alone = [predict_one(network, scan, None, settings=window, progress=lambda _: None) for scan in (first, second)]
    assert encoded == 2 * len(tile_starts(12, 8, 0.5))
    for found, expected in zip(maps, [*pair, *alone], strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_scan_and_its_prior_are_decoded_once_however_often_they_are_asked_for() -> None:
    network = build_unet(tiny())
    passes = []
    network.decoder.register_forward_hook(lambda *_: passes.append(1))
    scans = list(torch.randn(2, 2, 8, 8, 8))
    asked = [(0, 0), (1, 0), (0, 0), (1, 1)]
    maps = predict_asked(network, scans, asked, settings=WindowSettings(patch=(8, 8, 8)), progress=lambda _: None)
    assert len(passes) == 3
    assert torch.equal(maps[0], maps[2])


def test_both_directions_equal_the_two_single_predictions() -> None:
    network = build_unet(tiny())
    first, second = torch.randn(2, 2, 10, 8, 12)
    window = WindowSettings(patch=(8, 8, 8))

    of_first, of_second = predict_pair(network, first, second, settings=window, progress=lambda _: None)

    torch.testing.assert_close(
        of_first, predict_one(network, first, second, settings=window, progress=lambda _: None), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        of_second, predict_one(network, second, first, settings=window, progress=lambda _: None), atol=1e-5, rtol=1e-5
    )


def test_deep_supervision_gives_logits_of_every_decoder_stage_while_training() -> None:
    network = build_unet(plan("compact"))
    scan = torch.randn(1, 2, 32, 32, 32)

    shapes = [tuple(one.shape[2:]) for one in network.train()(scan, scan.clone())]

    assert shapes == [(32, 32, 32), (16, 16, 16), (8, 8, 8), (4, 4, 4)]


def test_bf16_stays_near_fp32_with_a_nearly_identical_prior() -> None:
    torch.manual_seed(0)
    network = build_unet(tiny()).eval()
    scan = torch.randn(2, 16, 16, 16)
    prior = scan + 1e-3 * torch.randn_like(scan)
    exact = WindowSettings(patch=(16, 16, 16))
    fast = WindowSettings(patch=(16, 16, 16), bf16=True)

    # bf16 features of a nearly identical prior differ by rounding alone, and the norm amplifies that: the
    # block in fp32 keeps finite numbers, and the scan as its own prior stays exact to bf16's precision
    own_exact = predict_one(network, scan, None, settings=exact, progress=lambda _: None)
    own_fast = predict_one(network, scan, None, settings=fast, progress=lambda _: None)
    near_fast = predict_one(network, scan, prior, settings=fast, progress=lambda _: None)

    assert (own_exact - own_fast).abs().max() < 0.05
    assert near_fast.isfinite().all()


@pytest.mark.parametrize(
    ("size", "patch", "starts"), [(14, 8, [0, 3, 6]), (8, 8, [0]), (5, 8, [0]), (16, 8, [0, 4, 8]), (9, 8, [0, 1])]
)
def test_tiles_cover_the_axis_evenly(size: int, patch: int, starts: list[int]) -> None:
    assert tile_starts(size, patch, 0.5) == starts


def test_tiled_equals_untiled_for_a_network_that_sees_single_voxels() -> None:
    torch.manual_seed(0)
    network = build_unet(tiny(kernels=((1, 1, 1), (1, 1, 1)))).eval()
    for block in [m for m in network.modules() if hasattr(m, "norm")]:
        block.norm = (
            torch.nn.Identity()
        )  # statistics belong to the tile; without them only position is left to get wrong
    network.weighting.norms = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    current, prior = torch.randn(2, 2, 16, 8, 24)

    tiled = predict_one(
        network, current, prior, settings=WindowSettings(patch=(8, 8, 8)), progress=lambda _: None
    )  # starts 0 4 8 and 0 4 8 12 16: even, as a stride of 2 asks

    with torch.no_grad():
        torch.testing.assert_close(tiled, network(current[None], prior[None])[0][0], atol=1e-5, rtol=1e-5)


def test_an_image_smaller_than_the_patch_comes_back_in_its_own_shape() -> None:
    network = build_unet(tiny())

    logits = predict_one(
        network, torch.randn(2, 5, 7, 6), None, settings=WindowSettings(patch=(8, 8, 8)), progress=lambda _: None
    )

    assert tuple(logits.shape) == (2, 5, 7, 6)


def test_skipped_empty_tiles_are_background() -> None:
    network = build_unet(tiny())
    scan = torch.zeros(2, 8, 8, 24)
    scan[..., :8] = torch.randn(2, 8, 8, 8)
    window = WindowSettings(patch=(8, 8, 8), skip_empty=True)

    logits = predict_one(network, scan, None, settings=window, progress=lambda _: None)

    assert torch.softmax(logits, 0)[1, ..., 16:].max() < 1e-3


def test_residual_encoders_have_the_stated_blocks() -> None:
    network = build_unet(tiny(residual=True, encoder_convs=(1, 2)))

    assert [len(stage.blocks) for stage in network.encoder.stages] == [1, 2]
    assert network(torch.randn(1, 2, 8, 8, 8), torch.randn(1, 2, 8, 8, 8))[0].shape[1:] == (2, 8, 8, 8)


def test_outside_the_brain_there_is_no_lesion() -> None:
    scan = np.zeros((2, 20, 20, 20), np.float32)
    scan[:, 4:12, 4:12, 4:12] = 1.0

    first, second = lesion_probabilities(
        build_unet(tiny()), scan, np.roll(scan, 4, axis=1), WindowSettings(patch=(8, 8, 8))
    )

    inside = scan.any(axis=0) | np.roll(scan, 4, axis=1).any(axis=0)
    assert (first[inside] > 0).all()
    assert not first[~inside].any()
    assert not second[~inside].any()
