"""Charts that show what a photograph and a PSNR hide: one probe per module, its file name is its name.

A probe draws a chart in display light, and measures what an artifact makes of it beside what float makes of it. Each
number has a limit and the reason for it. A model that a PSNR gate passes can still band, tint, ring or show seams.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import UsageError

Picture = NDArray[np.float32]
"""``[H, W, 3]`` in display light, 0..1."""
CODES = np.float32(255)
"""One code of 8 bits is 1 / 255: what a viewer's file holds."""
PREFIX = "probe_"


@dataclass(frozen=True)
class Quantity:
    """What a probe measures: unit, exact definition, and why its limit is what it is."""

    title: str
    unit: str
    definition: str
    limit_reason: str


@dataclass(frozen=True)
class Borders:
    """Where an artifact's strips, tiles and cells meet: the first row or column behind each border."""

    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A chart, and what float and the artifact make of it, all in display light; outputs may be larger by a factor."""

    chart: Picture
    float_output: Picture
    output: Picture
    borders: Borders = field(default_factory=Borders)


@dataclass(frozen=True)
class Found:
    """One number with its limits; `said` adds to the limit's reason what float itself gives."""

    value: float
    minimum: float | None = None
    maximum: float | None = None
    per_sample: Mapping[str, float] = field(default_factory=dict)
    said: str = ""


class Probe(Protocol):
    """A module in this folder.

    Attributes:
        TITLE: the chart's name for people.
        LOOKS_FOR: one sentence: what goes wrong in pictures, and how it shows on this chart.
        QUANTITIES: what it measures, by name.
        PROFILE: whether a row of the picture is worth drawing as a curve.
        BORDERS: whether the chart has to be so large that the artifact computes it in several pieces.
    """

    TITLE: str
    LOOKS_FOR: str
    QUANTITIES: Mapping[str, Quantity]
    PROFILE: bool
    BORDERS: bool

    def chart(self, height: int, width: int, /) -> Picture:
        """Draw the chart."""

    def measure(self, seen: Seen, /) -> Mapping[str, Found]:
        """Measure every one of `QUANTITIES`."""


def names() -> list[str]:
    """List the probes, as on the command line."""
    found = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return sorted(name.replace("_", "-") for name in found)


def load(name: str) -> Probe:
    """Import a probe.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in names():
        raise UsageError(f"there is no probe {name!r}", f"choose among: {', '.join(names())}", code="no-such-probe")
    return cast("Probe", importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))


def metric(probe: str, quantity: str) -> str:
    """Name a measurement, e.g. ``probe_shadow_ramp_levels``."""
    return f"{PREFIX}{probe.replace('-', '_')}_{quantity}"
