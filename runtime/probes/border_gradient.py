"""A smooth gradient across strips, tiles and cells: are their borders seen?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from viewfinder.runtime.probes import CODES, Borders, Found, Picture, Quantity, Seen

TITLE = "Gradient across strips and tiles"
LOOKS_FOR = "Seams: a picture is computed in pieces, and a smooth sky shows where they meet."
PROFILE, BORDERS = False, True
MOST_JUMP = 0.5
QUANTITIES: Mapping[str, Quantity] = {
    "seam": Quantity(
        "largest seam",
        "codes",
        "at every border of strips, tiles or cells: the step across it, less the mean of the steps just before and "
        "behind it, averaged along the whole border; the largest of any border and channel, in 8-bit display codes",
        "half a code along a straight line is about where a viewer begins to see it on a smooth surface",
    ),
}


def chart(height: int, width: int) -> Picture:
    """Draw a slanted gradient, a little different in each channel, so that no contour runs along a border."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    slanted = x / width * 0.65 + y / height * 0.35
    return np.stack([0.15 + 0.6 * slanted, 0.2 + 0.55 * slanted, 0.3 + 0.5 * slanted**1.2], 2).astype(np.float32)


def measure(seen: Seen) -> dict[str, Found]:
    """Measure the jump at every border."""
    scale = seen.output.shape[0] // seen.chart.shape[0]
    jumps = _jumps(seen.output, seen.borders, scale)
    own = max(_jumps(seen.float_output, seen.borders, scale).values(), default=0.0)
    largest = max(jumps.values(), default=0.0)
    listed = dict(sorted(jumps.items(), key=lambda item: -item[1])[:12])
    said = f"float's largest seam is {own:.2f}; {len(jumps)} borders"
    return {"seam": Found(largest, maximum=MOST_JUMP, per_sample=listed, said=said)}


def _jumps(picture: Picture, borders: Borders, scale: int) -> dict[str, float]:
    """Return the jump at each border, in codes, by its name."""
    found = {}
    for kind, axis, places in (("row", 0, borders.rows), ("column", 1, borders.columns)):
        profile = picture.mean(1 - axis, dtype=np.float64) * float(CODES)
        steps = np.diff(profile, axis=0)
        for place in (scale * one for one in places):
            if 2 <= place <= len(profile) - 2:
                excess = steps[place - 1] - (steps[place - 2] + steps[place]) / 2
                found[f"{kind} {place}"] = float(np.abs(excess).max())
    return found
