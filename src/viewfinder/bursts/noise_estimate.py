"""Measure how noisy frames are where no file says it: texture-free blocks, sorted by their light, and a straight line.

Immerkaer, Fast noise variance estimation, CVIU 64(2), 1996: the mask ``[1 -2 1; -2 4 -2; 1 -2 1]`` removes flat and
straight structure and multiplies white noise by 6. Blocks with the smallest response at their brightness show noise
alone. Files that a camera has denoised or compressed have less, and other, noise than its sensor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts.burst import Array, BadBurstError, NoiseLevel
from viewfinder.bursts.frames import Frames

BLOCK = 16
BINS = 12
QUIET = 0.1
"""Share of the blocks of a brightness that count as free of texture; the quietest are where noise is low by chance."""
CHANCE = 0.80
"""Variance of white noise in the blocks at this share, as measured on noise alone, over its true variance."""
DARKEST, BRIGHTEST = -0.05, 0.9
"""Mean light of the blocks that are looked at: clipped values have no noise."""
LEAST_BLOCKS = 24
_FLOOR = 1e-4


def estimate(frames: Frames) -> NoiseLevel:
    """Measure the noise of every frame, on all planes together.

    Raises:
        BadBurstError: too few pixels that are neither black nor white.
    """
    found = [_blocks(frame) for number in range(frames.planes) for frame in frames.plane(number)]
    light, variance = (np.concatenate([one[place] for one in found]) for place in (0, 1))
    kept = (light > DARKEST) & (light < BRIGHTEST) & (variance > 0)
    light, variance = light[kept], variance[kept]
    if len(light) < LEAST_BLOCKS:
        raise BadBurstError(
            f"{frames.name} has too few pixels that are neither black nor white to measure its noise",
            "say --read-noise and --shot-noise",
            code="unknown-noise",
        )
    offset, slope = _line(*_quiet(light, variance))
    return NoiseLevel(max(_FLOOR, float(np.sqrt(offset))), float(np.sqrt(slope)))


def _blocks(frame: Array) -> tuple[Array, Array]:
    """Return mean light and noise variance of every block of ``[H, W]``."""
    rows = frame[:-2] - 2 * frame[1:-1] + frame[2:]
    response = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    height, width = (size // BLOCK * BLOCK for size in response.shape)
    shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    variance = np.square(response[:height, :width]).reshape(shape).mean((1, 3)) / np.float32(36)
    light = frame[1 : height + 1, 1 : width + 1].reshape(shape).mean((1, 3))
    return light.ravel(), variance.ravel()


def _quiet(light: Array, variance: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the light and the quiet blocks' variance of each brightness."""
    order = np.argsort(light)
    groups = [group for group in np.array_split(order, BINS) if len(group)]
    centres = [float(light[group].mean()) for group in groups]
    levels = [float(np.quantile(variance[group], QUIET)) / CHANCE for group in groups]
    return np.array(centres).clip(min=0), np.array(levels)


def _line(light: NDArray[np.float64], variance: NDArray[np.float64]) -> tuple[float, float]:
    """Fit ``offset + slope * light``, neither negative, by relative errors; texture only adds, so low values count."""
    weights = 1 / variance
    for _ in range(3):
        design = np.stack([weights, weights * light], 1)
        offset, slope = np.linalg.lstsq(design, weights * variance, rcond=None)[0]
        if slope < 0:
            offset, slope = float(np.average(variance, weights=weights)), 0.0
        if offset < 0:
            offset, slope = 0.0, float(np.sum(weights**2 * variance * light) / np.sum((weights * light) ** 2))
        excess = variance / np.maximum(offset + slope * light, 1e-12)
        weights = 1 / variance / np.maximum(1.0, excess) ** 2
    return float(offset), float(slope)
