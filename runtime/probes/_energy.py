"""What texture and noise share: patches of a chart, and how much a patch varies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from viewfinder.runtime.probes import Picture

MARGIN = 8
"""Pixels at each side of a patch that do not count: its neighbour reaches into them."""


def patches(width: int, names: Sequence[str], scale: int = 1) -> Iterator[tuple[str, slice]]:
    """Yield the columns of patches that stand side by side over the whole width."""
    for place, name in enumerate(names):
        left, right = place * width // len(names), (place + 1) * width // len(names)
        yield name, slice((left + MARGIN) * scale, (right - MARGIN) * scale)


def variation(patch: Picture) -> float:
    """Root mean square of what varies faster than over 9 x 9 pixels, over all channels."""
    from scipy.ndimage import uniform_filter

    fine = patch - uniform_filter(patch, (9, 9, 1))
    return float(np.sqrt(np.mean(np.square(fine, dtype=np.float64))))
