"""Golden samples made of photographs: noise and motion as their strata say, and files that keep them exactly."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder import demo, golden, light, photos
from viewfinder.bursts import align
from viewfinder.errors import UsageError
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.train.camera import noise
from viewfinder.train.samples import bursts, noisy


@pytest.fixture(scope="module")
def pixels():
    """The middle of a demo photograph."""
    return photos.read(demo.photos()[0]).pixels[300:700, 400:900]


@pytest.fixture(scope="module")
def made(pixels):
    """Bursts of it."""
    return list(bursts.make("dusk", pixels, ""))


def test_bursts_are_what_their_strata_say(made):
    """Two gains, each with its noise level, and both motions; frames differ from the truth by that noise."""
    assert [one.strata for one in made] == [("gain=1", "motion=small"), ("gain=4", "motion=large")]
    for one, gain in zip(made, (1, 4), strict=True):
        assert one.burst.noise == noise.GAINS[gain]
        truth = light.to_linear(one.truth)
        error = (one.burst.reference - truth) / one.burst.noise.deviation(truth)
        assert np.std(error) == pytest.approx(1, abs=0.05)
        assert np.array_equal(one.pixels, golden.shown(one.burst))


def test_the_motion_is_as_large_as_it_says(made):
    """Frames of small motion lie within 2.5 pixels, of large motion some lie far beyond."""
    furthest = []
    for one in made:
        moved = align.shifts(one.burst.frames.mean(-1), one.burst.noise.averaged(3))
        furthest.append(max(abs(value) for motion in moved for value in motion.shift))
    assert furthest[0] < 2.5 < furthest[1]


def test_samples_are_the_same_every_time(made, pixels):
    """The name and the gain decide; another name gives another burst."""
    again = next(iter(bursts.make("dusk", pixels, "")))
    assert np.array_equal(made[0].burst.frames, again.burst.frames)
    assert not np.array_equal(made[0].burst.frames, next(iter(bursts.make("noon", pixels, ""))).burst.frames)


def test_small_photographs_are_refused():
    """A burst needs four times its size."""
    with pytest.raises(UsageError, match="too few to make a burst"):
        next(iter(bursts.make("icon", np.zeros((64, 64, 3), np.uint8), "")))


def test_noisy_photographs_have_their_noise(pixels):
    """The deviation is sigma where nothing is clipped, the truth is the photograph, the middle level has two tiles."""
    samples = list(noisy.make("noon", pixels, "blind"))
    assert [one.strata for one in samples] == [("sigma=15",), ("sigma=25",), ("sigma=50",)]
    for one, sigma in zip(samples, noisy.SIGMAS, strict=True):
        is_middle = (one.truth > 0.4) & (one.truth < 0.6)
        error = one.pixels[is_middle].astype(np.float32) / 255 - one.truth[is_middle]
        assert np.std(error) * 255 == pytest.approx(sigma, rel=0.1)
    assert [one.pixels.shape[:2] for one in samples] == [(192, 192), (192, 288), (192, 192)]
    (only,) = noisy.make("noon", pixels, "sigma-25")
    assert (only.name, only.pixels.shape) == ("noon sigma 25", (192, 288, 3))


def test_golden_files_keep_bursts_exactly(made, tmp_path):
    """Frames, noise and strata come back as they were; the reference frame is shown again."""
    one = made[1]
    expected = np.clip(one.truth, 0, 1)
    photo = GoldenPhoto(one.name, one.pixels, expected, one.truth, one.burst, one.strata)
    golden.write(tmp_path / "golden.npz", Golden("kpn", "w", "ab", "", (photo,)))
    found = golden.load(tmp_path / "golden.npz").photos[0]
    assert np.array_equal(found.burst.frames, one.burst.frames)
    assert found.burst.noise == one.burst.noise
    assert found.strata == one.strata
    assert np.array_equal(found.pixels, one.pixels)
    assert found.feed is found.burst
    assert np.abs(found.average - light.picture(one.burst.frames.mean(0))).max() == 0
