"""The burst benchmark: the same synthetic bursts of held-out photographs every time, PSNR as the KPN paper has it.

Bursts follow Mildenhall et al. 2018 (`viewfinder.train.camera`): 8 grey frames reduced by 4, shifts up to 2 pixels and,
for unsteady frames, 16; noise of the gains 1, 2, 4 and 8. PSNR is taken after sRGB's curve, clipped to 0..1, without 8
pixels at the borders, and averaged over the photographs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viewfinder import photos
from viewfinder.train.baselines.burst_denoising import GRIDS, RUN, Case
from viewfinder.train.camera import noise, tone
from viewfinder.train.camera.synthesis import SyntheticBurst, synthesise
from viewfinder.train.scores import Scores, psnr_db

Array = NDArray[np.float32]
Denoiser = Callable[[Case], Array]
"""Makes linear light ``[H, W]`` of a burst."""

Table = dict[str, dict[str, Scores]]
"""Scores by gain (as text, for JSON) and method."""

SEED = 20180618
"""Of every burst, with its gain and its photograph's name."""

BORDER = 8
"""Pixels that PSNR leaves out at every side."""

STEADY_REACH = 2.0
"""Pixels up to which no frame of a burst has moved, for its motion class to be "steady"."""

TUNING_STEP, TUNING_FIRST, TUNING_COUNT = 72, 7, 6
"""Which photographs of a folder tune the classical methods: every 72nd, sorted by name, 6 at most."""

DEFINITION = (
    "PSNR in dB after the sRGB curve, clipped to 0..1, 8 pixels off at the borders, grey, mean over photographs; "
    "bursts of 8 frames, reduced by 4, synthesised as in Mildenhall et al. 2018 with the noise of its gains"
)


def pictures(folder: Path) -> list[Path]:
    """List the photographs of a folder; where some are called ``..._truth``, these alone (results lie beside them)."""
    found = photos.find([folder])
    truths = [path for path in found if path.stem.endswith("_truth")]
    return truths or found


def burst_of(photo: Path, gain: int) -> SyntheticBurst:
    """Make the benchmark's burst of a photograph at a gain: 1, 2, 4 or 8."""
    seed = (SEED, gain, zlib.crc32(photo.stem.encode()))
    return synthesise(photos.read(photo).display(), noise.GAINS[gain], seed, grey=True)


def case_of(burst: SyntheticBurst) -> Case:
    """Return what a method may know of a burst: the frames and their true noise."""
    return Case(burst.frames[..., 0], burst.level)


def motion_class(burst: SyntheticBurst) -> str:
    """Return ``steady`` or ``unsteady``: whether a frame moved by more than `STEADY_REACH`."""
    return "steady" if np.abs(burst.shifts).max() <= STEADY_REACH else "unsteady"


def quality_db(made: Array, truth: Array) -> float:
    """PSNR of linear light ``[H, W]`` after sRGB's curve, clipped, without `BORDER`."""
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return psnr_db(tone.srgb_curve(made[inner]), tone.srgb_curve(truth[inner]))


def measure(paths: Sequence[Path], methods: Mapping[str, Callable[[int], Denoiser]]) -> Table:
    """Run methods on the bursts of photographs.

    Args:
        paths: of `pictures`.
        methods: name to a function that gives the denoiser for a gain.
    """
    table: Table = {}
    for gain in noise.GAINS:
        found: dict[str, dict[str, float]] = {name: {} for name in methods}
        denoisers = {name: at_gain(gain) for name, at_gain in methods.items()}
        for path, burst in _bursts(paths, gain):
            case, truth = case_of(burst), burst.truth[..., 0]
            for name, denoiser in denoisers.items():
                found[name][path.stem] = quality_db(denoiser(case), truth)
        table[str(gain)] = {name: Scores.of(values) for name, values in found.items()}
    return table


def _bursts(paths: Iterable[Path], gain: int) -> Iterator[tuple[Path, SyntheticBurst]]:
    """Make one burst after another, so that only one is in memory."""
    for path in paths:
        yield path, burst_of(path, gain)


def motions(paths: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Return the motion class of every burst, by gain and photograph."""
    return {str(gain): {path.stem: motion_class(burst) for path, burst in _bursts(paths, gain)} for gain in noise.GAINS}


Strengths = dict[str, dict[str, float]]
"""Strength by method and gain (as text)."""


def baseline(name: str, strengths: Strengths) -> Callable[[int], Denoiser]:
    """Return a classical method with its tuned strengths, as `measure` takes it."""

    def at_gain(gain: int) -> Denoiser:
        """Return the method at the strength of a gain."""
        strength = strengths[name][str(gain)] if name in GRIDS else 0.0
        return lambda case: RUN[name](case, strength)

    return at_gain


def tuning_pictures(folder: Path) -> list[Path]:
    """Pick the training photographs that strengths are tuned on."""
    return pictures(folder)[TUNING_FIRST::TUNING_STEP][:TUNING_COUNT]


def tune(paths: Sequence[Path], methods: Sequence[str]) -> Strengths:
    """Find for every method with a strength, and every gain, the value of its grid with the best mean PSNR."""
    found: Strengths = {}
    for name in methods:
        if name not in GRIDS:
            continue
        table = measure(
            paths, {str(value): baseline(name, {name: dict.fromkeys(_GAINS, value)}) for value in GRIDS[name]}
        )
        found[name] = {
            gain: float(max(scores, key=lambda value: scores[value].mean_db)) for gain, scores in table.items()
        }
    return found


_GAINS = tuple(str(gain) for gain in noise.GAINS)
