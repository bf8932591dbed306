"""Calibration bursts: balanced by gain, motion and exposure, named by their frames, made or recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from viewfinder import strata
from viewfinder.bursts import Burst
from viewfinder.errors import UsageError
from viewfinder.quantize import burst_calibration, calibration
from viewfinder.quantize.burst_calibration import CELLS, GAINS, MOTIONS, BurstSample
from viewfinder.quantize.calibration import CoverageError
from viewfinder.train.camera import motion, noise
from viewfinder.train.camera.synthesis import synthesise

RANDOM = np.random.default_rng(1)
FRAMES = RANDOM.uniform(0, 0.5, (8, 16, 16, 1)).astype(np.float32)


def made(gain, moved, exposure, number=0):
    """Describe a burst; its frames tell it from others."""
    burst = Burst(FRAMES + np.float32(number / 100), noise.GAINS[gain])
    return BurstSample(f"{gain} {moved} {exposure} {number}", gain, moved, exposure, lambda: burst)


EVERY = [
    made(gain, moved, exposure, number)
    for number in range(3)
    for gain in GAINS
    for moved in MOTIONS
    for exposure in strata.EXPOSURES
]


@pytest.mark.parametrize("count", [8, 24])
def test_all_strata_in_turn(count):
    """Eight bursts hold every gain, motion and exposure; 24 hold every combination once, from several photographs."""
    taken, chosen = burst_calibration.choose(EVERY, "set", count)
    assert chosen.samples == len(taken) == count
    assert chosen.coverage == 1
    assert {f"gain={gain}": count // 4 for gain in GAINS}.items() <= chosen.strata.items()
    assert {f"motion={moved}": count // 2 for moved in MOTIONS}.items() <= chosen.strata.items()
    assert len({sample.cell for sample in taken}) == count
    assert len({sample.name.split()[-1] for sample in taken}) == 3


def test_cells_are_all_there_are():
    """The order of cells leaves none out."""
    assert set(CELLS) == {(g, m, e) for g in GAINS for m in MOTIONS for e in strata.EXPOSURES}


def test_missing_strata_are_named():
    """Without gain 8 and without motion, coverage is 7 of 9, and the check names both."""
    still = [sample for sample in EVERY if sample.gain != 8 and sample.motion == strata.SMALL]
    _, chosen = burst_calibration.choose(still, "at noon", 24)
    assert chosen.missing == ("gain=8", "motion=large")
    with pytest.raises(CoverageError, match=r"7 of 9 strata.*gain=8, motion=large"):
        calibration.require_coverage(chosen, 1.0)


def test_the_hash_is_of_frames_and_noise():
    """Another frame or another noise level is another set."""
    one = EVERY[:1]
    burst = one[0].read()
    brighter = replace(one[0], read=lambda: replace(burst, frames=burst.frames * 2))
    noisier = replace(one[0], read=lambda: replace(burst, noise=noise.GAINS[8]))
    hashes = [burst_calibration.choose([sample], "set", 1)[1].sha256 for sample in (*one, *one, brighter, noisier)]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_no_samples_is_no_set():
    """Zero samples are refused."""
    with pytest.raises(UsageError, match="0 calibration samples"):
        burst_calibration.choose(EVERY, "set", 0)


@pytest.mark.parametrize(("gain", "moved", "recipe"), [(1, "small", motion.STEADY), (4, "large", motion.UNSTEADY)])
def test_recorded_bursts_are_measured(tmp_path, gain, moved, recipe):
    """Of an archive, the gain is the nearest by its noise, motion and exposure are what the frames show."""
    photo = np.clip(calibration.default()[4].read().astype(np.float32) / 255, 0, 1)
    burst = synthesise(photo, noise.GAINS[gain], (7, gain), replace(recipe, scale=2), grey=True)
    level = {"read_std": burst.level.read_std * 1.1, "shot_std": burst.level.shot_std * 0.9}
    np.savez(tmp_path / "one.npz", frames=burst.frames, **level)
    (tmp_path / "notes.txt").write_text("not a burst")
    paths = burst_calibration.recorded(tmp_path)
    assert [path.name for path in paths] == ["one.npz"]
    (sample,) = burst_calibration.from_files(paths, noise.GAINS, 4)
    assert (sample.gain, sample.motion) == (gain, moved)
    assert sample.exposure == strata.exposure(photo)
    assert sample.read().frames.shape == burst.frames.shape


def test_large_bursts_give_their_middle(tmp_path):
    """Of frames larger than a tile, the middle of one plane is taken."""
    frames = np.zeros((2, 600, 520, 3), np.float32)
    frames[:, 44:-44, 4:-4, 0] = 0.5
    np.savez(tmp_path / "one.npz", frames=frames, read_std=0.01, shot_std=0.03)
    (sample,) = burst_calibration.from_files([tmp_path / "one.npz"], noise.GAINS, 1)
    found = sample.read().frames
    assert found.shape == (2, 512, 512, 1)
    assert np.all(found == 0.5)
