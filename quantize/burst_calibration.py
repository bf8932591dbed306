"""Choose the bursts on which activation ranges are measured: by gain, motion and exposure, as many of each.

A network that denoises sees numbers of another size at every gain, and its kernels change where frames do not fit: a
set of one gain would cut off the ranges of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from viewfinder import golden, strata
from viewfinder.bursts import Burst, NoiseLevel, align, reading
from viewfinder.quantize.calibration import MOST_CANDIDATES, in_turn, require_some, spaced
from viewfinder.recipe import CalibrationSet

DEFAULT_NAME = "bursts of scikit-image photographs at -2, 0 and +1 stops, all gains, both kinds of motion"
GAINS = (1, 2, 4, 8)
MOTIONS = (strata.SMALL, strata.LARGE)
LARGEST_SIDE = 512
"""Pixels of a recorded burst that are taken of its middle, along each axis: a tile."""
STILL = 2.5
"""Measured pixels up to which motion is small: 2 (`viewfinder.strata.DEFINITIONS`), and what an estimate may err."""
Cell = tuple[int, str, str]
"""Gain, motion and exposure."""


@dataclass(frozen=True)
class BurstSample:
    """One calibration burst, of one plane; it is made or read when it is needed."""

    name: str
    gain: int
    motion: str
    exposure: str
    read: Callable[[], Burst]

    @property
    def cell(self) -> Cell:
        """Return all that the set is balanced by."""
        return self.gain, self.motion, self.exposure

    @property
    def kinds(self) -> tuple[str, ...]:
        """List its strata."""
        return tuple(strata.stratum(name, value) for name, value in zip(_NAMES, self.cell, strict=True))


_NAMES = (strata.GAIN, strata.MOTION, strata.EXPOSURE)
CELLS: tuple[Cell, ...] = tuple((GAINS[k % 4], MOTIONS[k // 4 % 2], strata.EXPOSURES[k % 3]) for k in range(24))
"""Every gain with every motion and exposure; the first 4 have all gains and exposures, the first 8 both motions."""


def choose(samples: Sequence[BurstSample], name: str, count: int) -> tuple[list[BurstSample], CalibrationSet]:
    """Take at most `count` bursts, cells in turn as far as they go round; describe the choice.

    Args:
        samples: in an order that does not change.
        name: of the set, for people.
        count: at least 1.
    """
    require_some(count)
    groups: dict[Cell, list[BurstSample]] = {cell: [] for cell in CELLS}
    for sample in samples:
        groups[sample.cell].append(sample)
    # From different photographs: the first of all cells would show the same one.
    turned = [
        group[place % len(group) :] + group[: place % len(group)] if group else []
        for place, group in enumerate(groups.values())
    ]
    taken = list(in_turn(turned))[:count]
    kinds = [
        strata.stratum(kind, value)
        for kind, values in zip(_NAMES, (GAINS, MOTIONS, strata.EXPOSURES), strict=True)
        for value in values
    ]
    counts = {kind: sum(kind in sample.kinds for sample in taken) for kind in kinds}
    return taken, CalibrationSet(name, _digest(taken), len(taken), counts)


def _digest(samples: Sequence[BurstSample]) -> str:
    """Hash names, noise and frames in order."""
    total = hashlib.sha256()
    for sample in samples:
        burst = sample.read()
        own = hashlib.sha256(np.ascontiguousarray(burst.frames).tobytes()).hexdigest()
        noise = f"{burst.noise.read_std!r} {burst.noise.shot_std!r}"
        total.update(f"{sample.name} {noise} {burst.frames.shape} {own}\n".encode())
    return total.hexdigest()


def recorded(path: Path) -> list[Path]:
    """List the bursts in a folder: folders of frames, raw files and archives; empty where it holds photographs."""
    listed = sorted(path.iterdir()) if path.is_dir() else [path]
    return [one for one in listed if reading.is_burst(one)]


def from_files(paths: Sequence[Path], levels: Mapping[int, NoiseLevel], count: int) -> list[BurstSample]:
    """Describe recorded bursts: their gain is the one whose noise is nearest, their motion and exposure are measured.

    Args:
        paths: of `recorded`; evenly spaced ones of many are looked at.
        levels: noise at each of `GAINS`.
        count: how many will be taken.

    Raises:
        BadBurstError: one that cannot be read.
    """
    found = []
    for number, path in enumerate(spaced(paths, count * MOST_CANDIDATES)):
        burst = _middle(path, number)
        gain = min(levels, key=lambda one: _distance(levels[one], burst.noise))
        moved = align.shifts(burst.frames[..., 0], burst.noise)
        far = max(abs(step) for motion in moved for step in motion.shift)
        motion = strata.SMALL if far <= STILL else strata.LARGE
        exposure = strata.exposure(golden.shown(burst))
        read = lambda path=path, number=number: _middle(path, number)  # noqa: E731 it keeps no frames in memory
        found.append(BurstSample(path.name, gain, motion, exposure, read))
    return found


def _middle(path: Path, number: int) -> Burst:
    """Read the middle of one plane of a recorded burst, the planes in turn; noise that nobody says is measured."""
    frames = reading.read(path, reading.Known(estimate=True))
    plane = frames.plane(number % frames.planes)
    top, left = (max(0, (side - LARGEST_SIDE) // 2) for side in plane.shape[1:])
    part = plane[:, top : top + LARGEST_SIDE, left : left + LARGEST_SIDE]
    assert frames.noise is not None  # it was to be measured
    return Burst(np.ascontiguousarray(part[..., None]), frames.noise, name=path.name)


def _distance(level: NoiseLevel, other: NoiseLevel) -> float:
    """Return how far two noise levels are from each other, in logarithms; black is compared as a tiny deviation."""
    pairs = ((level.read_std, other.read_std), (level.shot_std, other.shot_std))
    return sum(float(np.log(max(one, _TINY) / max(two, _TINY))) ** 2 for one, two in pairs)


_TINY = 1e-4
