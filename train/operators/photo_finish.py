"""A global-and-local photo finish: lift shadows, sharpen detail, S-curve, vibrance.

Each step is one line of `apply`; the strengths are this project's choice of a pleasing, clearly visible look.
"""

from __future__ import annotations

import numpy as np

from viewfinder.train.operators.pyramid import Array, guided_base, luma, recolour

SHADOW_LIFT = 0.72
DETAIL_GAIN = 1.3
CURVE_STRENGTH = 0.45
VIBRANCE = 0.5


def _lift_shadows(base: Array) -> Array:
    """Raise dark parts of the base layer most, leave white where it is."""
    return base + np.float32(SHADOW_LIFT) * base * (1 - base) ** 3


def _s_curve(image: Array) -> Array:
    """Mix in a smoothstep: more contrast in the mid-tones."""
    return np.float32(1 - CURVE_STRENGTH) * image + np.float32(CURVE_STRENGTH) * image * image * (3 - 2 * image)


def _vibrance(image: Array) -> Array:
    """Raise the saturation of dull colours more than that of vivid ones."""
    grey = luma(image)[..., None]
    saturation = image.max(-1, keepdims=True) - image.min(-1, keepdims=True)
    vivid: Array = grey + (image - grey) * (1 + np.float32(VIBRANCE) * (1 - saturation) ** 2)
    return vivid


def apply(image: Array) -> Array:
    """``[H, W, 3]`` display-referred sRGB in 0..1 to the same, finished."""
    old = luma(image)
    base = np.clip(guided_base(old, max(2, round(min(old.shape) / 24)), 0.01), 0, 1)
    new = np.clip(_lift_shadows(base) + np.float32(DETAIL_GAIN) * (old - base), 0, 1)
    return np.clip(_vibrance(_s_curve(np.clip(recolour(image, old, new), 0, 1))), 0, 1)
