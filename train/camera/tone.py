"""Tone curves and their inverses: sRGB's curve, a plain gamma, and the smoothstep that stands for a global tone map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder import light

Array = NDArray[np.float32]

GAMMA = 2.2


def srgb_curve(linear: Array) -> Array:
    """Encode linear light for a display; 0..1 to 0..1, clipped first.

    ``12.92 x`` up to 0.0031308, ``1.055 x^(1/2.4) - 0.055`` above (IEC 61966-2-1). The burst benchmark is measured
    after this curve (Mildenhall et al. 2018).
    """
    return light.to_display(linear)


def inverse_srgb_curve(encoded: Array) -> Array:
    """Return the linear light of display values; the inverse of `srgb_curve`, 0..1 to 0..1, clipped first."""
    return light.to_linear(np.clip(np.asarray(encoded, np.float32), 0, 1))


def gamma_expand(encoded: Array) -> Array:
    """Return ``max(x, 1e-8)^2.2``: the linear light of a photograph in both papers' synthesis; 0..1 to 0..1."""
    result: Array = np.maximum(np.asarray(encoded, np.float32), np.float32(1e-8)) ** np.float32(GAMMA)
    return result


def gamma_compress(linear: Array) -> Array:
    """Return ``max(x, 1e-8)^(1/2.2)``, the inverse of `gamma_expand` above 1e-8 (Brooks et al. 2019)."""
    result: Array = np.maximum(np.asarray(linear, np.float32), np.float32(1e-8)) ** np.float32(1 / GAMMA)
    return result


def smoothstep(linear: Array) -> Array:
    """Return ``3 x^2 - 2 x^3``, the global tone curve of Brooks et al. 2019; 0..1 to 0..1, clipped."""
    x = np.clip(np.asarray(linear, np.float32), 0, 1)
    result: Array = x * x * (3 - 2 * x)
    return result


def inverse_smoothstep(toned: Array) -> Array:
    """Return ``1/2 - sin(asin(1 - 2 y) / 3)``, the inverse of `smoothstep` (Brooks et al. 2019)."""
    y = np.clip(np.asarray(toned, np.float64), 0, 1)
    return (0.5 - np.sin(np.arcsin(1 - 2 * y) / 3)).astype(np.float32)
