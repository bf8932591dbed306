"""Every probe by itself: float passes, and the one defect that it looks for fails it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from viewfinder.errors import UsageError
from viewfinder.runtime import probes
from viewfinder.runtime.probes import Borders, Seen, _light, _ramp

HEIGHT, WIDTH = 96, 256
BORDERS = Borders((24, 48, 72), (64, 128, 192))
Spoil = Callable[[np.ndarray], np.ndarray]


def banded(picture: np.ndarray) -> np.ndarray:
    """Round to steps of nine codes, as an 8-bit tensor before a gain does."""
    return np.rint(picture * 255 / 9) * np.float32(9 / 255)


def tinted(picture: np.ndarray) -> np.ndarray:
    """Turn the hues: red lends to green."""
    return picture @ np.array([[0.9, 0.1, 0], [0, 0.9, 0.1], [0.1, 0, 0.9]], np.float32)


def ringing(picture: np.ndarray) -> np.ndarray:
    """Sharpen, so that edges overshoot."""
    return np.clip(picture + 0.6 * (picture - gaussian_filter(picture, (2, 2, 0))), 0, 1)


def smoothed(picture: np.ndarray) -> np.ndarray:
    """Wipe the fine detail away."""
    return gaussian_filter(picture, (1, 1, 0))


def harsh(picture: np.ndarray) -> np.ndarray:
    """Make fine detail half as strong again."""
    return picture + 0.5 * (picture - gaussian_filter(picture, (3, 3, 0)))


def brighter(picture: np.ndarray) -> np.ndarray:
    """Lift everything by three codes."""
    return picture + np.float32(3 / 255)


def seamed(picture: np.ndarray) -> np.ndarray:
    """Brighten one strip by one code."""
    spoiled = picture.copy()
    spoiled[24:48] += np.float32(1 / 255)
    return spoiled


DEFECTS = [
    ("display-ramp", banded, "levels"),
    ("display-ramp", banded, "largest_step"),
    ("linear-ramp", banded, "levels"),
    ("shadow-ramp", banded, "levels"),
    ("shadow-ramp", banded, "largest_step"),
    ("hue-wheel", tinted, "shift_p99"),
    ("hue-wheel", tinted, "turn"),
    ("saturated-edges", ringing, "overshoot"),
    ("saturated-edges", ringing, "ringing"),
    ("fine-texture", smoothed, "kept"),
    ("fine-texture", harsh, "made_harder"),
    ("noisy-grey", smoothed, "noise_kept"),
    ("noisy-grey", harsh, "noise_gained"),
    ("noisy-grey", brighter, "grey_moved"),
    ("border-gradient", seamed, "seam"),
]


def holds(found: probes.Found) -> bool:
    """Compare a number with its limits."""
    above = found.minimum is None or found.value >= found.minimum
    return above and (found.maximum is None or found.value <= found.maximum)


@pytest.mark.parametrize("name", probes.names())
def test_float_itself_passes(name: str) -> None:
    """Against itself, with errors of a thousandth of a code, every number holds and has a limit."""
    probe = probes.load(name)
    chart = probe.chart(HEIGHT, WIDTH)
    assert chart.shape == (HEIGHT, WIDTH, 3)
    assert chart.dtype == np.float32
    assert 0 <= chart.min() <= chart.max() <= 1
    found = probe.measure(Seen(chart, chart, chart + np.float32(4e-6), BORDERS))
    assert set(found) == set(probe.QUANTITIES)
    assert all(holds(one) for one in found.values())
    assert all(one.minimum is not None or one.maximum is not None for one in found.values())


@pytest.mark.parametrize(("name", "spoil", "quantity"), DEFECTS, ids=lambda value: getattr(value, "__name__", value))
def test_each_defect_fails_its_probe(name: str, spoil: Spoil, quantity: str) -> None:
    """The defect that the quantity is there for is beyond its limit."""
    probe = probes.load(name)
    chart = probe.chart(HEIGHT, WIDTH)
    assert not holds(probe.measure(Seen(chart, chart, spoil(chart), BORDERS))[quantity])


def test_every_quantity_has_a_defect_that_fails_it() -> None:
    """No number stands in the report that nothing here can turn red; the linear ramp's step is the display ramp's."""
    planted = {(name, quantity) for name, _, quantity in DEFECTS} | {("linear-ramp", "largest_step")}
    assert planted == {(name, quantity) for name in probes.names() for quantity in probes.load(name).QUANTITIES}


def test_levels_are_counted_in_display_codes() -> None:
    """A ramp of every code keeps 256 levels and steps of one; one rounded to 16 keeps 16 and steps of 17."""
    ramp = _ramp.rows(np.linspace(0, 1, 1024), 4)
    assert set(_ramp.levels(ramp).values()) == {256.0}
    assert set(_ramp.largest_steps(ramp).values()) == {1.0}
    coarse = np.rint(ramp * 15) / 15
    assert set(_ramp.levels(coarse).values()) == {16.0}
    assert set(_ramp.largest_steps(coarse).values()) == {17.0}


def test_the_seam_is_measured_where_it_lies() -> None:
    """One code of difference at a strip's border is one code, at that row, and nothing where no border is."""
    probe = probes.load("border-gradient")
    chart = probe.chart(HEIGHT, WIDTH)
    found = probe.measure(Seen(chart, chart, seamed(chart), BORDERS))["seam"]
    assert found.value == pytest.approx(1, abs=0.01)
    assert max(found.per_sample, key=lambda place: found.per_sample[place]) in {"row 24", "row 48"}
    elsewhere = probe.measure(Seen(chart, chart, seamed(chart), Borders((12,), (64,))))["seam"]
    assert elsewhere.value < 0.01


def test_light_goes_there_and_back() -> None:
    """The transfer function of sRGB: known points, and the inverse gives the codes again."""
    codes = np.linspace(0, 1, 500)
    np.testing.assert_allclose(_light.to_display(_light.to_linear(codes)), codes, atol=1e-6)
    assert _light.to_linear(np.array([0.5]))[0] == pytest.approx(0.21404, abs=1e-4)


def test_an_unknown_probe_names_the_known_ones() -> None:
    """The error lists what there is."""
    with pytest.raises(UsageError, match="no probe 'rampp'") as raised:
        probes.load("rampp")
    assert "shadow-ramp" in raised.value.hint
