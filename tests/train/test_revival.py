"""Filters that never open: found, started again without changing the result, and none in what ships."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from viewfinder import demo, models, photos
from viewfinder.train import burst_samples, loading
from viewfinder.train.config import FitConfig
from viewfinder.train.networks import revival
from viewfinder.train.networks.dncnn import DnCNN
from viewfinder.train.networks.kpn_lite import KPNLite
from viewfinder.train.pairs import Pair
from viewfinder.train.trainers import denoising


@pytest.fixture(scope="module")
def bursts():
    """Return the network's inputs for a burst of each gain."""
    pixels = photos.read(demo.photos()[0]).pixels[300:660, 200:700]
    made = burst_samples.validation_bursts([Pair(pixels, pixels[:0].astype("float16"))], 1)
    return [tuple(burst.tensors()[name][None] for name in ("frames", "merged", "noise")) for burst in made]


def outputs(network, bursts):
    """Run the network on the bursts."""
    with torch.no_grad():
        return torch.cat([network(*burst).flatten() for burst in bursts])


def test_closed_filters_start_again_and_nothing_changes(bursts):
    """A branch that is shut whole: the same output, every filter opens somewhere, and gradients come through again."""
    torch.manual_seed(3)
    network = KPNLite(widths=(16, 24, 32))
    torch.nn.init.normal_(network.head.weight, std=0.05)
    with torch.no_grad():
        network.decode_middle[0].bias.fill_(-100.0)
        network.encode_coarse[0].bias[:20] = -100.0
    before = outputs(network, bursts)
    found = revival.revive(network, bursts, 0)
    assert found["decode_middle.0"] == 24
    assert found["encode_coarse.0"] >= 20
    assert (outputs(network, bursts) - before).abs().max() <= 1e-6
    # Two rounds: the readers of a new filter begin at zero and take a step before the filter itself gets a gradient.
    for _ in range(2):
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
        network.kernels(*bursts[0]).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    network.kernels(*bursts[0]).square().mean().backward()
    assert network.decode_middle[0].weight.grad.abs().max() > 0
    assert network.encode_coarse[0].weight.grad[:20].abs().max() > 0


def test_a_chain_of_closed_layers_starts_again():
    """DnCNN with one open filter left in two layers: the same output, and gradients come through all of them."""
    torch.manual_seed(3)
    network = DnCNN(1, 6)
    pictures = [(torch.rand(2, 1, 24, 24),), (torch.rand(2, 1, 24, 24),)]
    with torch.no_grad():
        for number in (3, 4):
            network.layers[number].bias[1:] = -100.0
        before = [network.noise(*one) for one in pictures]
    found = revival.revive(network, pictures, 0)
    assert (found["layers.3"], found["layers.4"]) >= (63, 63)
    for one, expected in zip(pictures, before, strict=True):
        assert torch.equal(network.noise(*one), expected)
    drawn = float(network.layers[3].weight[1:].std())
    assert drawn == pytest.approx(0.1 * (2 / (9 * 64)) ** 0.5, rel=0.05)  # small, or the first steps lose everything
    # One in some dozens is closed again as it is drawn; the next look finds it.
    assert sum(revival.revive(network, pictures, 1).values()) <= 4
    for _ in range(2):
        optimiser = torch.optim.SGD(network.parameters(), lr=0.001)
        optimiser.zero_grad()
        (network.noise(*pictures[0]) - 1).square().mean().backward()
        optimiser.step()
    (network.noise(*pictures[0]) - 1).square().mean().backward()
    for number in (3, 4):
        assert (network.layers[number].weight.grad.flatten(1).abs().amax(1) > 0).float().mean() > 0.9


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_training_looks_for_closed_filters(optimizer):
    """Now and then, while there is time to train them; a network with normalisation is left alone."""
    torch.manual_seed(5)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    pair = Pair(pixels, np.empty((0, 0, 3), np.float16))
    config = FitConfig(steps=10 * denoising.REVIVAL_STEPS, batch=4, crop=24, optimizer=optimizer)
    recipe = denoising.recipe(DnCNN(1, 4), [pair], [pair], config)
    network = recipe._network

    def is_opened(step):
        """Shut a filter, and tell whether it is open after a step."""
        where = network.norms[0].bias if network.normalised else network.layers[1].bias
        with torch.no_grad():
            where[5] = -100.0
        recipe.refresh(step)
        return bool(where[5] == 0)

    steps = (0, denoising.REVIVAL_STEPS, denoising.REVIVAL_STEPS - 1, 9 * denoising.REVIVAL_STEPS)
    assert [is_opened(step) for step in steps] == [optimizer == "muon"] * 2 + [False] * 2


def test_a_network_without_closed_filters_is_left_alone(bursts):
    """Nothing to do is nothing done."""
    torch.manual_seed(4)
    network = KPNLite(widths=(16, 24, 32))
    with torch.no_grad():
        for name in revival.READERS:
            network.get_submodule(name).bias.fill_(10.0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert revival.revive(network, bursts, 1) == {}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_shipped_filters_open(bursts):
    """Every layer of kpn-lite takes part: the first shipped weights had whole layers that were always zero."""
    task = models.load("kpn-lite")
    network = task.build().eval()
    loading.load_into(network, task.weights_file())
    closed = revival.revive(network, bursts, 0)
    for name, count in closed.items():
        assert count <= 0.5 * network.get_submodule(name).out_channels, closed


def test_shipped_filters_of_dncnn_open():
    """A quarter of every layer opens: in two layers of the first shipped weights 62 of 64 filters were closed."""
    task = models.load("dncnn")
    network = task.build().eval()
    loading.load_into(network, task.weights_file())
    rng = np.random.default_rng(0)
    shown = []
    for photo in demo.photos():
        clean = denoising.planes_of(photos.read(photo).pixels[300:396, 400:496], 1)
        for sigma in (15, 25, 50):
            noisy = clean + rng.standard_normal(clean.shape, np.float32) * np.float32(sigma / 255)
            shown.append((torch.from_numpy(noisy.transpose(2, 0, 1)[None]),))
    assert max(revival.revive(network, shown, 0).values(), default=0) <= 48
