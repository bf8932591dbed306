"""Merge aligned frames in the frequency domain of small tiles, as HDR+ does: noise is averaged, what differs stays out.

Hasinoff et al., Burst photography for high dynamic range and low-light imaging, ACM TOG 35(6), 2016, section 5; sizes
and window as in google/burst-denoising (tf_image.py, hdrplus_tiled).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts.burst import NoiseLevel

Array = NDArray[np.float32]
Spectrum = NDArray[np.complex64]

TILE = 16
"""Side of a tile in pixels; tiles overlap by half."""

STRENGTH = 16.0
"""How much more than noise a frequency has to differ before its frame is left out.

The best of 2, 4, 8, 16, 32 before a network (8/16/32/32 alone at gains 1/2/4/8) on 12 training photographs.
"""

BAND_VALUES = 1 << 21
"""Values of one frame that are transformed at a time: 8 MB, and about ten times that in all."""


def wiener(aligned: Array, noise: NoiseLevel, strength: float = STRENGTH) -> Array:
    """Merge frames that `viewfinder.bursts.align` has laid over the reference.

    Per tile and frequency, with ``D = R - F_i``: ``A = |D|^2 / (|D|^2 + strength * 2 n * variance)`` and
    ``out = R - sum (1 - A) D / N``: a frame counts fully where it differs from the reference R by noise, and not at all
    where it shows something else. Noise is that of the tile's mean light.

    Args:
        aligned: ``[N, H, W]`` or ``[N, H, W, C]`` in linear light, frame 0 the reference; planes are merged alone.
        noise: of one frame.
        strength: see `STRENGTH`.

    Returns:
        float32 ``[H, W]`` or ``[H, W, C]``.
    """
    if aligned.ndim == 4:
        return np.stack([wiener(aligned[..., plane], noise, strength) for plane in range(aligned.shape[-1])], -1)
    height, width = aligned.shape[1:]
    half = TILE // 2
    rows, columns = (-(-size // half) + 1 for size in (height, width))
    result = np.zeros(((rows + 1) * half, (columns + 1) * half), np.float32)
    for first, last in _bands(rows, columns):
        merged = _merge_band([_tiles(frame, first, last, columns) for frame in aligned], noise, strength)
        _add(result[first * half : (last + 1) * half], merged)
    return result[half : half + height, half : half + width]


def window() -> Array:
    """Return the raised cosine ``[TILE, TILE]``; half overlapping windows sum to one."""
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(TILE) + 0.5) / TILE)
    return np.outer(wave, wave).astype(np.float32)


def _bands(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Part the rows of tiles so that a band holds at most `BAND_VALUES`."""
    step = max(1, BAND_VALUES // (columns * TILE * TILE))
    for first in range(0, rows, step):
        yield first, min(first + step, rows)


def _tiles(frame: Array, first: int, last: int, columns: int) -> Array:
    """Cut rows `first` to `last` of tiles out of a mirrored frame: ``[last - first, columns, TILE, TILE]``."""
    half = TILE // 2
    rows = _mirrored(np.arange((first - 1) * half, last * half), frame.shape[0])
    places = _mirrored(np.arange(-half, columns * half), frame.shape[1])
    padded = frame[np.ix_(rows, places)]
    cut: Array = np.lib.stride_tricks.sliding_window_view(padded, (TILE, TILE))[::half, ::half]
    return cut


def _mirrored(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Reflect places outside 0..size-1 at the border pixels."""
    period = 2 * (size - 1)
    folded = np.abs(places) % period
    return np.minimum(folded, period - folded)


def _merge_band(frames: list[Array], noise: NoiseLevel, strength: float) -> Array:
    """Merge tiles ``[rows, columns, TILE, TILE]`` of every frame; returns windowed tiles."""
    reference = np.fft.rfft2(frames[0]).astype(np.complex64, copy=False)
    mean = frames[0].mean((-2, -1), keepdims=True, dtype=np.float32)
    floor = noise.variance(mean) * np.float32(strength * 2 * TILE * TILE)
    correction: Spectrum = np.zeros_like(reference)
    for frame in frames[1:]:
        difference = reference - np.fft.rfft2(frame)
        power = difference.real**2 + difference.imag**2
        correction += difference * (floor / (power + floor))
    merged = np.fft.irfft2(reference - correction / np.float32(len(frames)), s=(TILE, TILE))
    result: Array = merged.astype(np.float32, copy=False) * window()
    return result


def _add(target: Array, tiles: Array) -> None:
    """Add half overlapping tiles ``[rows, columns, TILE, TILE]`` to ``[(rows + 1) * half, (columns + 1) * half]``."""
    half, (rows, columns) = TILE // 2, tiles.shape[:2]
    for top in (0, 1):
        for left in (0, 1):
            part = tiles[:, :, top * half : top * half + half, left * half : left * half + half]
            plane = part.transpose(0, 2, 1, 3).reshape(rows * half, columns * half)
            target[top * half : top * half + rows * half, left * half : left * half + columns * half] += plane
