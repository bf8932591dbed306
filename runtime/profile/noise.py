"""The noise floor of a profile, from A/A runs: how far two measurements of one and the same artifact lie apart.

Every process of a graph is a run of its own. The processes are halved in every way; each pair of halves is two
measurements of the same thing, and the largest difference of their medians is what a comparison has to exceed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations, islice

import numpy as np

_PROCESS = re.compile(r"process (\d+) run \d+")
_MOST_WAYS = 500
"""Of halving; ten processes have 252."""


def floor(processes: Sequence[Sequence[float]]) -> float:
    """Return the largest difference of the medians of two halves, relative to the smaller; infinite for one process."""
    if len(processes) < 2:
        return float("inf")
    everything, most = range(len(processes)), 0.0
    for half in islice(combinations(everything, len(processes) // 2), _MOST_WAYS):
        sides = half, tuple(set(everything) - set(half))
        medians = [float(np.median(np.concatenate([processes[at] for at in side]))) for side in sides]
        most = max(most, max(medians) / max(min(medians), 1e-9) - 1)
    return most


def by_process(samples: Mapping[str, float]) -> list[list[float]]:
    """Sort the samples of a measurement into its processes."""
    found: dict[str, list[float]] = {}
    for name, value in samples.items():
        if match := _PROCESS.fullmatch(name):
            found.setdefault(match[1], []).append(value)
    return list(found.values())
