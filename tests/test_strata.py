"""Strata: photographs sorted by exposure, and the means of each kind."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder import demo, photos, strata


@pytest.mark.parametrize(("gain", "expected"), [(0.3, "dark"), (1.0, "mid"), (1.9, "bright")])
def test_a_photograph_is_sorted_by_its_exposure(gain: float, expected: str) -> None:
    """The same photograph, darkened and brightened, changes its stratum, as floats and as 8-bit codes alike."""
    sunset = next(path for path in demo.photos() if path.stem == "sunset")
    pixels = photos.read(sunset).pixels
    shown = np.clip(pixels.astype(np.float32) / 255 * gain, 0, 1)
    assert strata.exposure(shown) == expected
    assert strata.exposure((shown * 255).astype(np.uint8)) == expected
    assert strata.of(shown) == f"exposure={expected}"


def test_means_are_taken_within_a_stratum() -> None:
    """Each stratum averages its own photographs only; one without a stratum is left out."""
    samples = {"night": 30.0, "cave": 32.0, "beach": 50.0, "unsorted": 0.0}
    kinds = {"night": "exposure=dark", "cave": "exposure=dark", "beach": "exposure=bright"}
    assert strata.means(samples, kinds) == {"exposure=bright": 50.0, "exposure=dark": 31.0}


def test_a_sample_may_belong_to_several_strata() -> None:
    """A burst counts for its gain and for its motion; the counts say how many stand behind a mean."""
    kinds = {"a": ["gain=1", "motion=small"], "b": ["gain=1", "motion=large"], "c": "exposure=dark"}
    assert strata.means({"a": 30.0, "b": 40.0}, kinds) == {"gain=1": 35.0, "motion=large": 40.0, "motion=small": 30.0}
    assert strata.counts(kinds) == {"exposure=dark": 1, "gain=1": 2, "motion=large": 1, "motion=small": 1}
