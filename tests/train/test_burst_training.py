"""Training of burst denoisers: samples, losses, and that steps help."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from viewfinder import demo, photos
from viewfinder.errors import UsageError
from viewfinder.train import burst_samples
from viewfinder.train.camera import noise
from viewfinder.train.config import FitConfig
from viewfinder.train.networks.kpn import KPN
from viewfinder.train.networks.kpn_lite import KPNLite
from viewfinder.train.pairs import Pair
from viewfinder.train.trainers import burst

NO_TARGET = np.zeros((0, 0, 3), np.float16)


@pytest.fixture(scope="module")
def pairs():
    """Return crops of two demo photographs."""
    read = [photos.read(path).pixels[300:660, 200:700] for path in demo.photos()[:2]]
    return [Pair(np.ascontiguousarray(pixels), NO_TARGET) for pixels in read]


def test_samples_are_the_same_for_the_same_seed(pairs):
    """Sample n does not depend on what was read before; another seed gives another one; bits come back as floats."""
    first, again = (burst_samples.BurstSamples(pairs, 32, 4, 10)[3] for _ in range(2))
    other = burst_samples.BurstSamples(pairs, 32, 5, 10)[3]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["frames"], other["frames"])
    read = burst_samples.floats(default_collate([first]))
    assert {name: tuple(value.shape) for name, value in read.items()} == {
        "frames": (1, 8, 32, 32),
        "merged": (1, 1, 32, 32),
        "noise": (1, 2, 1, 1),
        "deviation": (1, 1, 32, 32),
        "truth": (1, 1, 32, 32),
        "index": (1,),
    }
    assert read["truth"].dtype == torch.float32
    assert 0 <= float(read["truth"].min()) <= float(read["truth"].max()) <= 1


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_frames_are_aligned_and_have_the_noise_of_their_level(pairs, scale):
    """The reference differs from the truth by the level's noise; the mean of aligned frames lies much nearer."""
    level = noise.GAINS[4]
    made = burst_samples.draw(pairs[0].image, (64, 64), level, scale, np.random.default_rng(8))
    errors = (made.frames[0] - made.truth) / level.deviation(made.truth)
    assert np.std(errors) == pytest.approx(1, abs=0.05)
    assert np.std(made.frames.mean(0) - made.truth) < 0.6 * np.std(made.frames[0] - made.truth)


def test_bursts_are_read_twice_turned_otherwise(pairs):
    """Samples a run apart hold the same noise, as sorted numbers; the next two runs hold other bursts."""
    samples = burst_samples.BurstSamples(pairs, 16, 0, 1000)
    first, again, other = (
        burst_samples.floats(samples[index])["frames"].flatten().sort().values
        for index in (5, 5 + burst_samples.RUN, 5 + 2 * burst_samples.RUN)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_photographs_that_are_too_small_are_refused(pairs):
    """The message names both sizes and a way out."""
    with pytest.raises(UsageError, match="40x30 is too small for bursts of 64x64") as caught:
        burst_samples.fitting_scales(pairs[0].image[:30, :40], (64, 64))
    assert "--crop" in caught.value.hint


def test_the_basic_loss_is_error_plus_gradients():
    """A constant error has no gradient; a single ramp has half its slope in one of two directions."""
    truth = torch.zeros(1, 1, 16, 16)
    assert burst.basic_loss(truth + 0.5, truth).item() == pytest.approx(0.25)
    ramp = torch.arange(16.0).view(1, 1, 1, 16).expand(1, 1, 16, 16) * 0.1
    assert burst.basic_loss(ramp, truth).item() == pytest.approx(float(ramp.square().mean()) + 0.025)


def test_the_loss_of_single_frames_fades(pairs):
    """The same batch costs less late in a run than at its start, by the annealed term alone."""
    training = burst.PaperTraining(KPN(), FitConfig(steps=2000, batch=1))
    batch = default_collate([burst_samples.BurstSamples(pairs, 32, 0, 2)[0]])
    with torch.no_grad():
        losses = [float(training(batch | {"index": torch.tensor([index])})[0]) for index in (0, 40, 2000)]
        plain = float(training(batch | {"index": torch.tensor([10**6])})[0])
    assert losses[0] > losses[1] > losses[2]
    assert (losses[1] - plain) / (losses[0] - plain) == pytest.approx(0.1, rel=0.01)
    assert losses[2] == pytest.approx(plain, rel=1e-3)


def test_steps_lower_the_loss_of_the_lite_network(pairs):
    """Sixty steps on one batch bring kpn-lite some percent below the merge that it starts from."""
    torch.manual_seed(0)
    network = KPNLite(widths=(16, 16, 16))
    training = burst.LiteTraining(network)
    samples = burst_samples.BurstSamples(pairs, 32, 0, 4)
    batch = default_collate([samples[index] for index in range(4)])
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0.0)
    losses = []
    for _ in range(60):
        loss, _ = training(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]


def test_the_recipe_scores_every_gain_and_returns_plain_weights(pairs):
    """Each validation photograph counts once per gain; weights load into a fresh network; others are refused."""
    made = burst.recipe(KPNLite(), pairs, pairs[:1], FitConfig(steps=1))
    scores = made.score()
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    KPNLite().load_state_dict(made.weights())
    assert tuple(burst_samples.floats(made.samples(1)[0])["frames"].shape) == (8, 64, 64)
    with pytest.raises(UsageError, match="Linear is neither"):
        burst.recipe(torch.nn.Linear(1, 1), pairs, pairs, FitConfig())
