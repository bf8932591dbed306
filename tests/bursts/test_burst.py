"""The words of bursts: what is refused, with which way out, and the noise model."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder.bursts import BadBurstError, Burst, NoiseLevel
from viewfinder.bursts.burst import stack

NOISE = NoiseLevel(10**-1.8, 10**-1.1)


def frames(count=3, height=16, width=24, planes=1, value=0.25):
    """Make frames of one grey."""
    return np.full((count, height, width, planes), value, np.float32)


def with_value(value):
    """Make frames that hold one other value in the second frame."""
    made = frames()
    made[1, 0, 0, 0] = value
    return made


def test_noise_has_the_variance_of_the_model():
    """Variance is read_std squared plus shot_std squared times signal; negative signal counts as black."""
    signal = np.array([-0.5, 0.0, 0.25, 1.0], np.float32)
    expected = 0.04**2 + 0.2**2 * np.array([0, 0, 0.25, 1.0])
    noise = NoiseLevel(0.04, 0.2)
    np.testing.assert_allclose(noise.variance(signal), expected, rtol=1e-6)
    np.testing.assert_allclose(noise.deviation(signal), np.sqrt(expected), rtol=1e-6)
    assert noise.deviation(signal).dtype == np.float32
    np.testing.assert_allclose(noise.averaged(4).deviation(signal), np.sqrt(expected) / 2, rtol=1e-6)


@pytest.mark.parametrize(("read", "shot"), [(-0.1, 0.1), (0.1, float("nan")), (64.0, 0.1), (0.0, 0.0)])
def test_noise_that_no_sensor_has_is_refused(read, shot):
    """Negative, undefined or zero noise, and noise in codes instead of shares of white, name the way out."""
    with pytest.raises(BadBurstError) as caught:
        NoiseLevel(read, shot)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (frames(count=1), "has 1 frame"),
        (frames(planes=2), "has 2 planes"),
        (frames(height=8), "24x8"),
        (frames()[0], "3 axes"),
        (frames().astype(np.float64), "float64"),
        (with_value(np.nan), "frame 2 has values that are not finite"),
        (frames(value=1.0), "100% of the reference frame is at white"),
    ],
)
def test_frames_that_are_no_burst_are_refused(made, message):
    """Each refusal names the burst, what is wrong and what to do."""
    with pytest.raises(BadBurstError, match=message) as caught:
        Burst(made, NOISE, name="kitchen")
    assert "kitchen" in caught.value.message
    assert caught.value.hint


def test_colours_that_nothing_has_are_refused():
    """A white balance needs three positive gains, a matrix nine finite numbers."""
    with pytest.raises(BadBurstError, match="white balance"):
        Burst(frames(), NOISE, white_balance=(1.0, 0.0, 2.0))
    with pytest.raises(BadBurstError, match="3x3"):
        Burst(frames(), NOISE, matrix=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))


def test_a_burst_knows_its_size_and_what_a_network_needs():
    """Reference, count and size are those of the array; another count than needed says how many to add or leave out."""
    burst = Burst(frames(count=3, planes=4), NOISE)
    assert (burst.count, burst.size, burst.reference.shape) == (3, (16, 24), (16, 24, 4))
    burst.need(3)
    with pytest.raises(BadBurstError, match="3 frames, but 8") as caught:
        burst.need(8)
    assert "add 5" in caught.value.hint
    with pytest.raises(BadBurstError) as caught:
        burst.need(2)
    assert "leave 1 out" in caught.value.hint


def test_frames_are_stacked_or_refused_by_size():
    """Grey frames get their plane axis; a frame of another size is named."""
    assert stack([np.zeros((16, 24)), np.ones((16, 24))]).shape == (2, 16, 24, 1)
    with pytest.raises(BadBurstError, match="frame 2 is 24x20, but the first one is 24x16"):
        stack([np.zeros((16, 24)), np.zeros((20, 24))])
    with pytest.raises(BadBurstError, match="no frames"):
        stack([])
