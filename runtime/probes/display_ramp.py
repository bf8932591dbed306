"""A smooth grey ramp, even in display light: banding over the whole range of tones."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.probes import Picture, _ramp

TITLE = "Ramp in display light"
LOOKS_FOR = "Banding: too few levels turn a smooth sky into stripes. The curve should be as fine as float's."
QUANTITIES, PROFILE, BORDERS = _ramp.QUANTITIES, True, False
measure = _ramp.measure


def chart(height: int, width: int) -> Picture:
    """Draw black to white, even in display codes, from left to right."""
    return _ramp.rows(np.linspace(0, 1, width), height)
