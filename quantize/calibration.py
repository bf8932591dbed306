"""Choose the pictures on which activation ranges are measured, name them, and say which kinds are missing.

The default set comes from scikit-image, which the package needs anyway: photographs that no result here is judged on
(reports judge on the demo photographs, model cards on gb82 and CBSD68). Each is taken at three exposures, because four
daylight photographs alone would leave the ranges of night pictures to chance.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from viewfinder import photos, strata
from viewfinder.errors import CheckFailedError, UsageError
from viewfinder.recipe import CalibrationSet

Item = TypeVar("Item")
DEFAULT_NAME = "scikit-image photographs at -2, 0 and +1 stops"
DEFAULT_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
STOPS = (-2, 0, 1)
DEFAULT_SAMPLES = 24
MOST_CANDIDATES = 8
"""Pictures looked at per picture taken: in a large folder, evenly spaced ones."""
_GAMMA = 2.2
"""Of display light, near enough to move a picture by whole stops."""


class CoverageError(CheckFailedError):
    """The calibration set leaves out a kind of picture."""

    code = "calibration-coverage"


@dataclass(frozen=True)
class Sample:
    """One calibration picture; its pixels ``[H, W, 3]`` uint8 or uint16 are read when they are needed."""

    name: str
    read: Callable[[], NDArray[Any]]


def default() -> list[Sample]:
    """List the pictures of the default set."""
    return [
        Sample(f"{name} {stops:+d}", lambda name=name, stops=stops: _exposed(name, stops))  # type: ignore[misc]
        for name in DEFAULT_PHOTOS
        for stops in STOPS
    ]


def _exposed(name: str, stops: int) -> NDArray[np.uint8]:
    """Read a photograph of scikit-image and expose it differently, in linear light."""
    from skimage import data

    pixels = np.asarray(getattr(data, name)())
    light = (pixels.astype(np.float32) / 255) ** _GAMMA * 2.0**stops
    shown: NDArray[np.uint8] = np.rint(light.clip(0, 1) ** (1 / _GAMMA) * 255).astype(np.uint8)
    return shown


def from_folder(path: Path) -> list[Sample]:
    """List the photographs at or below `path`.

    Raises:
        UsageError: there is none.
    """
    root = path if path.is_dir() else path.parent
    return [
        Sample(file.relative_to(root).as_posix(), lambda file=file: photos.read(file).pixels)  # type: ignore[misc]
        for file in photos.find([path])
    ]


def choose(samples: Sequence[Sample], name: str, count: int) -> tuple[list[Sample], CalibrationSet]:
    """Take at most `count` pictures, the same number of every kind as far as they go round; describe the choice.

    Args:
        samples: in an order that does not change.
        name: of the set, for people.
        count: at least 1.
    """
    require_some(count)
    kinds = {f"{strata.EXPOSURE}={kind}": list[Sample]() for kind in strata.EXPOSURES}
    for sample in spaced(samples, count * MOST_CANDIDATES):
        kinds[strata.of(sample.read())].append(sample)
    taken = list(in_turn([spaced(group, count) for group in kinds.values()]))[:count]
    names = {sample.name for sample in taken}
    counts = {kind: sum(sample.name in names for sample in group) for kind, group in kinds.items()}
    return taken, CalibrationSet(name, _digest(taken), len(taken), counts)


def require_some(count: int) -> None:
    """Refuse a set of nothing."""
    if count < 1:
        raise UsageError(f"{count} calibration samples", "give at least 1")


def spaced(samples: Sequence[Item], count: int) -> list[Item]:
    """Take at most `count`, evenly spaced."""
    if len(samples) <= count:
        return list(samples)
    return [samples[index * len(samples) // count] for index in range(count)]


def in_turn(groups: Iterable[Sequence[Item]]) -> Iterator[Item]:
    """Yield the first of every group, then the second of every group that has one, and so on."""
    listed = [list(group) for group in groups]
    for index in range(max(map(len, listed), default=0)):
        yield from (group[index] for group in listed if index < len(group))


def _digest(samples: Iterable[Sample]) -> str:
    """Hash names and pixels in order."""
    total = hashlib.sha256()
    for sample in samples:
        pixels = np.ascontiguousarray(sample.read())
        own = hashlib.sha256(pixels.tobytes()).hexdigest()
        total.update(f"{sample.name} {pixels.dtype} {pixels.shape} {own}\n".encode())
    return total.hexdigest()


def require_coverage(chosen: CalibrationSet, least: float) -> None:
    """Refuse a set that leaves out more kinds of pictures than allowed.

    Raises:
        CoverageError: it does; the message names them.
    """
    if chosen.coverage < least:
        held = len(chosen.strata) - len(chosen.missing)
        raise CoverageError(
            f"the calibration set {chosen.name!r} covers {held} of {len(chosen.strata)} strata, less than {least:.0%}: "
            f"it has no picture of {', '.join(chosen.missing)}",
            # Rounded down: two thirds are less than 0.67.
            "add such pictures, or accept ranges that never saw them with --min-coverage "
            f"{math.floor(chosen.coverage * 100) / 100:.2f}",
        )
