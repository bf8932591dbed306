from __future__ import annotations

import numpy as np
import pytest

from viewfinder.train.camera import motion, noise, synthesis


def test_a_burst_is_the_same_for_the_same_seed(pictures):
    """Frames, truth and shifts repeat bit by bit; another seed has others."""
    first, again, other = (
        synthesis.synthesise(pictures[1], noise.GAINS[4], seed, grey=True) for seed in ((1, 2), (1, 2), (1, 3))
    )
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.shifts, again.shifts)
    assert not np.array_equal(first.frames, other.frames)


@pytest.mark.parametrize("grey", [True, False])
def test_frames_are_the_truth_moved_plus_noise(pictures, grey):
    """Moved back by whole pixels, what differs from the truth has the variance of the noise."""
    recipe = motion.Recipe(scale=1, large=6, unsteady=80)
    burst = synthesis.synthesise(pictures[1], noise.GAINS[2], (5,), recipe, grey=grey)
    assert burst.frames.shape == (8, *burst.truth.shape)
    assert burst.truth.shape == (*pictures[1].shape[:2], 1 if grey else 3)
    inner = (slice(8, -8), slice(8, -8))
    for frame, shift in zip(burst.frames, burst.shifts.astype(int), strict=True):
        back = np.roll(frame, tuple(shift), (0, 1))
        scaled = (back - burst.truth)[inner] / burst.level.deviation(burst.truth)[inner]
        assert float(scaled.std()) == pytest.approx(1, abs=0.06)


def test_motion_classes_are_what_they_say(pictures):
    """Steady bursts stay within 2 pixels, unsteady ones do not; frames keep the photograph's whole view."""
    steady = synthesis.synthesise(pictures[1], noise.GAINS[1], (0,), motion.STEADY)
    unsteady = synthesis.synthesise(pictures[1], noise.GAINS[1], (0,), motion.UNSTEADY)
    assert steady.frames.shape == (8, pictures[1].shape[0] // 4, pictures[1].shape[1] // 4, 3)
    assert np.abs(steady.shifts).max() <= 2
    assert (np.abs(unsteady.shifts[1:]).max(1) > 2).sum() >= 5
