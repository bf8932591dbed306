"""Linear light and display light: sRGB's transfer function (IEC 61966-2-1), float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

TOE_LINEAR, TOE_DISPLAY = 0.0031308, 0.04045
"""Where the curve leaves its straight beginning, in linear and in display light."""


def to_display(linear: NDArray[Any]) -> Array:
    """Encode linear light as display-referred sRGB, both 0..1; what lies outside (noise does) is clipped first."""
    clipped = np.clip(np.asarray(linear, np.float32), 0, 1)
    curve = np.float32(1.055) * clipped ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(clipped <= TOE_LINEAR, np.float32(12.92) * clipped, curve).astype(np.float32)


def to_linear(display: NDArray[Any]) -> Array:
    """Decode display-referred sRGB 0..1 to linear light 0..1."""
    shown = np.asarray(display, np.float32)
    curve = ((shown + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(shown <= TOE_DISPLAY, shown / np.float32(12.92), curve).astype(np.float32)


def picture(linear: NDArray[Any]) -> Array:
    """Show linear light ``[H, W]`` or ``[H, W, C]``, C 1 (grey) or 3, as a picture ``[H, W, 3]`` in 0..1."""
    planes = linear[..., None] if linear.ndim == 2 else linear
    shown = to_display(planes)
    return np.repeat(shown, 3, -1) if shown.shape[-1] == 1 else shown
