from __future__ import annotations

import numpy as np
import pytest

from viewfinder.train.camera import motion, tone


def test_shifts_are_where_the_recipe_says():
    """The reference stays; steady frames within 2 px, unsteady ones within 16, as many as the Poisson share says."""
    rng = np.random.default_rng(0)
    drawn = np.stack([motion.draw_shifts(rng) for _ in range(2000)])
    assert drawn.shape == (2000, 8, 2)
    assert (drawn[:, 0] == 0).all()
    moved = np.abs(drawn[:, 1:])
    assert moved.max() == 64
    # An unsteady frame stays within +-8 photograph pixels on both axes with probability (17/129)^2.
    shares = np.minimum(np.random.default_rng(1).poisson(1.5, 100_000) / 8, 1).mean()
    assert (moved > 8).any(-1).mean() == pytest.approx(shares * (1 - (17 / 129) ** 2), abs=0.015)


def test_a_recipe_without_unsteady_frames_stays_small():
    """With `unsteady` 0 no frame leaves the small range, and every whole shift of it comes up equally often."""
    rng = np.random.default_rng(0)
    drawn = np.stack([motion.draw_shifts(rng, motion.Recipe(unsteady=0)) for _ in range(1000)])[:, 1:]
    counts = np.bincount(drawn.ravel() + 8, minlength=17)
    assert len(counts) == 17
    assert counts.min() > 0.85 * counts.mean()


def test_frames_show_the_photograph_at_their_shift(pictures):
    """A frame moved by whole reduced pixels is the reference, moved; quarter pixels are the area means in between."""
    photo = motion.linear_grey(pictures[1])
    shifts = np.array([[0, 0], [8, -4], [1, 0]])
    frames = motion.cut(photo, shifts, (8, 8), (12, 16))
    assert frames.shape == (3, 12, 16)
    assert np.array_equal(frames[1, :-2, 1:], frames[0, 2:, :-1])
    expected = photo[9 : 9 + 48, 8 : 8 + 64].reshape(12, 4, 16, 4).mean((1, 3))
    assert frames[2] == pytest.approx(expected, abs=1e-6)


def test_colour_photographs_keep_their_channels(pictures):
    """Every channel is cut as a grey photograph would be."""
    photo = tone.gamma_expand(pictures[1])
    shifts = np.array([[0, 0], [3, 2]])
    frames = motion.cut(photo, shifts, (0, 0), (8, 8), 2)
    assert frames.shape == (2, 8, 8, 3)
    assert np.allclose(frames[..., 1], motion.cut(photo[..., 1], shifts, (0, 0), (8, 8), 2))


def test_reduction_keeps_the_light(pictures):
    """The mean of a photograph survives the reduction; sides that do not divide lose their rest."""
    photo = motion.linear_grey(pictures[1])[:61, :83]
    reduced = motion.reduce_by_area(photo, 4)
    assert reduced.shape == (15, 20)
    assert float(reduced.mean()) == pytest.approx(float(photo[:60, :80].mean()), rel=1e-5)


def test_white_levels_cover_the_papers_range():
    """A decade, evenly in the logarithm."""
    rng = np.random.default_rng(0)
    logs = np.log10([motion.draw_white_level(rng) for _ in range(1000)])
    assert -1 <= logs.min() < logs.max() <= 0
    assert logs.mean() == pytest.approx(-0.5, abs=0.03)
