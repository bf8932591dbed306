"""Moving frames by fractions of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder.bursts import warp

RNG = np.random.default_rng(5)
NOISE = RNG.random((20, 31), dtype=np.float32)


def test_taps_interpolate():
    """Weights sum to one at every fraction, and are a single one at whole places."""
    weights = warp.taps(np.linspace(0, 1, 11, dtype=np.float32))
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)
    np.testing.assert_array_equal(warp.taps(0.0), [0, 1, 0, 0])
    np.testing.assert_allclose(warp.taps(1.0), [0, 0, 1, 0], atol=1e-6)


@pytest.mark.parametrize("shift", [(3, -4), (0, 0), (-25, 2)])
def test_whole_shifts_copy(shift):
    """A whole shift copies pixels exactly; what is not in the frame is the fallback."""
    outside = np.full(NOISE.shape, 7, np.float32)
    expected = outside.copy()
    for row in range(20):
        for column in range(31):
            y, x = row + shift[0], column + shift[1]
            if 0 <= y < 20 and 0 <= x < 31:
                expected[row, column] = NOISE[y, x]
    np.testing.assert_array_equal(warp.translated(NOISE, shift, outside), expected)


def test_a_parabola_is_moved_exactly():
    """Catmull-Rom's cubic keeps quadratic pictures, away from the borders."""
    rows, columns = np.meshgrid(np.arange(20.0), np.arange(31.0), indexing="ij")

    def picture(y, x):
        return (0.01 * y * y - 0.02 * x * y + 0.005 * x * x).astype(np.float32)

    moved = warp.translated(picture(rows, columns), (0.3, -1.7), np.zeros((20, 31), np.float32))
    np.testing.assert_allclose(moved[2:-3, 4:-3], picture(rows + 0.3, columns - 1.7)[2:-3, 4:-3], atol=1e-4)


def test_deforming_by_a_shift_is_shifting():
    """The general warp and the fast one agree, in the whole frame and in a window of it."""
    outside = RNG.random(NOISE.shape, dtype=np.float32)
    rows, columns = np.meshgrid(np.arange(20) + 1.25, np.arange(31) - 2.4, indexing="ij")
    whole = warp.translated(NOISE, (1.25, -2.4), outside)
    np.testing.assert_allclose(warp.deformed(NOISE, rows, columns, outside), whole, atol=1e-5)
    window = warp.translated(NOISE, (1.25, -2.4), outside[5:15, 7:30], corner=(5, 7))
    np.testing.assert_allclose(window, whole[5:15, 7:30], atol=1e-6)
