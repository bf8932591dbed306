"""`viewfinder run`: photographs or bursts through a model, at full resolution."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from viewfinder import models, photos
from viewfinder.errors import CheckFailedError, UsageError, ViewfinderError
from viewfinder.verbs import run_bursts, running
from viewfinder.verbs.run_request import Done, RunRequest
from viewfinder.verbs.running import PhotoRunner, Ready
from viewfinder.verbs.targets import Existing, Job, plan

__all__ = ["Done", "RunRequest", "RunResult", "Step", "run"]


@dataclass(frozen=True)
class Step:
    """How far the run is: for a progress bar, or as one line of text."""

    source: Path
    number: int
    count: int
    share_of_photo: float

    @property
    def share(self) -> float:
        """Share of the whole run that is done, 0..1, every photograph counting the same."""
        return (self.number - 1 + self.share_of_photo) / self.count

    def __str__(self) -> str:
        """Write ``[2/5] name.jpg 40 %``."""
        return f"[{self.number}/{self.count}] {self.source.name} {self.share_of_photo:.0%}"


@dataclass(frozen=True)
class RunResult:
    """All photographs that have been written, and with what."""

    model: str
    engine: str
    evidence: str
    artifact_sha256: str
    done: tuple[Done, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        done = [asdict(one) | {"source": str(one.source), "target": str(one.target)} for one in self.done]
        return {**vars(self), "done": done, "warnings": list(self.warnings)}


OnStep = Callable[[Step], None]
RunOne = Callable[..., tuple[Done, Sequence[str]]]


def run(request: RunRequest, progress: OnStep | None = None) -> RunResult:
    """Run photographs through a model and write the results, each whole or not at all.

    A photograph that cannot be processed does not stop the others; it is named at the end. A full disk stops the run.
    After ctrl-C the photographs that are done stay, and the `KeyboardInterrupt` says how many.

    Raises:
        UsageError: nothing to do, a result that would replace a file, a missing engine, or photographs that failed.
        CheckFailedError: the artifact gave NaN for every photograph that failed.
    """
    bursts = run_bursts.takes_bursts(request.model)
    if request.says_noise and not bursts:
        raise UsageError(f"{request.model} takes photographs, and noise was said of bursts", "leave it out")
    existing = Existing.of(request.overwrite, request.skip_existing)
    jobs = run_bursts.jobs_of(request) if bursts else plan(request.photos, request.output, existing)
    done: list[Done] = []
    with running.ready(
        request.model, request.engine, running.Options(request.weights, request.precision, request.threads)
    ) as ready:
        try:
            one = partial(run_bursts.run_one, request=request) if bursts else _run_one
            warnings = _run_all(jobs, partial(one, runner=ready.runner), done, progress or (lambda _: None))
        except KeyboardInterrupt:
            what = "bursts" if bursts else "photographs"
            raise KeyboardInterrupt(
                f"{len(done)} of {len(jobs)} {what} are done and complete; --skip-existing goes on with the others"
            ) from None
        return _result(request, ready, done, _untrained(request) + warnings)


def _untrained(request: RunRequest) -> list[str]:
    """Warn of a network of the package that has no weights yet; what users' own files load is theirs to know."""
    if request.weights or request.model not in models.names() or models.load(request.model).weights:
        return []
    told = f"{request.model} has no trained weights, so this is what an untrained network gives"
    return [f"{told}: `viewfinder train` makes weights, and --weights takes them"]


def _result(request: RunRequest, ready: Ready, done: list[Done], warnings: list[str]) -> RunResult:
    """Put the result together."""
    return RunResult(request.model, ready.engine, ready.evidence, ready.artifact_sha256, tuple(done), tuple(warnings))


def _run_all(jobs: list[Job], run_one: RunOne, done: list[Done], progress: OnStep) -> list[str]:
    """Run one photograph or burst after the other; add to `done` as they are written and return warnings."""
    failed: list[ViewfinderError] = []
    warnings: list[str] = []
    for number, job in enumerate(jobs, 1):
        on_share = partial(_tell, progress, Step(job.source, number, len(jobs), 0.0))
        on_share(0.0)
        try:
            made, notes = run_one(job, on_share=on_share)
            done.append(made)
            warnings += notes
        except ViewfinderError as error:
            if error.code == "cannot-write":
                raise
            failed.append(error)
    if failed:
        raise _failure(failed, len(jobs))
    return warnings


def _tell(progress: OnStep, step: Step, share: float) -> None:
    """Report the share of one photograph that is done."""
    progress(replace(step, share_of_photo=share))


def _run_one(job: Job, runner: PhotoRunner, on_share: Callable[[float], None]) -> tuple[Done, Sequence[str]]:
    """Read, process and write one photograph; return it with what could not be kept."""
    begin = time.perf_counter()
    photo = photos.read(job.source)
    try:
        pixels = runner.process(photo.pixels, on_share)
    except CheckFailedError as error:
        raise CheckFailedError(f"{job.source}: {error.message}", error.hint, code=error.code) from error
    alpha = photo.alpha
    if alpha is not None and pixels.shape[:2] != alpha.shape:
        scale = pixels.shape[0] // alpha.shape[0]
        alpha = alpha.repeat(scale, 0).repeat(scale, 1)
    photos.write(job.target, replace(photo, pixels=pixels, alpha=alpha))
    done = Done(job.source, job.target, pixels.shape[1], pixels.shape[0], time.perf_counter() - begin)
    return done, photo.notes


def _failure(failed: list[ViewfinderError], count: int) -> ViewfinderError:
    """Name every photograph that failed in one error."""
    if count == 1:
        return failed[0]
    causes = "\n".join(f"  {error.message}" for error in failed)
    message = f"{len(failed)} of {count} photographs failed, the others are done:\n{causes}"
    hints = dict.fromkeys(error.hint for error in failed)
    kind = CheckFailedError if all(isinstance(error, CheckFailedError) for error in failed) else UsageError
    return kind(message, "; ".join(hint for hint in hints if hint), code="photos-failed")
