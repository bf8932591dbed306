"""Kinds of photographs that a number is also given for alone: what a mean over all of them can hide."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPOSURE = "exposure"
EXPOSURES = ("dark", "mid", "bright")
DARK, BRIGHT = 0.25, 0.55
"""Median lumas, in display codes of 0..1: 0.25 is 5 % of white's light, two stops below a grey card; 0.55 is 26 %."""
LUMA = (0.299, 0.587, 0.114)
"""Rec. 601 weights of R', G', B'."""
MOST_PIXELS = 250_000
DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        EXPOSURE: "median Rec. 601 luma of the input in display light, 0..1: dark below "
        f"{DARK}, bright above {BRIGHT}, mid between; "
        f"taken on every n-th row and column, n the smallest that leaves at most {MOST_PIXELS} pixels"
    }
)
"""What each kind of stratum is, to stand beside the numbers."""


def exposure(pixels: NDArray[Any]) -> str:
    """Return ``dark``, ``mid`` or ``bright``, as `DEFINITIONS` says, for ``[H, W, 3]`` in codes or floats of 0..1."""
    step = max(1, int(np.ceil(np.sqrt(pixels.shape[0] * pixels.shape[1] / MOST_PIXELS))))
    lattice = pixels[::step, ::step]
    white = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1
    median = float(np.median(lattice.astype(np.float32) @ np.array(LUMA, np.float32))) / white
    return "dark" if median < DARK else "bright" if median > BRIGHT else "mid"


def of(pixels: NDArray[Any]) -> str:
    """Return the stratum of a photograph as it stands in reports, e.g. ``exposure=dark``."""
    return f"{EXPOSURE}={exposure(pixels)}"


def means(samples: Mapping[str, float], strata: Mapping[str, str]) -> dict[str, float]:
    """Average the numbers of photographs, by name, over each stratum that has some; ordered by the stratum's name."""
    groups: dict[str, list[float]] = {}
    for name, value in samples.items():
        if name in strata:
            groups.setdefault(strata[name], []).append(value)
    return {stratum: float(np.mean(groups[stratum])) for stratum in sorted(groups)}
