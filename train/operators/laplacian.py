"""The fast local Laplacian filter on luma: what the two local operators share.

Source: Paris, Hasinoff, Kautz, Local Laplacian Filters, ACM TOG 30(4), 2011 (the remapping function, equation 2);
Aubry, Paris, Hasinoff, Kautz, Durand, Fast Local Laplacian Filters, ACM TOG 33(5), 2014 (sampling the intensities).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from viewfinder.train.operators.pyramid import Array, downsample, luma, recolour, upsample


@dataclass(frozen=True)
class Remap:
    """Remapping curve around an intensity: details below `sigma` follow ``|d| ** alpha``, edges are kept."""

    sigma: float
    alpha: float
    noise_low: float = 0.01
    noise_high: float = 0.02
    """Below `noise_low` a difference is taken for noise and not boosted; full effect from `noise_high` on (4.2)."""

    def __call__(self, image: Array, centre: float | Array) -> Array:
        """Remap `image` around `centre`, value by value."""
        difference = image - centre
        size = np.abs(difference)
        step = np.clip((size - self.noise_low) / (self.noise_high - self.noise_low), 0, 1)
        smooth = step * step * (3 - 2 * step)
        relative = size / self.sigma
        boosted = smooth * np.maximum(relative, 1e-6) ** self.alpha + (1 - smooth) * relative
        moved = centre + np.sign(difference) * self.sigma * np.where(relative < 1, boosted, relative)
        return np.asarray(moved, np.float32)


def pyramid_depth(height: int, width: int) -> int:
    """Levels below full size, so that the smallest residual has about 4 to 8 pixels on its short side."""
    return max(2, int(math.log2(max(4, min(height, width)))) - 2)


def _gaussian_pyramid(image: Array, depth: int) -> list[Array]:
    """List the picture and its halved copies, `depth` of them."""
    levels = [image]
    for _ in range(depth):
        levels.append(downsample(levels[-1]))
    return levels


def _size(image: Array) -> tuple[int, int]:
    """Height and width of ``[H, W]``."""
    return image.shape[0], image.shape[1]


@dataclass(frozen=True)
class Band:
    """Levels of the Laplacian pyramid that are filtered; the finer and the coarser ones keep their own coefficients.

    Level n holds structures of about ``2 ** n`` to ``2 ** (n + 1)`` pixels.
    """

    finest: int
    end: int
    """First level that is too coarse."""


def filter_luma(image: Array, remap: Remap, intensities: int = 10, band: Band | None = None) -> Array:
    """Filter ``[H, W]`` luma in 0..1; returns ``[H, W]``, not clipped.

    Every Laplacian coefficient in `band` (all of `pyramid_depth` levels by default) is interpolated linearly between
    those of `intensities` remapped pictures.
    """
    band = band or Band(0, pyramid_depth(*image.shape))
    gaussian = _gaussian_pyramid(image, band.end)
    result = [np.zeros_like(level) for level in gaussian[:-1]]
    for index in range(band.finest):
        result[index] = gaussian[index] - upsample(gaussian[index + 1], _size(gaussian[index]))
    for centre in np.linspace(0, 1, intensities, dtype=np.float32):
        level = remap(image, centre)
        for index, coefficients in enumerate(result):
            smaller = downsample(level)
            if index >= band.finest:
                weight = np.maximum(1 - np.abs(gaussian[index] - centre) * (intensities - 1), 0)
                result[index] = coefficients + weight * (level - upsample(smaller, _size(level)))
            level = smaller
    output = gaussian[-1]
    for detail in reversed(result):
        output = upsample(output, _size(detail)) + detail
    return output


def filter_image(image: Array, remap: Remap, band: Band | None = None) -> Array:
    """Filter the luma of ``[H, W, 3]`` display-referred sRGB in 0..1 and keep its colour ratios."""
    old = luma(image)
    return np.clip(recolour(image, old, filter_luma(np.clip(old, 0, 1), remap, band=band)), 0, 1)
