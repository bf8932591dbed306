"""What a candidate is given, and what it loses."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder.bursts import Burst, NoiseLevel
from viewfinder.golden import Golden, GoldenPhoto, shown
from viewfinder.runtime.repair import quality


def test_bursts_are_merged_and_photographs_enhanced():
    """A candidate gets each sample as its pipeline takes it: the burst itself, or the photograph in 0..1."""
    frames = np.full((2, 32, 32, 1), 0.25, np.float32)
    burst = Burst(frames, NoiseLevel(0.01, 0.01))
    grey = np.full((32, 32, 3), 0.5, np.float32)
    photos = (
        GoldenPhoto("burst", shown(burst), grey, grey - 0.1, burst),
        GoldenPhoto("photo", np.full((32, 32, 3), 51, np.uint8), grey, grey - 0.1),
    )
    truth = Golden("own", "", "", "", photos)
    given = []

    class Runner:
        """Answers as float does, but a tenth brighter than the truth has it."""

        def enhance(self, one):
            """Note what comes."""
            given.append(one)
            return grey + np.float32(0.1)

    found = quality.measured(Runner(), truth, quality.own_psnr(truth))
    assert given[0] is burst
    assert given[1] == pytest.approx(0.2)
    assert found.drops == pytest.approx({"burst": 6.02, "photo": 6.02}, abs=0.01)
