"""Display light and linear light: sRGB's transfer function (IEC 61966-2-1), and charts in a network's own space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact
from viewfinder.runtime.probes import Picture


def to_display(linear: NDArray[Any]) -> NDArray[Any]:
    """Encode linear light 0..1 as sRGB codes 0..1; values outside are clipped."""
    clipped = np.clip(linear, 0, 1)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055).astype(clipped.dtype)


def to_linear(display: NDArray[Any]) -> NDArray[Any]:
    """Decode sRGB codes 0..1 to linear light 0..1."""
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4).astype(display.dtype)


def is_linear(artifact: Artifact, kind: str) -> bool:
    """Tell whether the artifact's ``inputs`` or ``outputs`` are pictures in linear light, by their colour space."""
    spaces = [spec.colour_space for graph in artifact.graphs for spec in getattr(graph, kind) if spec.colour_space]
    return any("linear" in space.lower() for space in spaces)


def as_input(artifact: Artifact, chart: Picture) -> Picture:
    """Bring a chart from display light into what the artifact's network takes."""
    return to_linear(chart) if is_linear(artifact, "inputs") else chart


def as_seen(artifact: Artifact, output: Picture) -> Picture:
    """Bring an output into display light: levels count where a viewer sees them, after any gain in the shadows."""
    return to_display(output) if is_linear(artifact, "outputs") else output
