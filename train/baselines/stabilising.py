"""Make shot and read noise have deviation one, for methods that want white noise: generalised Anscombe transform.

Murtagh, Starck, Bijaoui 1995; inverse as Makitalo and Foi, Optimal inversion of the generalized Anscombe
transformation for Poisson-Gaussian noise, IEEE TIP 22(1), 2013 (closed form, unbiased).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts import NoiseLevel

Array = NDArray[np.float32]

_LEAST_SHOT = 1e-6
"""Variance per signal below which the transform would divide by nothing."""


def _slope(level: NoiseLevel) -> float:
    """Return the variance per signal, the unit in which light is counted."""
    return max(level.shot_std**2, _LEAST_SHOT)


def stabilise(linear: Array, level: NoiseLevel) -> Array:
    """Return ``2 sqrt(x / a + 3/8 + read^2 / a^2)`` with ``a = shot^2``: noise of deviation one at any light.

    Args:
        linear: light with white 1, any shape; what lies below the root's zero is clipped.
        level: of its noise.
    """
    slope = _slope(level)
    counts = linear / np.float32(slope) + np.float32(3 / 8 + (level.read_std / slope) ** 2)
    result: Array = 2 * np.sqrt(np.maximum(counts, 0))
    return result


def undo(stable: Array, level: NoiseLevel) -> Array:
    """Return the light whose noisy values had the mean `stable`: not the algebraic inverse, which is biased.

    ``D^2/4 + sqrt(3/2)/(4 D) - 11/(8 D^2) + 5/8 sqrt(3/2)/D^3 - 1/8 - read^2/a^2``, times ``a``; below D = 1.2 the
    algebraic inverse, because the series ends.
    """
    slope = _slope(level)
    offset = (level.read_std / slope) ** 2
    d = np.maximum(np.asarray(stable, np.float64), 1e-3)
    root = np.sqrt(1.5)
    series = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 / 8 * root / d**3 - 1 / 8 - offset
    plain = np.maximum(d**2 / 4 - 3 / 8 - offset, 0)
    return (np.where(d < 1.2, plain, series) * slope).astype(np.float32)
