"""Golden samples: a few of many."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder import golden
from viewfinder.golden import Golden, GoldenPhoto


@pytest.mark.parametrize(
    ("count", "expected"), [(3, "a15 a25 a50"), (4, "a15 a25 a50 b15"), (1, "a15"), (9, "a15 a25 a50 b15 b25 b50")]
)
def test_a_few_are_of_every_kind(count, expected):
    """Samples are taken of every kind in turn: the first ones alone would all be of one photograph, or one kind."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    photos = [
        GoldenPhoto(f"{name}{sigma}", pixels, pixels.astype(np.float32), strata=(f"sigma={sigma}",))
        for name in "ab"
        for sigma in (15, 25, 50)
    ]
    for ordered in (photos, sorted(photos, key=lambda photo: photo.strata)):
        found = golden.few(Golden("own", "", "", "", tuple(ordered)), count)
        assert sorted(photo.name for photo in found.photos) == sorted(expected.split())
