"""`viewfinder.jobs.run` in this process, one job after the other: a process of its own costs seconds of imports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from viewfinder.errors import ViewfinderError
from viewfinder.jobs import Ended, Job


def run(
    plan: Sequence[Job], on_end: Callable[[Ended], None] | None = None, _slots: int | None = None
) -> dict[str, Ended]:
    """Run the jobs as `viewfinder.jobs.run` does, crashes and signals apart."""
    ended: dict[str, Ended] = {}
    for job in plan:
        before = next((ended[name].error for name in job.after if ended[name].error), None)
        ended[job.name] = Ended(job.name, error=before) if before else _one(job)
        if on_end is not None:
            on_end(ended[job.name])
    return ended


def _one(job: Job) -> Ended:
    """Run one job."""
    module, _, function = job.target.partition(":")
    try:
        return Ended(job.name, getattr(import_module(module), function)(**job.arguments), seconds=1.0)
    except ViewfinderError as error:
        return Ended(job.name, error=error)
