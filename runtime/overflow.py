"""Does an artifact survive values that are too large for half precision, and how does it fail if not?

The pictures that a graph is fed with are multiplied by `SCALE`. Float32 computes on; half precision, which ends at
65504, gives infinities and NaN in some runtimes and the largest number in others (the HTP of a Snapdragon), where a
search for NaN finds nothing. A real picture never is that bright: the probe stands for activations that grow inside a
network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile

SCALE = 1e5
LIMIT_DB = 20.0
"""An error of a tenth of the signal; what overflows is off by far more."""
CAP_DB = 120.0
ENDS = (65504.0, 2.0**17)
"""Where values stop: half precision's largest, and an HTP's: a strip of HDRNet gave 1.31e5 where float gave 1.98e5."""
NEAR = 0.01
"""Of an end, what counts as there: rounding behind it moves a value by a step of half precision, a thousandth."""
NONFINITE, SATURATE, INEXACT, SOUND = "nonfinite", "saturate", "inexact", "-"
DEFINITION = (
    "10 log10(sum(a^2) / sum((a - b)^2)) over a graph's outputs, a from float, b from the artifact, both fed with a "
    f"photograph's values times {SCALE:g}; -{CAP_DB:g} where b is not finite, at most {CAP_DB:g}; the least of all "
    "graphs"
)


@dataclass(frozen=True)
class Found:
    """What came out of one graph.

    Attributes:
        signature: `NONFINITE`, `SATURATE` (finite, and less than half as large as it should be, or ends `NEAR` one of
            `ENDS`), `INEXACT` or `SOUND`.
        sqnr_db: as in `DEFINITION`.
        not_finite: share of values that are NaN or infinite, 0..1.
        largest, expected: largest absolute value, of the finite ones, and what float gives.
    """

    graph: str
    signature: str
    sqnr_db: float
    not_finite: float
    largest: float
    expected: float

    def __str__(self) -> str:
        """Say it."""
        share = f", {100 * self.not_finite:.3g} % not finite" if self.not_finite else ""
        return f"{self.graph}: {self.signature} (largest value {self.largest:.4g}, float {self.expected:.4g}{share})"


def enlarged(graph: GraphFile, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Multiply the pictures among a graph's inputs, those with a colour space; the others stay."""
    pictures = {spec.name for spec in graph.inputs if spec.colour_space}
    return {
        name: (one * np.float32(SCALE)).astype(one.dtype) if name in pictures else one for name, one in feeds.items()
    }


def brightest(graph: GraphFile, fed: Sequence[Mapping[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    """Choose the inputs with the largest value in a picture: black stays black however much it is enlarged."""
    pictures = [spec.name for spec in graph.inputs if spec.colour_space]
    return max(fed, key=lambda one: max((float(one[name].max()) for name in pictures), default=0.0))


def compared(graph: str, expected: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> Found:
    """Compare the outputs of one graph."""
    own = np.concatenate([np.asarray(one, np.float64).ravel() for one in expected.values()])
    other = np.concatenate([np.asarray(found[name], np.float64).ravel() for name in expected])
    finite = np.isfinite(other)
    largest = float(np.abs(other[finite]).max()) if finite.any() else math.inf
    most = float(np.abs(own).max())
    missing = float(1 - finite.mean())
    ratio = _ratio_db(own, other) if missing == 0 else -CAP_DB
    if missing:
        signature = NONFINITE
    elif ratio >= LIMIT_DB:
        signature = SOUND
    else:
        stopped = any(end < most and abs(largest - end) <= NEAR * end for end in ENDS)
        signature = SATURATE if stopped or largest < most / 2 else INEXACT
    return Found(graph, signature, ratio, missing, largest, most)


def _ratio_db(own: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the ratio of signal to error in dB."""
    error, signal = float(np.square(own - other).sum()), float(np.square(own).sum())
    if error == 0:
        return CAP_DB
    return max(-CAP_DB, min(CAP_DB, 10 * math.log10(signal / error))) if signal else -CAP_DB
