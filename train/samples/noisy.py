"""Photographs with white Gaussian noise, for single-frame denoisers: the photograph itself is the truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import strata
from viewfinder.golden import Sample

TRUTH = "the photograph before noise was added"
SIGMAS = (15, 25, 50)
"""In 8-bit codes: the three levels of the denoising papers."""
SIDE, WIDE = 192, 288
"""Height and width of a sample, and the width of the middle level's: one tile of `dncnn`, and two, with a seam between.

A denoiser does not care what lies farther away, and each tile of 256 x 256 is 36 billion multiplications for a colour.
"""
_SEED = 3
_CODES = 255


def make(name: str, pixels: NDArray[Any], weights: str) -> Iterator[Sample]:
    """Yield the middle of a photograph with noise of each level, rounded to 8 bits as a camera's file is.

    Args:
        name: of the photograph.
        pixels: ``[H, W, 3]`` uint8 or uint16.
        weights: name of the network's weights; with ``sigma25`` in it, samples of this level alone are made.
    """
    asked = levels(weights)
    for sigma in asked:
        shown = _middle(pixels, WIDE if sigma == asked[len(asked) // 2] else SIDE)
        clean = shown.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
        rng = np.random.default_rng([_SEED, sigma])
        noisy = clean + np.float32(sigma / _CODES) * rng.standard_normal(clean.shape, dtype=np.float32)
        codes = np.rint(noisy.clip(0, 1) * _CODES).astype(np.uint8)
        yield Sample(f"{name} sigma {sigma}", codes, clean, strata=(strata.stratum(strata.SIGMA, sigma),))


def levels(weights: str) -> tuple[int, ...]:
    """Return the noise levels that weights are for: the one in their name (``sigma25``), else `SIGMAS`."""
    found = re.search(r"sigma-?(\d+)", weights)
    return (int(found.group(1)),) if found else SIGMAS


def _middle(pixels: NDArray[Any], most: int) -> NDArray[Any]:
    """Cut out the middle, at most `SIDE` high and `most` wide."""
    height, width = min(SIDE, pixels.shape[0]), min(most, pixels.shape[1])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]
