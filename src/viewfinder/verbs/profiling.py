"""The ways to profile an artifact: timed here, timed on a board or by a device itself, counted on an emulated one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import demo, photos
from viewfinder.artifact import Artifact
from viewfinder.errors import NotVerifiedError, UsageError
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.profile import compute_plan, context, counts, latency, sustained
from viewfinder.runtime.profile.feeds import first_feeds
from viewfinder.runtime.profile.latency import Schedule
from viewfinder.target import HOST, Target
from viewfinder.verbs import benchmarked, on_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewfinder.runtime.engines import Engine

Progress = Callable[[str], None]
Feeds = Mapping[str, Mapping[str, "NDArray[Any]"]]
Profiled = tuple[str, dict[str, Any], list[Measurement]]
"""The engine's name, notes for the report, and the numbers."""


@dataclass(frozen=True)
class Job:
    """What an artifact is profiled with; the schedule does not matter where instructions are counted."""

    target: Target
    threads: int
    schedule: Schedule


def profiled(made: Artifact, job: Job, say: Progress) -> Profiled:
    """Profile every graph of an artifact.

    Raises:
        NotVerifiedError, MissingToolError: it cannot be run there.
        UsageError: no such device, a device in use, or too many threads.
    """
    if job.target.device == HOST:
        return _timed_here(made, job, say)
    device = on_device.runner(job.target)
    if problem := device.problem():
        raise NotVerifiedError(f"{device.name} cannot be used: {problem}")
    photo, feeds = _feeds(made, _feeding(made))
    with device.lock():
        facts = {"device": device.name, "target": str(job.target), "photograph": photo, **device.facts()}
        if hasattr(device, "profile_graph"):
            return str(job.target), facts, _timed_by_itself(made, device, feeds, job, say)
        if benchmarked.uses_tool(device, made.format):
            with benchmarked.watched(device) as state:
                found = benchmarked.timed_by_tool(made, device, job.threads, job.schedule, say)
            return f"{benchmarked.TOOL}@{device.name}", facts | state, found
        way = _counted if device.evidence is Evidence.EMULATED else _timed_there
        with benchmarked.watched(device) as state:
            found = way(made, device, feeds, job, say)
    return on_device.engine_on(device, made).NAME, facts | state, found


def host_engine(made: Artifact) -> tuple[Engine, Path | None]:
    """Return the engine of the artifact's format on this computer, and the interpreter of its toolchain.

    Raises:
        MissingToolError: it is not installed.
        NotVerifiedError: it is a reference evaluator, whose time means nothing.
    """
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines

    engine = engines.for_format(made.format)
    python = toolchains.python(engine.TOOLCHAIN) if engine.TOOLCHAIN else None
    engines.require(engine)
    if engine.EVIDENCE is not Evidence.MEASURED:
        raise NotVerifiedError(
            f"the time of {made.folder.name} is not measured: needs macOS",
            "profile it on a Mac, or another format here",
        )
    return engine, python


def _feeding(made: Artifact) -> Engine:
    """Return what computes the inputs of the later graphs here; for Core ML the reference evaluator will do."""
    from viewfinder.runtime import engines

    return engines.load(made.format) if made.format == "coreml" else host_engine(made)[0]


def _feeds(made: Artifact, engine: Engine) -> tuple[str, Feeds]:
    """Return what the graphs get from the pipeline for the first shipped photograph, and its name."""
    photo = demo.photos()[0]
    return photo.stem, first_feeds(made, engine, photos.read(photo).pixels)


def _timed_here(made: Artifact, job: Job, say: Progress) -> Profiled:
    """Time every graph of one artifact on this computer."""
    return timed_in_turn([made], job, say)[0]


def timed_in_turn(made: Sequence[Artifact], job: Job, say: Progress) -> list[Profiled]:
    """Time the graphs of all artifacts in turn on this computer; no other measurement of ours runs meanwhile.

    Raises:
        NotVerifiedError, MissingToolError: one of them cannot be run here.
        UsageError: this computer is in use, or has too few cores.
    """
    from viewfinder import devices

    engines = [host_engine(one) for one in made]
    host, cores = devices.load(HOST), context.pinned(job.threads)
    if cores and len(cores) < job.threads:
        raise UsageError(f"{job.threads} threads, but only {len(cores)} cores may be used", "ask for fewer threads")
    with host.lock(), tempfile.TemporaryDirectory(prefix="viewfinder-profile-") as work:
        subjects, photo = [], ""
        for one, (engine, python) in zip(made, engines, strict=True):
            photo, feeds = _feeds(one, engine)
            subjects.append(latency.Subject(one, feeds, latency.Place(engine.NAME, python, job.threads, cores)))
        before = context.context(cores)
        graphs = sum(len(one.graphs) for one in made)
        say(f"{job.schedule.turns} processes for each of {graphs} graphs, pinned to cores {cores}")
        results = latency.timings(subjects, job.schedule, host.run, Path(work))
        after = context.context(cores)
    how = f"{job.threads} thread{'s' if job.threads > 1 else ''} {'pinned' if cores else 'not pinned'}"
    notes = {"device": HOST, "photograph": photo, "schedule": vars(job.schedule), "before": before, "after": after}
    return [
        (
            subject.place.engine,
            {**notes, "runtime": context.runtime(engine.PACKAGE)},
            [one for graph in subject.made.graphs for one in latency.measurements(graph.name, found[graph.name], how)],
        )
        for subject, found, (engine, _) in zip(subjects, results, engines, strict=True)
    ]


def _timed_by_itself(made: Artifact, device: Any, feeds: Feeds, job: Job, say: Progress) -> list[Measurement]:
    """Have a device that runs graphs by itself time each; one that follows a script has measured nothing."""
    found: list[Measurement] = []
    how = f"{job.threads} thread{'s' if job.threads > 1 else ''} not pinned, on {device.name}"
    for graph in made.graphs:
        say(f"{device.name} profiles {graph.name}")
        result = device.profile_graph(made.path(graph), graph, feeds[graph.name], vars(job.schedule))
        if device.evidence is Evidence.NOT_RUN:
            continue
        if not latency.is_complete(result):
            raise NotVerifiedError(f"{device.name} gave no timings of {graph.name}", "repeat the command")
        if job.schedule.sustain_s:
            result = _as_curve(result, job.schedule.sustain_s, device.name)
        found += latency.measurements(graph.name, [result], how)
    reason = f"{device.name} follows a script; nothing was measured"
    return found or [Measurement("profile", None, "1", Evidence.NOT_RUN, "what an inference costs", reason=reason)]


def _as_curve(result: dict[str, Any], seconds: float, name: str) -> dict[str, Any]:
    """Turn what a device that runs graphs by itself timed into a sustained run, if it went on for long enough."""
    ran_s = sum(result["warm_ms"]) / 1e3
    if ran_s < seconds / 2:
        raise NotVerifiedError(
            f"{name} ran for {ran_s:.1f} s, not for the {seconds:g} s that were asked for", "ask for less"
        )
    return {**result, "sustained": sustained.of_samples(result["warm_ms"])}


def _timed_there(made: Artifact, device: Any, feeds: Feeds, job: Job, say: Progress) -> list[Measurement]:
    """Time every graph in processes of a board, in turn; the way there is not part of it."""
    engine = on_device.engine_on(device, made)
    results: dict[str, list[dict[str, Any]]] = {graph.name: [] for graph in made.graphs}
    for turn in range(job.schedule.turns):
        say(f"process {turn + 1} of {job.schedule.turns} for each of {len(made.graphs)} graphs on {device.name}")
        for graph in made.graphs:
            runner: Any = engine.open(made.path(graph), graph, job.threads)
            result = runner.timed(feeds[graph.name], vars(job.schedule))
            if not latency.is_complete(result):
                raise NotVerifiedError(f"{device.name} gave no timings of {graph.name}", "repeat the command")
            results[graph.name].append(result)
    how = f"{job.threads} thread{'s' if job.threads > 1 else ''} not pinned, on {device.name}"
    found = [one for graph in made.graphs for one in latency.measurements(graph.name, results[graph.name], how)]
    plans = [compute_plan.measurements(graph.name, results[graph.name][0].get("plan")) for graph in made.graphs]
    return [*found, *(one for plan in plans for one in plan)]


def _counted(made: Artifact, device: Any, feeds: Feeds, _job: Job, say: Progress) -> list[Measurement]:
    """Count every graph on an emulated board."""
    found: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="viewfinder-profile-") as work:
        for number, graph in enumerate(made.graphs):
            say(f"counting {graph.name} on {device.name}")
            path = Path(work) / f"{number}.jsonl"
            runner: Any = on_device.engine_on(device, made, path).open(made.path(graph), graph, 1)
            runner.marked(feeds[graph.name], counts.RUNS + 1)
            found += counts.measurements(graph.name, counts.read(path, counts.RUNS), device.profile.caches)
    return found
