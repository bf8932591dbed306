from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.runtime import sampled


@pytest.mark.parametrize(
    ("height", "step", "count", "expected"),
    [(100, 10, 2, [20, 70]), (100, 10, 1, [50]), (100, 10, 99, list(range(0, 100, 10))), (7, 10, 3, [0])],
)
def test_bands_are_spread_evenly(height, step, count, expected):
    """Each lies in the middle of an equal share; more than there are means all."""
    assert sampled.tops(height, step, count) == expected


def test_no_band_is_nothing_to_compare():
    """A report about nothing is refused."""
    with pytest.raises(UsageError, match="0 bands"):
        sampled.tops(100, 10, 0)


class Rows:
    """A pipeline in bands of 10 rows that doubles the light."""

    scale, step = 1, 10

    def bands(self, pixels, tops):
        """Yield them in one buffer, as the real ones do."""
        buffer = np.empty((10, pixels.shape[1], 3), np.float32)
        for top in tops:
            shown = pixels[top : top + 10]
            buffer[: len(shown)] = shown * 2
            yield buffer[: len(shown)]


def test_bands_and_golden_rows_belong_together():
    """What the runner gives for a photograph are the very rows that the golden pictures keep."""
    pixels = np.asarray(data.astronaut()[:95, :60])
    light = pixels.astype(np.float32) / 255
    expected = (light * 2).clip(0, 1)
    golden = Golden("t", "w", "s", "", (GoldenPhoto("astronaut", pixels, expected, expected),))
    made = Artifact(None, "t", "qnn", "fp16", "tiles", {"tile": [14, 14], "halo": 2}, ())
    photo = sampled.golden_of(golden, made, 3).photos[0]
    np.testing.assert_array_equal(sampled.SampledRunner(Rows(), 3).enhance(light), photo.expected)
    assert photo.expected.shape == photo.truth.shape == (30, 60, 3)
    assert photo.pixels.shape == pixels.shape


def test_the_last_band_may_be_lower():
    """The rows below the picture are not compared."""
    pixels = np.zeros((25, 8, 3), np.float32)
    assert sampled.SampledRunner(Rows(), 9).enhance(pixels).shape == (25, 8, 3)
