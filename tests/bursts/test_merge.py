"""The tile merge: exact where frames agree, an average where they differ by noise, the reference elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder.bursts import NoiseLevel, merge
from viewfinder.train.camera import noise

RNG = np.random.default_rng(6)
LEVEL = NoiseLevel(0.02, 0.05)


def test_equal_frames_stay(monkeypatch):
    """Frames without a difference come back, at sizes that no tile divides; bands of tiles change nothing."""
    frames = RNG.random((4, 37, 50), dtype=np.float32)
    np.testing.assert_allclose(merge.wiener(np.repeat(frames[:1], 4, 0), LEVEL), frames[0], atol=1e-6)
    whole = merge.wiener(frames, LEVEL)
    monkeypatch.setattr(merge, "BAND_VALUES", 1)
    np.testing.assert_allclose(merge.wiener(frames, LEVEL), whole, atol=1e-6)


def test_a_merge_without_limit_is_the_mean():
    """With an endless strength every frame counts fully."""
    frames = RNG.random((5, 32, 32), dtype=np.float32)
    np.testing.assert_allclose(merge.wiener(frames, LEVEL, 1e12), frames.mean(0), atol=1e-5)


def test_the_formula_holds_for_a_tile():
    """One tile in the middle is what the equation gives with a fast Fourier transform, before windows are joined."""
    frames = RNG.random((3, 16, 16), dtype=np.float32) * np.float32(0.1)
    spectra = np.fft.fft2(frames.astype(np.float64))
    difference = spectra[0] - spectra[1:]
    variance = LEVEL.read_std**2 + LEVEL.shot_std**2 * frames[0].mean()
    power = np.abs(difference) ** 2
    share = power / (power + 16.0 * 2 * 256 * variance)
    expected = np.fft.ifft2(spectra[0] - ((1 - share) * difference).sum(0) / 3).real
    found = merge._merge_band(frames[:, None, None], LEVEL, 16.0)[0, 0]
    np.testing.assert_allclose(found, expected * merge.window(), atol=1e-6)


def test_strength_grows_with_noise_and_is_bounded():
    """It is 16 at the noise of gain 1 and grows to 83 at gain 8; beyond all gains it stays at its bounds."""
    found = [merge.strength_for(level) for level in noise.GAINS.values()]
    np.testing.assert_allclose(found, [16, 27, 47, 83], atol=0.6)
    assert merge.strength_for(NoiseLevel(1e-4, 1e-3)) == 16
    assert merge.strength_for(NoiseLevel(0.5, 0.5)) == 96


@pytest.mark.parametrize("planes", [1, 3])
def test_noise_falls_and_movement_stays_out(planes):
    """Static noise falls by more than 2 (8 frames, ideal 2.8); a frame that shows something else leaves no ghost."""
    clean = np.full((8, 64, 64, planes), 0.3, np.float32)
    clean[3:, 16:48, 16:48] = 0.9
    noisy = clean + LEVEL.deviation(clean) * RNG.standard_normal(clean.shape, dtype=np.float32)
    merged = merge.wiener(noisy, LEVEL)
    still, moved = (slice(0, 8), slice(0, 64)), (slice(24, 40), slice(24, 40))
    assert np.std((merged - clean[0])[still]) < 0.5 * np.std((noisy[0] - clean[0])[still])
    ghost = abs(float((merged - clean[0])[moved].mean()))
    mean = abs(float((noisy.mean(0) - clean[0])[moved].mean()))
    assert mean > 0.3
    assert ghost < 0.02
