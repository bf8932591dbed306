"""The operators of an artifact, here or on a phone: where each runs, what it costs, and Model Explorer's file of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import demo, files, jobs, photos
from viewfinder.artifact import Artifact
from viewfinder.errors import NotVerifiedError
from viewfinder.jobs import Job
from viewfinder.measurement import Report
from viewfinder.runtime.profile import litert_c, operators
from viewfinder.runtime.profile.feeds import first_feeds
from viewfinder.runtime.profile.operators import litert
from viewfinder.target import Target
from viewfinder.verbs import on_device

if TYPE_CHECKING:
    from viewfinder.runtime.engines import Engine


def placed(made: Artifact, engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Return the operators of every graph, each found out in a process of its own.

    Raises:
        NotVerifiedError: this engine does not tell, or its process crashed.
    """
    if engine.NAME not in operators.engines():
        known = ", ".join(operators.engines())
        raise NotVerifiedError(f"{engine.NAME} does not tell what its operators cost", f"these do: {known}")
    feeds = first_feeds(made, engine, photos.read(demo.photos()[0]).pixels)
    work = [
        Job(
            graph.name,
            f"{operators.__name__}:told",
            {"engine": engine.NAME, "path": made.path(graph), "graph": graph, "feeds": feeds[graph.name]},
        )
        for graph in made.graphs
    ]
    ended = jobs.run(work, slots=1)
    for one in ended.values():
        if one.error is not None:
            raise NotVerifiedError(f"the operators of {one.name} are not told: {one.error.message}", one.error.hint)
    return {graph.name: ended[graph.name].value for graph in made.graphs}


def placed_on(made: Artifact, target: Target) -> dict[str, list[dict[str, Any]]]:
    """Return the operators of every graph on the device of a target, as its runner's profiler tells them.

    Raises:
        NotVerifiedError: what runs there has no profiler, or does not answer.
        UsageError: somebody else has the device.
    """
    from viewfinder.runtime import engines

    device = on_device.launcher(target)
    there = engines.on(device, made.format, device.evidence)
    if made.format != "tflite" or not hasattr(there, "open_profiler"):
        raise NotVerifiedError(f"{device.name} does not tell what the operators of {made.format} cost")
    feeds = first_feeds(made, engines.for_format(made.format), photos.read(demo.photos()[0]).pixels)
    found = {}
    with on_device.owned(target):
        for graph in made.graphs:
            runner = there.open_profiler(made.path(graph), graph)
            runs = litert_c.read(runner.operators(feeds[graph.name], operators.RUNS + 1))
            found[graph.name] = [asdict(one) for one in litert.executed(runs, litert.placed(made.path(graph)))]
    return found


def write(report: Report, output: Path) -> list[Path]:
    """Write Model Explorer's node data of every graph beside the report; return the files."""
    written = []
    for graph, found in dict(report.notes.get("operators", {})).items():
        path = output / f"{report.artifact}.{graph}.node-data.json"
        data = operators.node_data(f"{report.artifact} {graph} in {report.engine}", found)
        files.write_text(path, json.dumps(data, indent=2) + "\n")
        written.append(path)
    return written
