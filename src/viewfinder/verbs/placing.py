"""The operators of an artifact on this computer: where each runs, what it costs, and Model Explorer's file of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import demo, files, jobs, photos
from viewfinder.artifact import Artifact
from viewfinder.errors import NotVerifiedError
from viewfinder.jobs import Job
from viewfinder.measurement import Report
from viewfinder.runtime.profile import operators
from viewfinder.runtime.profile.feeds import first_feeds

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


def write(report: Report, output: Path) -> list[Path]:
    """Write Model Explorer's node data of every graph beside the report; return the files."""
    written = []
    for graph, found in dict(report.notes.get("operators", {})).items():
        path = output / f"{report.artifact}.{graph}.node-data.json"
        data = operators.node_data(f"{report.artifact} {graph} in {report.engine}", found)
        files.write_text(path, json.dumps(data, indent=2) + "\n")
        written.append(path)
    return written
