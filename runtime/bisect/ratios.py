"""Signal-to-noise ratios of tensors, summed up run by run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from viewfinder.runtime.bisect import Array

CAP_DB = 120.0
"""Above it two tensors count as equal: the rounding of float32."""


@dataclass
class Sums:
    """What a tensor's numbers are made of, summed over everything that was fed."""

    signal: float = 0.0
    error: float = 0.0
    count: int = 0
    low: float = math.inf
    high: float = -math.inf
    largest: float = 0.0
    least_power: float = 0.0
    """Mean square that the signal counts as at least."""

    def add(self, own: Array, other: Array) -> None:
        """Add one comparison; values that are not finite count as an error without bound."""
        difference = np.subtract(own, other, dtype=np.float64)
        self.signal += float(np.sum(np.square(own, dtype=np.float64)))
        self.error += float(np.sum(np.square(difference))) if np.isfinite(difference).all() else math.inf
        self.count += own.size
        self.low, self.high = min(self.low, float(own.min())), max(self.high, float(own.max()))
        self.largest = max(self.largest, float(np.abs(difference).max()))

    @property
    def sqnr_db(self) -> float:
        """As in `parting.DEFINITION`; -120 where nothing is left of the signal, or it is not finite."""
        return _db(max(self.signal, self.least_power * self.count), self.error)

    @property
    def psnr_db(self) -> float:
        """The same with the range of float's values squared in the place of the signal."""
        return _db((self.high - self.low) ** 2 * self.count, self.error)


def _db(signal: float, error: float) -> float:
    """Return a ratio in dB, between -`CAP_DB` and `CAP_DB`."""
    if error == 0:
        return CAP_DB
    if signal == 0 or not math.isfinite(error):
        return -CAP_DB
    return max(-CAP_DB, min(CAP_DB, 10 * math.log10(signal / error)))
