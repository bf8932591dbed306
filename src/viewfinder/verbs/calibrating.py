"""Choose what `viewfinder quantize` measures ranges on: photographs, or bursts for networks that merge them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder import models, strata
from viewfinder.artifact import Artifact
from viewfinder.bursts import Burst
from viewfinder.errors import UsageError
from viewfinder.quantize import burst_calibration, calibration
from viewfinder.quantize.burst_calibration import BurstSample
from viewfinder.quantize.calibration import Sample
from viewfinder.recipe import CalibrationSet
from viewfinder.task import BURST


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


def takes_bursts(subject: str, parents: Sequence[Artifact] | None) -> bool:
    """Tell whether samples have to be bursts: for these artifacts, or for a model that is yet to be exported (None).

    Raises:
        UsageError: no such model, or artifacts that take bursts beside others that do not.
    """
    if parents is None:
        return models.load(subject).pipeline == BURST
    found = {parent.pipeline == BURST for parent in parents}
    if len(found) > 1:
        raise UsageError(
            f"{subject} holds artifacts that take bursts and others that take photographs", "quantize them one by one"
        )
    return True in found


def choose(asked: Asked, *, bursts: bool) -> Chosen:
    """Choose photographs or bursts and check what they cover.

    Raises:
        CoverageError: they leave out strata.
        UsageError: nothing is there.
    """
    taken: list[Any]
    if bursts:
        listed, name = _bursts(asked)
        taken, described = burst_calibration.choose(listed, name, asked.samples)
    else:
        path = asked.data
        photographs = calibration.default() if path is None else calibration.from_folder(path)
        name = calibration.DEFAULT_NAME if path is None else path.resolve().name
        taken, described = calibration.choose(photographs, name, asked.samples)
    calibration.require_coverage(described, asked.min_coverage)
    return Chosen(tuple(taken), described)


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
