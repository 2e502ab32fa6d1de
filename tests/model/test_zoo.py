"""Every learned method of the paper's table: built, run, trained, stored and loaded by name."""

import subprocess
import sys

import pytest
import torch

from model.checkpoint import Card, Preprocessing, load, save
from model.denner import DennerConfig, slices_of, volume_of, warped
from model.losses import DeepSupervision
from model.network import Batch
from model.new_lesions import new_lesion_target
from model.sliding_window import WindowSettings, predict_pair
from model.swin_unetr_config import SwinUNETRConfig
from model.szeskin import RecurrentConv, SzeskinConfig
from model.unet import UNetConfig
from model.wu import WuConfig, relation
from model.zoo import METHODS, build, plan, takes_prior


def unet(variant):
    return UNetConfig(
        variant=variant,
        features=(4, 8, 8),
        kernels=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        encoder_convs=(1, 1, 1),
        decoder_convs=(1, 1),
    )


TINY = {
    "difference-weighting": unet("difference-weighting"),
    "longitudinal-concat": unet("concat"),
    "single": unet("single"),
    "swin-unetr": SwinUNETRConfig(feature_size=12),
    "denner": DennerConfig(first=8, growth=4, layers=(2, 2, 2)),
    "szeskin": SzeskinConfig(features=(4, 8, 8)),
    "wu": WuConfig(backbone=unet("single")),
}
METHOD = pytest.mark.parametrize("method", METHODS)


def tiny(method):
    torch.manual_seed(1)
    return build(TINY[method])


def pair(size=(16, 24, 20)):
    """A bright ball in each scan: one that stays, and one that only the current scan has."""
    d, h, w = torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij")
    ball = ((d - 8) ** 2 + (h - 7) ** 2 + (w - 8) ** 2 < 16)[None, None].long()
    new = ((d - 8) ** 2 + (h - 17) ** 2 + (w - 11) ** 2 < 9)[None, None].long()
    noise = torch.randn(2, 1, 2, *size, generator=torch.Generator().manual_seed(3)) * 0.2
    current, prior = (n + 3.0 * t.float() for n, t in zip(noise, (ball | new, ball), strict=True))
    return Batch(current=current, prior=prior, target=ball | new, prior_target=ball)


def test_the_table_of_tiny_networks_is_whole():
    assert set(TINY) == set(METHODS)


@METHOD
@pytest.mark.parametrize("size", ["compact", "full"])
def test_every_method_has_a_plan_of_each_size_that_is_stored_as_json(method, size):
    config = plan(size, method)
    assert type(config).model_validate_json(config.model_dump_json()) == config


@METHOD
def test_logits_have_the_shape_of_the_scan_in_evaluation_and_training(method):
    network, batch = tiny(method), pair((17, 22, 19) if method in ("swin-unetr", "denner", "szeskin") else (16, 24, 20))
    for mode in (True, False):
        logits = network.train(mode)(batch.current, batch.prior)
        assert logits[0].shape == (1, 2, *batch.current.shape[2:])
    assert len(logits) == 1


@METHOD
def test_only_methods_that_take_a_prior_look_at_it(method):
    network, batch = tiny(method).eval(), pair()
    with torch.no_grad():
        first = network(batch.current, batch.prior)[0]
        other = network(batch.current, torch.roll(batch.prior, 5, dims=3))[0]
    assert torch.equal(first, other) != takes_prior(network.config)


@METHOD
def test_the_loss_reaches_every_parameter(method):
    network = tiny(method).train()
    torch.manual_seed(2)
    network.loss(pair(), DeepSupervision()).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    coarsest = ("decoder.heads.0.", "heads.0.")  # left out of the loss, as in nnU-Net
    assert [name for name in without if not name.startswith(coarsest)] == []


@METHOD
def test_a_pair_is_learned_by_heart(method):
    network, batch, loss = tiny(method).train(), pair(), DeepSupervision()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    values = []
    for _ in range(30):
        value = network.loss(batch, loss)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
        if values[-1] < 0.6 * values[0]:  # some methods are slow: no step more than it takes
            break
    assert values[-1] < 0.6 * values[0]


@METHOD
def test_weights_come_back_from_their_file(method, tmp_path):
    network, batch = tiny(method).eval(), pair()
    path = tmp_path / "weights.safetensors"
    save(path, network, Preprocessing(patch=(16, 24, 20)), Card(name=method))
    again = load(path)
    assert again.config == network.config
    with torch.no_grad():
        assert torch.equal(again.network(batch.current, batch.prior)[0], network(batch.current, batch.prior)[0])


@METHOD
def test_tiles_of_a_larger_pair_give_both_directions(method):
    network, batch = tiny(method).eval(), pair((20, 24, 20))
    settings = WindowSettings(patch=(16, 24, 20))
    maps = predict_pair(network, batch.current[0], batch.prior[0], settings=settings, progress=lambda _: None)
    assert [tuple(one.shape) for one in maps] == [(2, 20, 24, 20)] * 2


def test_both_directions_are_supervised():
    network, batch = tiny("difference-weighting").eval(), pair()
    with torch.no_grad():
        there, back = (network.loss(one, DeepSupervision()) for one in (batch, batch.turned()))
        one_way = DeepSupervision()(network(batch.current, batch.prior), batch.target)
    assert there.item() == pytest.approx(back.item(), rel=1e-4)
    assert there.item() != pytest.approx(one_way.item(), rel=1e-3)


@pytest.mark.parametrize("method", ["difference-weighting", "longitudinal-concat", "single"])
def test_a_scan_that_is_its_own_prior_is_segmented_once_at_the_loss_of_both_directions(method):
    network, batch = tiny(method).eval(), pair()
    alone = Batch(current=batch.current, prior=batch.current.clone(), target=batch.target, prior_target=batch.target)
    seen = []

    def segmentation(logits, target, territories):
        seen.append(target)
        return DeepSupervision()(logits, target, territories)

    with torch.no_grad():
        value = network.loss(alone, segmentation)
        direct = DeepSupervision()(network(batch.current, batch.current.clone()), batch.target)
    assert len(seen) == 1
    assert value.item() == pytest.approx(direct.item(), rel=1e-5)


def test_a_recurrent_convolution_uses_the_same_weights_again():
    conv = RecurrentConv(3, recurrences=2)
    assert sum(p.numel() for p in conv.parameters()) == 3 * 3 * 27 + 3 + 2 * 3
    x = torch.randn(1, 3, 4, 4, 4)
    once = conv.conv(x)
    assert torch.allclose(conv(x), conv.conv(x + conv.conv(x + once)))


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_slices_of_a_volume_go_back_to_their_place(axis):
    volume = torch.randn(2, 3, 4, 5, 6)
    assert torch.equal(volume_of(slices_of(volume, axis), axis, 2), volume)


def test_a_known_displacement_moves_the_image():
    image = torch.zeros(1, 1, 6, 8)
    image[0, 0, 2, 5] = 1
    field = torch.zeros(1, 2, 6, 8)
    field[:, 0], field[:, 1] = 1.0, 2.0  # each pixel looks one row down and two columns right
    assert warped(image, field)[0, 0, 1, 3].item() == pytest.approx(1.0, abs=1e-5)


def test_a_lesion_is_new_where_it_touches_nothing_old():
    now = torch.tensor([[1, 1, 0, 1, 0, 1]]).reshape(1, 1, 1, 1, 6)
    before = torch.tensor([[0, 1, 0, 0, 0, 0]]).reshape(1, 1, 1, 1, 6)
    assert new_lesion_target(now, before).flatten().tolist() == [0, 0, 0, 1, 0, 1]


def test_the_relation_is_broken_by_new_lesions_in_old_ones():
    sure, none = (torch.tensor([[-9.0, 9.0], [9.0, -9.0]])[n].reshape(1, 2, 1, 1, 1) for n in (0, 1))
    old, nothing = torch.ones(1, 1, 1, 1, 1, dtype=torch.int64), torch.zeros(1, 1, 1, 1, 1, dtype=torch.int64)
    assert relation(sure, sure, nothing).item() == pytest.approx(0.0, abs=1e-3)
    assert relation(sure, sure, old).item() == pytest.approx(1.0, abs=1e-3)
    assert relation(none, sure, nothing).item() == pytest.approx(1.0, abs=1e-3)


def test_weights_are_read_without_monai_which_takes_seconds_to_import():
    code = "import sys, model.checkpoint; sys.exit('monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
