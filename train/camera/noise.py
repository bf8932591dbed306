"""Shot and read noise in linear light: ``variance = read_std^2 + shot_std^2 * signal`` (Mildenhall et al.)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts import NoiseLevel

Array = NDArray[np.float32]


def _level(log_read: float, log_slope: float) -> NoiseLevel:
    """Return the level with these decimal logarithms of the read deviation and of the shot variance per signal."""
    return NoiseLevel(10**log_read, 10 ** (log_slope / 2))


_LOGS: Mapping[int, tuple[float, float]] = MappingProxyType(
    {1: (-2.2, -2.6), 2: (-1.8, -2.2), 4: (-1.44, -1.8), 8: (-1.07, -1.5)}
)
GAINS: Mapping[int, NoiseLevel] = MappingProxyType({gain: _level(*logs) for gain, logs in _LOGS.items()})
"""Noise at the four gains of the KPN test set (values as in goutamgmb/deep-rep; the paper prints them rounded).

The paper's training range ends below gain 8: its test there is one of extrapolation.
"""

TRAINING_STOPS = (-0.4, 3.4)
"""Stops above gain 1 between which our own training draws; it holds all four gains."""


def at_stops(stops: float) -> NoiseLevel:
    """Return the noise at ``2^stops`` times the light of gain 1: a line through the logarithms of `GAINS`, continued.

    Outside 0..3 both logarithms go on by the slope 0.4 per stop towards less noise, and 0.37 and 0.3 towards more.
    """
    places = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
    known = [(-2.6, -3.0), *_LOGS.values(), (-0.7, -1.2)]
    logs = [float(np.interp(stops, places, [pair[axis] for pair in known])) for axis in (0, 1)]
    return _level(logs[0], logs[1])


def draw_near_gains(rng: np.random.Generator, spread: float = 0.08) -> NoiseLevel:
    """Draw a level near the line through the gains: stops U(-0.4, 3.4), both logarithms changed by N(0, `spread`)."""
    level = at_stops(float(rng.uniform(*TRAINING_STOPS)))
    read, shot = 10 ** rng.normal(0, spread), 10 ** (rng.normal(0, spread) / 2)
    return NoiseLevel(min(level.read_std * read, 1.0), min(level.shot_std * shot, 1.0))


def draw_paper(rng: np.random.Generator) -> NoiseLevel:
    """Draw as the KPN paper trains: log10 read U(-3, -1.5), log10 shot U(-2, -1), independently (kpn_train.py)."""
    return NoiseLevel(10 ** rng.uniform(-3, -1.5), 10 ** rng.uniform(-2, -1))


def draw_unprocessing(rng: np.random.Generator) -> NoiseLevel:
    """Draw as Brooks et al. 2019 train: variances, natural logarithms.

    ``log shot ~ U(log 1e-4, log 0.012)``, ``log read = 2.18 log shot + 1.20 + N(0, 0.26)``.
    """
    shot = rng.uniform(math.log(1e-4), math.log(0.012))
    read = 2.18 * shot + 1.20 + rng.normal(0, 0.26)
    return NoiseLevel(math.exp(read / 2), math.exp(shot / 2))


def add(clean: Array, level: NoiseLevel, rng: np.random.Generator) -> Array:
    """Add noise to linear light of any shape: Gaussian of the model's variance, neither clipped nor rounded.

    The papers draw shot and read noise apart; their sum has this distribution.
    """
    result: Array = clean + level.deviation(clean) * rng.standard_normal(clean.shape, dtype=np.float32)
    return result
