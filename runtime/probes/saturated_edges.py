"""Hard edges between saturated colours: overshoot and ringing beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from viewfinder.runtime.probes import CODES, Found, Picture, Quantity, Seen

TITLE = "Saturated edges"
LOOKS_FOR = "Halos and ripples beside hard edges, where a network's values are largest and clip first."
PROFILE, BORDERS = False, False
COLOURS = ((0.9, 0.05, 0.05), (0.05, 0.05, 0.9), (0.95, 0.9, 0.05), (0.02, 0.02, 0.02), (0.05, 0.8, 0.1), (0.98,) * 3)
REACH = 8
"""Pixels beside an edge that count."""
WINDOW = 2
"""An overshoot is measured against float's values at most so many pixels away."""
MOST_OVERSHOOT, MOST_RINGING = 6.0, 1.5
QUANTITIES: Mapping[str, Quantity] = {
    "overshoot": Quantity(
        "overshoot",
        "codes",
        f"how far the output leaves the range of float's values within {WINDOW} pixels, 99.9th percentile over pixels "
        f"and channels within {REACH} pixels of an edge, in 8-bit display codes",
        "6 codes (2.4 % of white) beside an edge begin to show as a line of its own",
    ),
    "ringing": Quantity(
        "ringing",
        "codes",
        "root mean square of what the difference from float changes faster than over 5 x 5 pixels, within "
        f"{REACH} pixels of an edge, in 8-bit display codes",
        "1.5 codes of ripple are three times the rounding to 8 bit (0.29 codes per picture, two pictures, and margin)",
    ),
}


def chart(height: int, width: int) -> Picture:
    """Draw upright bars in the upper half and lying ones in the lower half."""
    colours, half = np.array(COLOURS, np.float32), height // 2
    picture = np.empty((height, width, 3), np.float32)
    picture[:half] = colours[np.arange(width) * 2 * len(colours) // width % len(colours)][None]
    picture[half:] = colours[np.arange(height - half) * len(colours) // (height - half)][:, None]
    return picture


def measure(seen: Seen) -> dict[str, Found]:
    """Look at the pixels beside edges."""
    from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

    near = _near_edges(seen.chart, seen.output.shape[0] // seen.chart.shape[0])
    size = (2 * WINDOW + 1, 2 * WINDOW + 1, 1)
    above = seen.output - maximum_filter(seen.float_output, size)
    below = minimum_filter(seen.float_output, size) - seen.output
    outside = np.maximum(np.maximum(above, below), 0)[near] * CODES
    difference = seen.output - seen.float_output
    ripple = (difference - uniform_filter(difference, (5, 5, 1)))[near] * CODES
    overshoot = float(np.percentile(outside, 99.9))
    ringing = float(np.sqrt(np.mean(np.square(ripple, dtype=np.float64))))
    return {
        "overshoot": Found(overshoot, maximum=MOST_OVERSHOOT),
        "ringing": Found(ringing, maximum=MOST_RINGING),
    }


def _near_edges(chart: Picture, scale: int) -> NDArray[np.bool_]:
    """Mark the pixels ``[s * H, s * W]`` within `REACH` of an edge of the chart."""
    from scipy.ndimage import binary_dilation

    edges = np.zeros(chart.shape[:2], bool)
    edges[:, 1:] |= np.any(chart[:, 1:] != chart[:, :-1], axis=2)
    edges[1:] |= np.any(chart[1:] != chart[:-1], axis=2)
    near = binary_dilation(edges, np.ones((3, 3), bool), REACH)
    return np.repeat(np.repeat(near, scale, 0), scale, 1)
