from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewfinder.train.camera import tone

CURVES = [
    (tone.srgb_curve, tone.inverse_srgb_curve, 0.0),
    (tone.gamma_compress, tone.gamma_expand, 1e-8),
    (tone.smoothstep, tone.inverse_smoothstep, 0.0),
]


@pytest.mark.parametrize(("forward", "inverse", "least"), CURVES, ids=["srgb", "gamma", "smoothstep"])
@given(value=st.floats(0, 1, width=32))
def test_a_curve_after_its_inverse_changes_nothing(forward, inverse, least, value):
    """forward(inverse(x)) = x over the whole range, and inverse(forward(x)) = x above the clamp."""
    x = np.float32(value)
    assert float(forward(inverse(x))) == pytest.approx(max(float(x), least ** (1 / 2.2)), abs=2e-6)
    assert float(inverse(forward(x))) == pytest.approx(
        max(float(x), least), abs=1e-3 if forward is tone.smoothstep else 2e-6
    )


@pytest.mark.parametrize(("forward", "inverse", "_"), CURVES, ids=["srgb", "gamma", "smoothstep"])
def test_curves_rise_and_keep_black_and_white(forward, inverse, _):
    """Ends stay where they are; between them every curve is strictly rising."""
    x = np.linspace(0, 1, 513, dtype=np.float32)
    for curve in (forward, inverse):
        y = curve(x)
        assert y[[0, -1]] == pytest.approx([0, 1], abs=3e-4)
        assert (np.diff(y[1:-1]) > 0).all()


def test_known_values_of_the_srgb_curve():
    """Middle grey and the end of the toe have the standard's values."""
    found = tone.srgb_curve(np.array([0.2140411, 0.0031308, 1.7, -0.2], np.float32))
    assert found == pytest.approx([0.5, 0.04045, 1, 0], abs=2e-5)
