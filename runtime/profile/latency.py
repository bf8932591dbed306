"""Time and memory of one inference on this computer.

Protocol, version 2: every graph in several processes of its own, in turn with the other graphs and, for a comparison,
with those of the other artifact (A B A B), so that a slow minute does not fall on one of them alone; threads pinned to
cores; load, first inference and warm inferences kept apart; a warm-up dropped; every sample kept. The processes of a
graph are A/A runs: what they differ by is the noise floor (`noise`). What others disturbed is measured meanwhile
(`contention`). The copying of inputs and outputs is part of an inference, as it is for an app.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import NotVerifiedError
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.profile import noise, sustained

_MODULE = "viewfinder.runtime.profile.child"
_KEYS = ("load_ms", "first_ms", "memory_before_bytes", "memory_loaded_bytes", "memory_peak_bytes")
PERCENTILES = (50, 90, 99)


class Ended(Protocol):
    """A process that ended."""

    @property
    def code(self) -> int:
        """Exit code."""

    @property
    def errors(self) -> str:
        """What it printed on standard error."""


Run = Callable[[Sequence[str], float], Ended]
"""Runs a command with a time limit in seconds."""


@dataclass(frozen=True)
class Schedule:
    """How often and how long.

    Attributes:
        processes: for each graph.
        runs, seconds: of warm inferences in each process, both at least; `most_s` ends an endless one.
        warm_up_runs, warm_up_s: before them, dropped.
        sustain_s: of one process without pauses in place of all that; 0 for none.
    """

    processes: int = 4
    runs: int = 50
    seconds: float = 1.0
    warm_up_runs: int = 5
    warm_up_s: float = 0.2
    most_s: float = 30.0
    sustain_s: float = 0.0

    @property
    def timeout_s(self) -> float:
        """Return when a process hangs: after both phases, a slow start, and one long inference."""
        return 2 * self.most_s + self.sustain_s + 120.0

    @property
    def turns(self) -> int:
        """Return the processes of a graph."""
        return 1 if self.sustain_s else self.processes


@dataclass(frozen=True)
class Place:
    """What a graph runs in.

    Attributes:
        engine: name; ``python`` is the interpreter of its toolchain, if it has one.
        cores: that its threads are pinned to; empty leaves them alone.
    """

    engine: str
    python: Path | None
    threads: int
    cores: Sequence[int]


@dataclass(frozen=True)
class Subject:
    """An artifact, what its graphs get (`feeds.first_feeds`), and what they run in."""

    made: Artifact
    feeds: Mapping[str, Mapping[str, NDArray[Any]]]
    place: Place


Results = dict[str, list[dict[str, Any]]]
"""Of each graph, one result per process."""


def timings(subjects: Sequence[Subject], schedule: Schedule, run: Run, work: Path) -> list[Results]:
    """Time every graph of every artifact, the processes of all of them in turn.

    Args:
        subjects: one artifact, or two that are to be compared.
        schedule: how often and how long.
        run: starts the processes.
        work: an empty folder.

    Raises:
        NotVerifiedError: a process crashed or left no result.
    """
    graphs = [(at, subject, graph) for at, subject in enumerate(subjects) for graph in subject.made.graphs]
    results: list[Results] = [{graph.name: [] for graph in subject.made.graphs} for subject in subjects]
    for number, (_, subject, graph) in enumerate(graphs):
        np.savez(work / f"{number}.npz", **subject.feeds[graph.name])  # type: ignore[arg-type]
    for turn in range(schedule.turns):
        for number, (at, subject, graph) in enumerate(graphs):
            request = _request(subject.made, graph, subject.place, schedule) | {"feeds": str(work / f"{number}.npz")}
            results[at][graph.name].append(_timed(graph, request, run, work / f"{number}.{turn}"))
    return results


def _request(made: Artifact, graph: GraphFile, place: Place, schedule: Schedule) -> dict[str, Any]:
    """Return what a process has to do."""
    return {
        **vars(schedule),
        "path": str(made.path(graph).resolve()),
        "graph": graph.to_dict(),
        "engine": place.engine,
        "python": str(place.python) if place.python else "",
        "threads": place.threads,
        "cores": list(place.cores),
        "timeout_s": schedule.timeout_s,
    }


def _timed(graph: GraphFile, request: Mapping[str, Any], run: Run, stem: Path) -> dict[str, Any]:
    """Time one graph in one process."""
    paths = stem.with_suffix(".json"), stem.with_suffix(".result")
    paths[0].write_text(json.dumps(request), encoding="utf-8")
    ended = run([sys.executable, "-m", _MODULE, *map(str, paths)], request["timeout_s"])
    try:
        result: dict[str, Any] = json.loads(paths[1].read_text(encoding="utf-8"))
    except (OSError, ValueError):
        result = {}
    if ended.code or not is_complete(result):
        said = [line for line in ended.errors.splitlines() if line.strip()]
        raise NotVerifiedError(
            f"timing {graph.name} ended with code {ended.code} and no result: {said[-1] if said else 'no message'}",
            "run `viewfinder verify` first; it explains what an artifact does to its engine",
        )
    return result


def is_complete(result: Any) -> bool:
    """Tell whether a result has every number, finite and not negative; it may come from another device."""
    if not isinstance(result, dict) or not all(key in result for key in _KEYS):
        return False
    samples = result["warm_ms"] if isinstance(result.get("warm_ms"), list) else []
    numbers = [result[key] for key in _KEYS] + samples
    whole = bool(samples) or sustained.is_complete(result.get("sustained"))
    return whole and all(isinstance(one, int | float) and 0 <= one < float("inf") for one in numbers)


def measurements(graph: str, results: Sequence[Mapping[str, Any]], how: str) -> list[Measurement]:
    """Turn the results of a graph's processes into measurements; `how` says where and with what threads."""
    if "sustained" in results[0]:
        return [*sustained.measurements(graph, results[0], how), *disturbance(graph, results)]
    count = f"{len(results)} processes, {how}"
    samples = {
        f"process {process} run {place}": float(value)
        for process, result in enumerate(results, 1)
        for place, value in enumerate(result["warm_ms"], 1)
    }
    values = np.array(list(samples.values()))
    warm = f"a warm inference, copying in and out included, of {len(values)} in {count}"
    found = [
        Measurement(
            f"{graph}_warm_p{share}_ms", float(np.percentile(values, share)), "ms", Evidence.MEASURED,
            f"percentile {share} of {warm}", per_sample=samples if share == PERCENTILES[0] else {},
        )
        for share in PERCENTILES
    ]  # fmt: skip
    texts: dict[str, tuple[str, Callable[[list[float]], Any], str]] = {
        "load_ms": (
            "ms",
            np.median,
            f"loading runtime and file in a new process, from the file system's cache; median of {count}",
        ),
        "first_ms": ("ms", np.median, f"the first inference behind the load; median of {count}"),
        "memory_peak_bytes": ("bytes", np.max, f"largest resident size of the process, Python included; of {count}"),
    }
    for key, (unit, joined, text) in texts.items():
        each = {f"process {process}": float(result[key]) for process, result in enumerate(results, 1)}
        value = float(joined(list(each.values())))
        found.append(Measurement(f"{graph}_{key}", value, unit, Evidence.MEASURED, text, per_sample=each))
    for key, text in (("memory_loaded_bytes", "behind the load"), ("memory_peak_bytes", "at its peak")):
        growth = max(float(result[key]) - float(result["memory_before_bytes"]) for result in results)
        name = f"{graph}_{key.replace('_bytes', '_growth_bytes')}"
        said = f"resident size {text} less that just before the load; largest of {count}"
        found.append(Measurement(name, growth, "bytes", Evidence.MEASURED, said))
    return [*found, _drift(graph, results), *_noise(graph, results), *disturbance(graph, results)]


def _noise(graph: str, results: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """Report what A/A runs differ by."""
    if len(results) < 2:
        return []
    text = f"A/A: largest difference of the medians of two halves of the same {len(results)} processes, however halved"
    value = noise.floor([result["warm_ms"] for result in results])
    return [Measurement(f"{graph}_noise_floor", value, "1", Evidence.MEASURED, text)]


def disturbance(graph: str, results: Sequence[Mapping[str, Any]]) -> list[Measurement]:
    """Report what others took while the processes ran; nothing where the system does not tell."""
    texts = {
        "waited_share": ("1", "share of the time that threads ready to run waited for a core; largest"),
        "others_cores": ("cores", "processor time that other programs took, by all cores, per second; largest"),
    }
    found = []
    for key, (unit, text) in texts.items():
        values = {f"process {at}": result.get(key) for at, result in enumerate(results, 1)}
        told = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        if told:
            name = f"{graph}_{key}"
            found.append(Measurement(name, max(told.values()), unit, Evidence.MEASURED, text, per_sample=told))
    return found


def _drift(graph: str, results: Sequence[Mapping[str, Any]]) -> Measurement:
    """Report how much slower the end of a process was than its beginning: throttling, or another program."""
    ratios = {}
    for process, result in enumerate(results, 1):
        quarter = max(len(result["warm_ms"]) // 4, 1)
        ratio = np.median(result["warm_ms"][-quarter:]) / np.median(result["warm_ms"][:quarter])
        ratios[f"process {process}"] = float(ratio)
    text = "median of the last quarter of a process's warm inferences over that of the first; largest"
    return Measurement(f"{graph}_drift", max(ratios.values()), "1", Evidence.MEASURED, text, per_sample=ratios)
