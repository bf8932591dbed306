"""Merge aligned frames in the frequency domain of small tiles, as HDR+ does: noise is averaged, what differs stays out.

Hasinoff et al., Burst photography for high dynamic range and low-light imaging, ACM TOG 35(6), 2016, section 5; sizes
and window as in google/burst-denoising (tf_image.py, hdrplus_tiled).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts.burst import NoiseLevel

Array = NDArray[np.float32]

TILE = 16
"""Side of a tile in pixels; tiles overlap by half."""

HALF = TILE // 2 + 1
"""Frequencies of a real signal."""

STRENGTHS, PER_DEVIATION, GREY = (16.0, 96.0), 730.0, 0.18
"""Least and most strength, strength per noise deviation, and the light that it is taken at (`strength_for`).

On 12 photographs of the training data, strengths 16/32/64/128 gave 35.12/34.87/34.63/34.44 dB at the noise of gain 1,
28.11/28.33/28.41/28.43 dB at gain 4 and 23.51/23.78/23.89/23.93 dB at gain 8. More than the most leaves ghosts in.
"""

BAND_VALUES = 1 << 22
"""Values of all frames that are transformed at a time: 16 MB, and about ten times that in all."""


def strength_for(noise: NoiseLevel) -> float:
    """Return how much more than noise a frequency has to differ: 16 at the noise of gain 1, 27, 47, 83 at 2, 4, 8."""
    deviation = float(noise.deviation(np.array(GREY, np.float32)))
    return float(np.clip(PER_DEVIATION * deviation, *STRENGTHS))


def wiener(aligned: Array, noise: NoiseLevel, strength: float | None = None) -> Array:
    """Merge frames that `viewfinder.bursts.align` has laid over the reference.

    Per tile and frequency, with ``D = R - F_i``: ``A = |D|^2 / (|D|^2 + strength * 2 n * variance)`` and
    ``out = R - sum (1 - A) D / N``: a frame counts fully where it differs from the reference R by noise, and not at all
    where it shows something else. Noise is that of the tile's mean light.

    Args:
        aligned: ``[N, H, W]`` or ``[N, H, W, C]`` in linear light, frame 0 the reference; planes are merged alone.
        noise: of one frame.
        strength: how much more than noise a frequency has to differ; `strength_for` the noise if None.

    Returns:
        float32 ``[H, W]`` or ``[H, W, C]``.
    """
    strength = strength_for(noise) if strength is None else strength
    if aligned.ndim == 4:
        return np.stack([wiener(aligned[..., plane], noise, strength) for plane in range(aligned.shape[-1])], -1)
    height, width = aligned.shape[1:]
    half = TILE // 2
    rows, columns = (-(-size // half) + 1 for size in (height, width))
    result = np.zeros(((rows + 1) * half, (columns + 1) * half), np.float32)
    for first, last in _bands(rows, columns * len(aligned)):
        merged = _merge_band(_tiles(aligned, first, last, columns), noise, strength)
        _add(result[first * half : (last + 1) * half], merged)
    return result[half : half + height, half : half + width]


@cache
def window() -> Array:
    """Return the raised cosine ``[TILE, TILE]``; half overlapping windows sum to one."""
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(TILE) + 0.5) / TILE)
    return np.outer(wave, wave).astype(np.float32)


def _bands(rows: int, tiles: int) -> Iterator[tuple[int, int]]:
    """Part the rows, each of this many tiles, so that a band holds at most `BAND_VALUES`."""
    step = max(1, BAND_VALUES // (tiles * TILE * TILE))
    for first in range(0, rows, step):
        yield first, min(first + step, rows)


def _tiles(frames: Array, first: int, last: int, columns: int) -> Array:
    """Cut rows `first` to `last` of tiles out of mirrored frames: ``[N, last - first, columns, TILE, TILE]``."""
    half = TILE // 2
    rows = _mirrored(np.arange((first - 1) * half, last * half), frames.shape[1])
    places = _mirrored(np.arange(-half, columns * half), frames.shape[2])
    padded = frames[:, rows[:, None], places]
    cut: Array = np.lib.stride_tricks.sliding_window_view(padded, (len(frames), TILE, TILE))[0, ::half, ::half]
    return np.moveaxis(cut, 2, 0)


def _mirrored(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Reflect places outside 0..size-1 at the border pixels."""
    period = 2 * (size - 1)
    folded = np.abs(places) % period
    inside: NDArray[np.int64] = np.minimum(folded, period - folded)
    return inside


def _merge_band(tiles: Array, noise: NoiseLevel, strength: float) -> Array:
    """Merge tiles ``[N, rows, columns, TILE, TILE]`` of all frames; returns windowed tiles."""
    mean = tiles[0].mean((-2, -1), dtype=np.float32).reshape(-1, 1, 1)
    floor = noise.variance(mean) * np.float32(strength * 2 * TILE * TILE)
    count = len(tiles)
    real, imaginary = (part.reshape(count, len(mean), HALF, TILE) for part in _spectrum(tiles))
    real, imaginary = real[0] - real[1:], imaginary[0] - imaginary[1:]
    share = floor / (real * real + imaginary * imaginary + floor)
    correction = _picture((real * share).sum(0), (imaginary * share).sum(0)).reshape(tiles.shape[1:])
    result: Array = (tiles[0] - correction / np.float32(count)) * window()
    return result


@cache
def _waves() -> tuple[Array, Array]:
    """Return cosine and sine of the discrete Fourier transform, ``[TILE places, TILE frequencies]``."""
    angle = 2 * np.pi / TILE * np.outer(np.arange(TILE), np.arange(TILE))
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def _spectrum(tiles: Array) -> tuple[Array, Array]:
    """Transform tiles: real and imaginary part, ``[tiles, HALF frequencies across, TILE frequencies down]``.

    As products of matrices, which for 16 places is several times faster than a fast Fourier transform.
    """
    cosine, sine = _waves()
    rows = tiles.reshape(-1, TILE) @ np.concatenate([cosine[:, :HALF], -sine[:, :HALF]], 1)
    across = rows.reshape(-1, TILE, 2 * HALF).transpose(0, 2, 1).reshape(-1, TILE)
    down = (across @ np.concatenate([cosine, -sine], 1)).reshape(-1, 2, HALF, 2, TILE)
    return down[:, 0, :, 0] - down[:, 1, :, 1], down[:, 0, :, 1] + down[:, 1, :, 0]


def _picture(real: Array, imaginary: Array) -> Array:
    """Transform back; the frequencies that `_spectrum` leaves out mirror those it has."""
    cosine, sine = _waves()
    both = np.concatenate([real, imaginary], 1).reshape(-1, TILE)
    down = (both @ np.concatenate([cosine, sine], 1)).reshape(-1, 2, HALF, 2, TILE)
    parts = np.concatenate([down[:, 0, :, 0] - down[:, 1, :, 1], down[:, 0, :, 1] + down[:, 1, :, 0]], 1)
    weights = np.full((HALF, 1), 2.0, np.float32)
    weights[[0, -1]] = 1.0
    back = np.concatenate([weights * cosine[:HALF], -weights * sine[:HALF]]) / np.float32(TILE * TILE)
    across: Array = parts.transpose(0, 2, 1).reshape(-1, 2 * HALF) @ back
    return across.reshape(-1, TILE, TILE)


def _add(target: Array, tiles: Array) -> None:
    """Add half overlapping tiles ``[rows, columns, TILE, TILE]`` to ``[(rows + 1) * half, (columns + 1) * half]``."""
    half, (rows, columns) = TILE // 2, tiles.shape[:2]
    for top in (0, 1):
        for left in (0, 1):
            part = tiles[:, :, top * half : top * half + half, left * half : left * half + half]
            plane = part.transpose(0, 2, 1, 3).reshape(rows * half, columns * half)
            target[top * half : top * half + rows * half, left * half : left * half + columns * half] += plane
