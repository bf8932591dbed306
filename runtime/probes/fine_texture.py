"""Weak, fine patterns: is texture wiped away or made harder?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from viewfinder.runtime.probes import Found, Picture, Quantity, Seen, _energy

TITLE = "Fine texture"
LOOKS_FOR = "Texture wiped away (grass becomes a green plane) or made harder than float makes it."
PROFILE, BORDERS = False, False
AMPLITUDE = 0.03
PATTERNS = {
    "dark, 2 pixels": (0.12, 2.0),
    "dark, 5 pixels": (0.12, 5.0),
    "mid, 2 pixels": (0.45, 2.0),
    "mid, 5 pixels": (0.45, 5.0),
    "bright, 2 pixels": (0.8, 2.0),
    "bright, 5 pixels": (0.8, 5.0),
}
"""Name to grey level and period of a pattern of diagonal waves."""
LEAST, MOST = 0.8, 1.25
QUANTITIES: Mapping[str, Quantity] = {
    "kept": Quantity(
        "texture kept, least",
        "1",
        "root mean square of what varies faster than over 9 x 9 pixels, artifact over float, the patch with the least",
        "a fifth less contrast of fine texture is about what a viewer notices as soft",
    ),
    "made_harder": Quantity(
        "texture gained, most",
        "1",
        "root mean square of what varies faster than over 9 x 9 pixels, artifact over float, the patch with the most",
        "a quarter more (the inverse of a fifth less) shows as harshness",
    ),
}


def chart(height: int, width: int) -> Picture:
    """Draw patches of crossed waves around a grey level, weak enough to be texture and no edge."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = np.empty((height, width, 3), np.float32)
    for place, (level, period) in enumerate(PATTERNS.values()):
        columns = slice(place * width // len(PATTERNS), (place + 1) * width // len(PATTERNS))
        # half a pixel off the whole numbers, or waves of two pixels would be sampled at their zeros
        wave = np.cos(2 * np.pi * (x[:, columns] + 0.25) / period) * np.cos(2 * np.pi * (y[:, columns] + 0.25) / period)
        picture[:, columns] = (level + AMPLITUDE * wave)[..., None]
    return picture


def measure(seen: Seen) -> dict[str, Found]:
    """Compare the variation patch by patch."""
    height, width = seen.chart.shape[:2]
    scale = seen.output.shape[0] // height
    ratios = {
        name: _energy.variation(seen.output[:, columns]) / max(_energy.variation(seen.float_output[:, columns]), 1e-6)
        for name, columns in _energy.patches(width, tuple(PATTERNS), scale)
    }
    return {
        "kept": Found(min(ratios.values()), minimum=LEAST, per_sample=ratios),
        "made_harder": Found(max(ratios.values()), maximum=MOST, per_sample=ratios),
    }
