from __future__ import annotations

import math

import numpy as np
import pytest

from viewfinder.train.camera import noise


@pytest.mark.parametrize("gain", noise.GAINS)
@pytest.mark.parametrize("signal", [0.0, 0.05, 0.4, 1.0])
def test_the_variance_is_the_models(gain, signal):
    """100,000 draws have the model's variance within 2 % (five standard errors) and no bias."""
    level = noise.GAINS[gain]
    drawn = noise.add(np.full(100_000, signal, np.float32), level, np.random.default_rng(gain))
    expected = level.read_std**2 + level.shot_std**2 * signal
    assert np.var(drawn.astype(np.float64)) == pytest.approx(expected, rel=0.022)
    assert abs(float(drawn.mean(dtype=np.float64)) - signal) < 5 * math.sqrt(expected / 100_000)


def test_noise_is_white_and_not_clipped():
    """Neighbours are independent; black has negative values."""
    drawn = noise.add(np.zeros((300, 300), np.float32), noise.GAINS[2], np.random.default_rng(0))
    assert drawn.min() < 0
    assert abs(np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1]) < 0.02


def test_the_gains_are_the_test_sets():
    """Logarithms of the four levels as published."""
    found = {gain: (math.log10(one.read_std), math.log10(one.shot_std**2)) for gain, one in noise.GAINS.items()}
    wanted = {1: (-2.2, -2.6), 2: (-1.8, -2.2), 4: (-1.44, -1.8), 8: (-1.07, -1.5)}
    assert found == {gain: pytest.approx(logs) for gain, logs in wanted.items()}


def test_stops_pass_through_the_gains_and_rise():
    """Whole stops are the four gains; in between noise only grows."""
    for stops, gain in enumerate(noise.GAINS):
        assert noise.at_stops(stops).read_std == pytest.approx(noise.GAINS[gain].read_std)
        assert noise.at_stops(stops).shot_std == pytest.approx(noise.GAINS[gain].shot_std)
    levels = [noise.at_stops(stops) for stops in np.linspace(*noise.TRAINING_STOPS, 30)]
    assert np.diff([level.read_std for level in levels]).min() > 0
    assert np.diff([level.shot_std for level in levels]).min() > 0


def test_training_noise_has_the_recipes_ranges():
    """The KPN paper's box does not hold gain 8; our line holds all four; the unprocessing line has its slope."""
    rng = np.random.default_rng(0)
    paper = np.log10([(level.read_std, level.shot_std) for level in (noise.draw_paper(rng) for _ in range(500))])
    assert paper.min(0) == pytest.approx([-3, -2], abs=0.02)
    assert paper.max(0) == pytest.approx([-1.5, -1], abs=0.02)
    assert math.log10(noise.GAINS[8].read_std) > paper[:, 0].max()
    ours = np.log10([level.read_std for level in (noise.draw_near_gains(rng) for _ in range(500))])
    assert ours.min() < -2.2 < -1.07 < ours.max()
    unprocessing = [noise.draw_unprocessing(rng) for _ in range(500)]
    shot, read = np.log([(level.shot_std**2, level.read_std**2) for level in unprocessing]).T
    assert math.log(1e-4) <= shot.min() < shot.max() <= math.log(0.012)
    slope, offset = np.polyfit(shot, read, 1)
    assert slope == pytest.approx(2.18, abs=0.05)
    assert offset == pytest.approx(1.20, abs=0.3)
    assert np.std(read - slope * shot - offset) == pytest.approx(0.26, abs=0.03)
