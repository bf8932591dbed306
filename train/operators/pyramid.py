"""Building blocks the operators share: luma, Gaussian pyramids, the guided filter. Arrays are float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 luma weights, applied to display-referred values."""

RATIO_FLOOR = np.float32(0.02)
"""Added to both sides of a luma ratio, so that black pixels neither divide by zero nor gain saturated noise."""

_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def luma(image: Array) -> Array:
    """Return ``[H, W]`` BT.601 luma of ``[H, W, 3]``."""
    return image @ LUMA


def recolour(image: Array, old: Array, new: Array) -> Array:
    """Give `image` the luma `new` in place of `old` by scaling its colours; ``[H, W, 3]``, not clipped."""
    return image * ((np.maximum(new, 0) + RATIO_FLOOR) / (old + RATIO_FLOOR))[..., None]


def _filter_axis(image: Array, axis: int) -> Array:
    """Blur one axis with the 5-tap binomial and keep every second sample."""
    widths = [(2, 2) if a == axis % image.ndim else (0, 0) for a in range(image.ndim)]
    padded = np.pad(image, widths, mode="reflect") if image.shape[axis] > 2 else np.pad(image, widths, mode="edge")
    size = (image.shape[axis] + 1) // 2
    starts = np.arange(0, 2 * size - 1, 2)
    taps = [np.take(padded, starts + tap, axis) * weight for tap, weight in enumerate(_BINOMIAL)]
    filtered: Array = sum(taps[1:], taps[0])
    return filtered


def downsample(image: Array) -> Array:
    """Halve the last two axes (rounded up): binomial blur (1 4 6 4 1)/16, then every second sample."""
    return _filter_axis(_filter_axis(image, -2), -1)


def _resize_axis(image: Array, size: int, axis: int) -> Array:
    """Resize one axis linearly, half-pixel centres, border clamped."""
    old = image.shape[axis]
    position = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    lower = np.minimum(position.astype(np.int64), max(old - 2, 0))
    along = [-1 if a == axis % image.ndim else 1 for a in range(image.ndim)]
    weight = (position - lower).astype(np.float32).reshape(along)
    below = np.take(image, lower, axis)
    resized: Array = below + weight * (np.take(image, np.minimum(lower + 1, old - 1), axis) - below)
    return resized


def upsample(image: Array, size: tuple[int, int]) -> Array:
    """Resize the last two axes to `size` bilinearly (half-pixel centres, border clamped)."""
    return _resize_axis(_resize_axis(image, size[1], -1), size[0], -2)


def _box(image: Array, radius: int) -> Array:
    """Mean over a (2 radius + 1) square window, borders repeated."""
    from scipy.ndimage import uniform_filter

    blurred: Array = uniform_filter(image, 2 * radius + 1, mode="nearest")
    return blurred


def guided_base(image: Array, radius: int, epsilon: float) -> Array:
    """Self-guided filter of ``[H, W]``: the smooth, edge-keeping base layer.

    Source: He, Sun, Tang, Guided Image Filtering, ECCV 2010, equations 5, 6 and 8 with the guide equal to the input.
    """
    mean = _box(image, radius)
    variance: Array = np.maximum(_box(image * image, radius) - mean * mean, 0)
    slope: Array = variance / (variance + np.float32(epsilon))
    return _box(slope, radius) * image + _box(mean - slope * mean, radius)
