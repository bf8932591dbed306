"""Alignment: known motions are found again, in noise, and moving objects leave no ghosts."""

from __future__ import annotations

import time

import numpy as np
import pytest
from tests.bursts import scene

from viewfinder.bursts import NoiseLevel, align, merge
from viewfinder.train.camera import motion, noise

SIZE = (128, 208)


@pytest.fixture(scope="module")
def picture():
    """Read the photograph once."""
    return scene.light()


@pytest.mark.parametrize(("gain", "bound"), [(1, 0.06), (2, 0.08), (4, 0.1), (8, 0.15)])
def test_sub_pixel_shifts_are_found(picture, gain, bound):
    """Quarter-pixel shifts of up to 16 pixels, at the noise of every gain: rms error in pixels below the bound."""
    rng = np.random.default_rng(gain)
    shifts = motion.draw_shifts(rng, motion.Recipe(unsteady=4.0))
    clean = motion.cut(picture, shifts, (300, 500), SIZE)
    found = align.shifts(noise.add(clean, noise.GAINS[gain], rng), noise.GAINS[gain])
    errors = np.array([one.shift for one in found]) + shifts / 4
    assert np.sqrt(np.mean(errors[1:] ** 2)) < bound
    assert not any(one.turn or one.zoom for one in found)


def test_a_turning_hand_is_followed(picture):
    """Turns of 0.2 to 0.4 degrees with shifts: the aligned frames fit 6 dB better than after shifts alone."""
    moves = [((0, 0), 0.0, 0.0), ((5.3, -7.8), 0.004, 0.0), ((-3.1, 2.2), -0.007, 0.001), ((9.7, 4.4), 0.005, -0.001)]
    size = (300, 400)
    clean = np.stack([scene.frame(picture, size, *move) for move in moves])
    level = noise.GAINS[2]
    found = align.shifts(noise.add(clean, level, np.random.default_rng(1)), level)
    assert all(one.turn != 0 for one in found[1:])
    alone = [align.Motion(one.centre, one.shift) for one in found]
    quality = [scene.psnr(align.aligned(clean, motions)[1:].mean(0), clean[0], 24) for motions in (found, alone)]
    assert quality[0] > quality[1] + 6


def test_a_moving_object_leaves_no_ghost(picture):
    """Where a square walks through the burst, the aligned merge is better than reference and average alike."""
    level, rng = noise.GAINS[2], np.random.default_rng(2)
    background = scene.frame(picture, (160, 240))
    square = scene.frame(picture, (40, 40), (-150.0, 120.0)) * 0.5 + 0.3
    clean = np.repeat(background[None], 8, 0)
    for number in range(8):
        clean[number, 60:100, 60 + 9 * number : 100 + 9 * number] = square
    noisy = noise.add(clean, level, rng)
    found = align.shifts(noisy, level)
    merged = merge.wiener(align.aligned(noisy, found), level)
    where = (slice(50, 110), slice(40, 180))
    quality = {
        name: scene.psnr(made[where], clean[0][where], 1)
        for name, made in {"reference": noisy[0], "mean": noisy.mean(0), "merged": merged}.items()
    }
    assert quality["merged"] > max(quality["reference"], quality["mean"]) + 2
    assert any(one.local is not None for one in found)


def test_what_no_frame_shows_is_the_reference(picture):
    """Pixels that a moved frame does not have come from the reference, and windows of a warp are parts of it."""
    clean = motion.cut(picture, np.array([[0, 0], [-40, 24]]), (300, 500), SIZE)
    found = align.shifts(clean, NoiseLevel(0.003, 0.01))
    laid = align.aligned(clean, found)
    np.testing.assert_array_equal(laid[1, -8:], clean[0, -8:])
    window = align.warp(clean[1], found[1], clean[0, 20:90, 30:120], corner=(20, 30))
    np.testing.assert_allclose(window, laid[1, 20:90, 30:120], atol=1e-6)


def test_motions_scale_and_tiles_keep_their_edges():
    """A motion at twice the size has twice the shifts at the places twice as far; a place has its own tile's shift."""
    local = np.zeros((2, 2, 2), np.float32)
    local[1, 1] = (4, -2)
    small = align.Motion((31.5, 31.5), (1.0, 2.0), 0.01, -0.02, local, (15.5, 47.5), (15.5, 47.5))
    rows, columns = np.array([15.5, 30.0, 33.0]), np.array([47.5, 33.0, 33.0])
    there = np.array(
        [
            (1 + 0.01 * (y - 31.5) - 0.02 * (x - 31.5), 2 + 0.01 * (x - 31.5) + 0.02 * (y - 31.5))
            for y, x in zip(rows, columns, strict=True)
        ]
    )
    np.testing.assert_allclose(small.at(rows, columns), there + np.array([[0, 0], [0, 0], [4, -2]]), atol=1e-6)
    large = small.scaled(2.0)
    np.testing.assert_allclose(large.at(rows * 2 + 0.5, columns * 2 + 0.5), 2 * small.at(rows, columns), atol=1e-9)


@pytest.mark.slow
def test_twelve_megapixels_fit_and_end(picture):
    """A plane of a 12-megapixel Bayer burst is aligned within a minute of processor time and 1 GB of memory."""
    import tracemalloc

    tall = np.tile(picture, (2, 2))[:1500, :2000]
    frames = np.stack([tall, np.roll(tall, (3, -5), (0, 1))])
    tracemalloc.start()
    started = time.process_time()
    found = align.shifts(frames, NoiseLevel(0.003, 0.01))
    seconds, most = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found[1].shift, (3, -5), atol=0.05)
    assert seconds < 60 / 7
    assert most < 1e9
