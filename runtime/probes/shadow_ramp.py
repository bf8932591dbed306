"""The darkest twentieth of the light alone: where few codes meet much gain."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.probes import Picture, _light, _ramp

TITLE = "Ramp in the shadows"
LOOKS_FOR = (
    "Bands where a network lifts the shadows: eight-bit values before a large gain leave few levels behind it. "
    "A PSNR over a photograph hardly sees them."
)
QUANTITIES, PROFILE, BORDERS = _ramp.QUANTITIES, True, False
measure = _ramp.measure
DEEPEST, BRIGHTEST = 0.0, 0.05
"""In linear light; 0.05 is display code 63 of 255."""


def chart(height: int, width: int) -> Picture:
    """Draw black to a twentieth of white's light, even in linear light, from left to right."""
    return _ramp.rows(_light.to_display(np.linspace(DEEPEST, BRIGHTEST, width)), height)
