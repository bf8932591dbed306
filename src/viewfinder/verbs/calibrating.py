"""Choose what `viewfinder quantize` measures ranges on: photographs, noisy ones for denoisers, or bursts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from viewfinder import models, strata
from viewfinder.artifact import Artifact
from viewfinder.bursts import Burst
from viewfinder.errors import UsageError
from viewfinder.quantize import burst_calibration, calibration
from viewfinder.quantize.burst_calibration import BurstSample
from viewfinder.quantize.calibration import Sample
from viewfinder.recipe import CalibrationSet
from viewfinder.task import BURST, NOISY, PHOTOGRAPHS


@dataclass(frozen=True)
class Asked:
    """What the user says about calibration; see `viewfinder.verbs.quantize.QuantizeRequest`."""

    data: Path | None = None
    samples: int = calibration.DEFAULT_SAMPLES
    min_coverage: float = 1.0


@dataclass(frozen=True)
class Chosen:
    """Samples with what is said of them in a manifest."""

    samples: tuple[Sample | BurstSample, ...] = ()
    described: CalibrationSet | None = None


def kind_of(subject: str, parents: Sequence[Artifact] | None) -> str:
    """Tell what samples have to be, `BURST` or as `Task.samples` says.

    For these artifacts, or for a model that is yet to be exported (None).

    Raises:
        UsageError: no such model, or artifacts that take different things.
    """
    if parents is None:
        task = models.load(subject)
        return BURST if task.pipeline == BURST else task.samples
    found = {
        BURST if parent.pipeline == BURST else str(parent.parameters.get("samples", PHOTOGRAPHS)) for parent in parents
    }
    if len(found) > 1:
        raise UsageError(
            f"{subject} holds artifacts that take {' and '.join(sorted(found))}", "quantize them one by one"
        )
    return found.pop() if found else PHOTOGRAPHS


def choose(asked: Asked, kind: str) -> Chosen:
    """Choose samples of a kind (`kind_of`) and check what they cover.

    Raises:
        CoverageError: they leave out strata.
        UsageError: nothing is there.
    """
    taken: list[Any]
    if kind == BURST:
        listed, name = _bursts(asked)
        taken, described = burst_calibration.choose(listed, name, asked.samples)
    else:
        path = asked.data
        photographs = calibration.default() if path is None else calibration.from_folder(path)
        name = calibration.DEFAULT_NAME if path is None else path.resolve().name
        if kind == NOISY:
            photographs, name = _spoilt(photographs), f"{name}, with noise"
        taken, described = calibration.choose(photographs, name, asked.samples)
        if kind == NOISY:
            described = replace(described, strata={**described.strata, **_levels(taken)})
    calibration.require_coverage(described, asked.min_coverage)
    return Chosen(tuple(taken), described)


def _spoilt(photographs: Sequence[Sample]) -> list[Sample]:
    """Give each photograph noise of one of the three levels, or, if they are few, of every level.

    Every level meets every exposure of the default set.
    """
    from viewfinder.train.samples import noisy

    levels = noisy.SIGMAS
    if len(photographs) < len(levels) * len(strata.EXPOSURES):
        chosen = [(sample, level) for sample in photographs for level in range(len(levels))]
    else:
        chosen = [(one, (index + index // len(levels)) % len(levels)) for index, one in enumerate(photographs)]
    return [Sample(f"{one.name} sigma {levels[level]}", _spoiler(one, level)) for one, level in chosen]


def _levels(taken: Sequence[Sample]) -> dict[str, int]:
    """Count the samples of every level of noise."""
    from viewfinder.train.samples import noisy

    return {
        strata.stratum(strata.SIGMA, level): sum(sample.name.endswith(f" sigma {level}") for sample in taken)
        for level in noisy.SIGMAS
    }


def _spoiler(sample: Sample, level: int) -> Callable[[], NDArray[Any]]:
    """Return what reads a photograph and adds noise of a level."""

    def read() -> NDArray[Any]:
        """Read and spoil."""
        from viewfinder.train.samples import noisy

        return list(noisy.make(sample.name, sample.read(), ""))[level].pixels

    return read


def _bursts(asked: Asked) -> tuple[list[BurstSample], str]:
    """List bursts: recorded ones, or what a simulated camera makes of photographs at every gain and motion."""
    from viewfinder.train.camera import noise

    if asked.data is None:
        return _made(calibration.default()), burst_calibration.DEFAULT_NAME
    name = asked.data.resolve().name
    recorded = burst_calibration.recorded(asked.data)
    if recorded:
        return burst_calibration.from_files(recorded, noise.GAINS, asked.samples), name
    photographs = calibration.spaced(calibration.from_folder(asked.data), asked.samples)
    return _made(photographs), f"bursts of the photographs {name}"


def _made(photographs: Sequence[Sample]) -> list[BurstSample]:
    """Describe the bursts that can be made of photographs; none is made before it is read."""
    found = []
    for sample in photographs:
        exposure = strata.exposure(sample.read())
        found += [
            BurstSample(f"{sample.name} gain {gain} {motion}", gain, motion, exposure, _maker(sample, gain, motion))
            for gain in burst_calibration.GAINS
            for motion in burst_calibration.MOTIONS
        ]
    return found


def _maker(sample: Sample, gain: int, motion: str) -> Callable[[], Burst]:
    """Return what makes a burst of a photograph."""

    def make() -> Burst:
        """Simulate the camera."""
        from viewfinder.train.samples import bursts

        return bursts.calibrating(sample.name, sample.read(), gain, motion)

    return make
