"""Kinds of samples that a number is also given for alone: what a mean over all of them can hide.

A photograph has one stratum, its exposure. A sample made with noise says its own: its noise level, and a burst how its
frames move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
GAIN, MOTION, SIGMA = "gain", "motion", "sigma"
SMALL, LARGE = "small", "large"
"""Of motion."""
DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        EXPOSURE: "median Rec. 601 luma of the input in display light, 0..1: dark below "
        f"{DARK}, bright above {BRIGHT}, mid between; "
        f"taken on every n-th row and column, n the smallest that leaves at most {MOST_PIXELS} pixels",
        GAIN: "sensor gain whose read and shot noise a synthetic burst has, after Mildenhall et al. 2018: 1, 2, 4 or 8",
        MOTION: "how far the frames of a synthetic burst lie from its first along each axis: small, all within 2 "
        "pixels; large, up to 16",
        SIGMA: "standard deviation of the white Gaussian noise added to a photograph, in 8-bit codes",
    }
)
"""What each kind of stratum is, to stand beside the numbers."""

Strata = Mapping[str, str | Sequence[str]]
"""Name of a sample to its stratum, or to several: a burst has a gain and a motion."""


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


def stratum(kind: str, value: object) -> str:
    """Write a stratum as it stands in reports: ``gain=4``."""
    return f"{kind}={value}"


def named(strata: Strata, name: str) -> tuple[str, ...]:
    """Return the strata of one sample; none if it is not known."""
    found = strata.get(name, ())
    return (found,) if isinstance(found, str) else tuple(found)


def means(samples: Mapping[str, float], strata: Strata) -> dict[str, float]:
    """Average the numbers of samples, by name, over each stratum that has some; ordered by the stratum's name."""
    groups: dict[str, list[float]] = {}
    for name, value in samples.items():
        for one in named(strata, name):
            groups.setdefault(one, []).append(value)
    return {stratum: float(np.mean(groups[stratum])) for stratum in sorted(groups)}


def counts(strata: Strata) -> dict[str, int]:
    """Count the samples of each stratum, ordered by its name."""
    listed = [one for name in strata for one in named(strata, name)]
    return {one: listed.count(one) for one in sorted(set(listed))}
