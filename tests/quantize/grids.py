"""Inputs for the coefficient network of the small HDRNet, and how near two artifacts' grids are."""

from __future__ import annotations

import functools

import numpy as np
from tests.export.networks import SMALL

from viewfinder import photos
from viewfinder.artifact import Artifact
from viewfinder.quantize import calibration
from viewfinder.runtime import engines


@functools.cache
def feeds() -> tuple[dict[str, np.ndarray], ...]:
    """Squeeze the default calibration pictures, once; nobody writes into them."""
    squeezed = (photos.squeeze(sample.read(), SMALL.lowres) for sample in calibration.default())
    return tuple({"lowres": np.ascontiguousarray(one.transpose(2, 0, 1)[None])} for one in squeezed)


def grid(made: Artifact, feed: dict[str, np.ndarray]) -> np.ndarray:
    """Run the coefficient network of an artifact."""
    graph = made.graphs[0]
    return engines.for_format(made.format).open(made.path(graph), graph, 1)(feed)["grid"]


def snr(done: Artifact, parent: Artifact) -> float:
    """Worst signal-to-noise ratio in dB of the grids of two artifacts, over some of the pictures."""
    ratios = []
    for feed in feeds()[::4]:
        reference = grid(parent, feed).astype(np.float64)
        error = np.mean((grid(done, feed) - reference) ** 2)
        ratios.append(10 * np.log10(np.mean(reference**2) / max(error, 1e-30)))
    return float(min(ratios))
