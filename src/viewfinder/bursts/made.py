"""Bursts of one picture, for what looks at photographs or charts: ranges, timings, probes; none measures denoising."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder import light
from viewfinder.bursts.burst import Array, Burst, NoiseLevel

LEVEL = NoiseLevel(10**-1.8, 10**-1.1)
"""Of a typical small sensor at gain 2 (Mildenhall et al. 2018, as in `viewfinder.train.camera.noise.GAINS`)."""
QUIET = NoiseLevel(10**-2.2, 10**-1.3)
"""The same sensor at gain 1."""
LONGEST = 512
"""Pixels of the longer side that is left of a photograph: one tile, and quickly aligned."""
MOST_SHIFT = 2


def still(chart: Array, count: int) -> Burst:
    """Return a burst of `count` equal frames without noise, of a chart ``[H, W, 3]`` in display light 0..1.

    What a network makes of it is the chart through its own filters; the level that it is told is `QUIET`.
    """
    linear = light.to_linear(chart.astype(np.float32))
    return Burst(np.repeat(linear[None], count, 0), QUIET, name="chart")


def hand_held(pixels: NDArray[np.integer], count: int, seed: int = 0) -> Burst:
    """Return a burst of a photograph, the same for the same seed.

    Every n-th pixel is taken, so that no side is longer than `LONGEST`; the frames are moved by up to `MOST_SHIFT`
    whole pixels and have the noise of `LEVEL`.

    Args:
        pixels: uint8 or uint16 ``[H, W, 3]``, display-referred.
        count: frames.
        seed: of shifts and noise.
    """
    step = -(-max(pixels.shape[:2]) // LONGEST)
    linear = light.to_linear(pixels[::step, ::step].astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max))
    rng = np.random.default_rng(seed)
    shifts = np.vstack([[(0, 0)], rng.integers(-MOST_SHIFT, MOST_SHIFT + 1, (count - 1, 2))]) + MOST_SHIFT
    height, width = (size - 2 * MOST_SHIFT for size in linear.shape[:2])
    clean = np.stack([linear[top : top + height, left : left + width] for top, left in shifts.tolist()])
    deviation = np.sqrt(LEVEL.read_std**2 + LEVEL.shot_std**2 * clean)
    noisy = clean + deviation * rng.standard_normal(clean.shape, np.float32)
    return Burst(noisy.astype(np.float32), LEVEL, name="hand-held")
