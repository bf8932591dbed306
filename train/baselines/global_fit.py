"""Global baselines: one 3x4 colour matrix and one curve per channel for all pictures, fitted on training pairs.

An operator that these imitate well needs no network. Values are display-referred sRGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.train.baselines.bilateral_upsampling import with_one
from viewfinder.train.operators.pyramid import Array
from viewfinder.train.pairs import Pair

CURVE_KNOTS = 33
PIXELS_PER_PICTURE = 1024
"""Pixels that a fit reads from each training picture."""


@dataclass(frozen=True)
class GlobalFit:
    """One colour matrix and one curve per channel for every picture, in either order."""

    matrix: NDArray[np.float64]
    """``[4, 3]``, applied to red, green, blue, 1."""
    curves: NDArray[np.float64] | None
    """``[CURVE_KNOTS, 3]``, values at equal steps over 0..1; None for the matrix alone."""
    curve_first: bool = False

    def __call__(self, image: Array) -> Array:
        """Apply to ``[H, W, 3]``; the result is clipped to 0..1."""
        pixels: NDArray[Any] = image.reshape(-1, 3).astype(np.float64)
        if self.curves is not None and self.curve_first:
            pixels = _look_up(pixels, self.curves)
        pixels = with_one(pixels) @ self.matrix
        if self.curves is not None and not self.curve_first:
            pixels = _look_up(pixels, self.curves)
        result: Array = np.clip(pixels, 0, 1).astype(np.float32).reshape(image.shape)
        return result


def _look_up(pixels: NDArray[np.float64], curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Send every channel of ``[N, 3]`` through its curve; values outside 0..1 meet the curve's ends."""
    knots = np.linspace(0, 1, len(curves))
    return np.stack([np.interp(pixels[:, channel], knots, curves[:, channel]) for channel in range(3)], 1)


def _fit_matrix(pixels: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the ``[4, 3]`` matrix that brings pixels ``[N, 3]`` nearest to targets ``[N, 3]``."""
    return np.asarray(np.linalg.lstsq(with_one(pixels), targets, rcond=None)[0], np.float64)


def _fit_curve(values: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a piecewise-linear curve to ``[N]`` values; a trace of smoothness decides where no value falls."""
    place = np.clip(values, 0, 1) * (CURVE_KNOTS - 1)
    lower = np.minimum(place.astype(np.int64), CURVE_KNOTS - 2)
    upper_weight = place - lower
    weights = (1 - upper_weight, upper_weight)
    bend = np.diff(np.eye(CURVE_KNOTS), 2, axis=0)
    normal: NDArray[Any] = 1e-6 * bend.T @ bend * len(values)
    right = np.zeros(CURVE_KNOTS)
    for i, first in enumerate(weights):
        right += np.bincount(lower + i, first * targets, CURVE_KNOTS)
        for j, second in enumerate(weights):
            sums = np.bincount(lower, first * second, CURVE_KNOTS)[:-1]
            normal[np.arange(CURVE_KNOTS - 1) + i, np.arange(CURVE_KNOTS - 1) + j] += sums
    curve: NDArray[np.float64] = np.linalg.solve(normal, right)
    return curve


def _fit_curves(pixels: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a curve to every channel of pixels ``[N, 3]``; returns ``[CURVE_KNOTS, 3]``."""
    return np.stack([_fit_curve(pixels[:, channel], targets[:, channel]) for channel in range(3)], 1)


def fit_globals(pairs: Sequence[Pair], seed: int = 0) -> dict[str, GlobalFit]:
    """Fit the three global baselines to training pairs, by name."""
    rng, images, truths = np.random.default_rng(seed), [], []
    for number in range(len(pairs)):
        pair = pairs[number]
        where = rng.integers(0, pair.image.shape[0] * pair.image.shape[1], PIXELS_PER_PICTURE)
        images.append(pair.image.reshape(-1, 3)[where] / 255)
        truths.append(pair.target.reshape(-1, 3)[where].astype(np.float64))
    pixels, targets = np.concatenate(images), np.concatenate(truths)
    matrix, curves = _fit_matrix(pixels, targets), _fit_curves(pixels, targets)
    after = _fit_curves(with_one(pixels) @ matrix, targets)
    before = _fit_matrix(_look_up(pixels, curves), targets)
    return {
        "affine": GlobalFit(matrix, None),
        "affine_then_curve": GlobalFit(matrix, after),
        "curve_then_affine": GlobalFit(before, curves, curve_first=True),
    }
