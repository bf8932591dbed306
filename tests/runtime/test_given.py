"""What looks at photographs looks at bursts of them where a network merges bursts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from tests.photos import make

from viewfinder import light
from viewfinder.bursts import made
from viewfinder.bursts.contract import Contract
from viewfinder.errors import BadArtifactError
from viewfinder.runtime import given

MERGES = SimpleNamespace(folder="a", pipeline="burst", parameters={"contract": Contract(5, aligned=True).to_dict()})
ENHANCES = SimpleNamespace(folder="b", pipeline="tiles", parameters={})


def test_a_photograph_becomes_a_burst_only_where_bursts_are_merged():
    """A network of photographs gets the photograph itself; the same burst comes every time."""
    photo = make.photograph()
    assert given.of_photograph(ENHANCES, photo) is photo
    one, again = given.of_photograph(MERGES, photo), given.of_photograph(MERGES, photo)
    assert one.count == 5
    assert np.array_equal(one.frames, again.frames)


def test_frames_have_the_noise_that_they_say():
    """Against the clean reference, the deviation of the noise is that of the level, within a tenth."""
    photo = np.full((256, 256, 3), 128, np.uint8)
    burst = made.hand_held(photo, 4)
    grey = float(light.to_linear(np.array(128 / 255)))
    assert burst.frames.mean() == pytest.approx(grey, rel=0.02)
    assert burst.frames.std() == pytest.approx(float(burst.noise.deviation(np.array([grey], np.float32))[0]), rel=0.1)


def test_a_large_photograph_is_made_small():
    """Of 3000 pixels every sixth is taken: a tile, quickly aligned."""
    assert max(made.hand_held(np.zeros((1000, 3000, 3), np.uint8) + 90, 2).size) <= made.LONGEST


def test_a_chart_stays_what_it_is():
    """Every frame is the chart in linear light, without noise."""
    chart = make.photograph().astype(np.float32) / np.float32(255)
    burst = given.of_chart(MERGES, chart)
    assert np.abs(light.picture(burst.frames[4]) - chart).max() < 1e-5


def test_a_manifest_without_contract_is_told():
    """How many frames a network takes is not guessed."""
    with pytest.raises(BadArtifactError, match="no contract"):
        given.of_photograph(SimpleNamespace(folder="c", pipeline="burst", parameters={}), make.photograph())
