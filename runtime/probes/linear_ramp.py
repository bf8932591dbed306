"""A smooth grey ramp, even in linear light, as the light falls off on a wall: most of its width is bright."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.probes import Picture, _light, _ramp

TITLE = "Ramp in linear light"
LOOKS_FOR = "Banding in highlights and a crushed dark end: an even fall-off of light, as on a wall beside a window."
QUANTITIES, PROFILE, BORDERS = _ramp.QUANTITIES, True, False
measure = _ramp.measure


def chart(height: int, width: int) -> Picture:
    """Draw black to white, even in linear light, from left to right."""
    return _ramp.rows(_light.to_display(np.linspace(0, 1, width)), height)
