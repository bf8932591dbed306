"""An artifact on a service that computes whole jobs: many inputs at a time, with minutes of waiting for each.

A picture passes through the pipeline several times. Each time, the first graph whose answers are missing is noted, with
all inputs that it is asked for, and what lies behind it gets zeros; then the service computes these inputs in one job.
So a picture costs a job for each graph, however many strips or tiles it has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import NotVerifiedError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import pipelines
from viewfinder.runtime.engines._tensors import by_name_or_order, checked

MOST_JOBS = 32
"""For one picture; no pipeline of ours has more than two graphs."""
Arrays = Mapping[str, NDArray[Any]]


class Service(Protocol):
    """What is needed of a device."""

    name: str
    evidence: Evidence
    formats: tuple[str, ...]

    def problem(self) -> str:
        """Return why it cannot be used now, or ""."""

    def infer(self, path: Path, samples: Arrays) -> Arrays:
        """Compute a graph for inputs that have an axis of samples in front; the outputs have it too.

        Raises:
            NotVerifiedError: the service could not do it.
        """


@dataclass(frozen=True)
class Engine:
    """What runs an artifact of a format there; see `viewfinder.runtime.verify.Engine`."""

    service: Service
    FORMAT: str

    def __post_init__(self) -> None:
        """Refuse formats that the service does not take.

        Raises:
            UsageError: it is one of them.
        """
        if self.FORMAT not in self.service.formats:
            known = ", ".join(self.service.formats)
            raise UsageError(f"{self.service.name} does not run {self.FORMAT} artifacts", f"it runs: {known}")

    @property
    def NAME(self) -> str:  # noqa: N802 a fact of engines is a constant of their module
        """Name the format and the device."""
        return f"{self.FORMAT}@{self.service.name}"

    @property
    def EVIDENCE(self) -> Evidence:  # noqa: N802 as above
        """Return what its numbers are."""
        return self.service.evidence

    def probe(self) -> str | None:
        """Return None when the service can be used, else the reason in words."""
        return self.service.problem() or None


def open(artifact: Artifact, engine: Engine, _threads: int) -> Runner:  # noqa: A001 as `pipelines.open`
    """Make what runs photographs or bursts there; nothing is sent yet."""
    return Runner(artifact, engine.service)


class Runner:
    """See `viewfinder.runtime.verify.Runner`. Answers are kept: an input that comes again is not sent again."""

    def __init__(self, artifact: Artifact, service: Service) -> None:
        """Remember both."""
        self._artifact, self._service = artifact, service
        self._answers: dict[tuple[str, str], dict[str, NDArray[np.float32]]] = {}

    def enhance(self, given: Any) -> NDArray[np.float32]:
        """Take ``[H, W, 3]`` in 0..1, or a burst, to ``[H, W, 3]`` in 0..1.

        Raises:
            NotVerifiedError: the service could not do it, or its answer does not fit.
        """
        for _ in range(MOST_JOBS):
            missing: dict[str, dict[str, Arrays]] = {}
            graphs = {graph.name: self._noted(graph, missing) for graph in self._artifact.graphs}
            found: NDArray[np.float32] = pipelines.assemble(self._artifact, graphs).enhance(given)
            if not missing:
                return found
            ((name, asked),) = missing.items()
            self._ask(next(one for one in self._artifact.graphs if one.name == name), asked)
        raise NotVerifiedError(
            f"{self._artifact.folder} took more than {MOST_JOBS} jobs", "verify it on another device"
        )

    def _noted(self, graph: GraphFile, missing: dict[str, dict[str, Arrays]]) -> pipelines.Graph:
        """Return a stand-in for a graph: answers if there are, else zeros; what is missing of one graph is noted."""

        def run(feeds: Arrays) -> dict[str, NDArray[np.float32]]:
            """Look an answer up."""
            arrays = checked(feeds, graph)
            key = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
            if (graph.name, key) in self._answers:
                return self._answers[graph.name, key]
            if not missing or graph.name in missing:
                copies = {spec.name: array.copy() for spec, array in zip(graph.inputs, arrays, strict=True)}
                missing.setdefault(graph.name, {})[key] = copies
            return {spec.name: np.zeros(spec.shape, np.float32) for spec in graph.outputs}

        return run

    def _ask(self, graph: GraphFile, asked: Mapping[str, Arrays]) -> None:
        """Have the service compute what is missing."""
        samples = {spec.name: np.stack([one[spec.name] for one in asked.values()]) for spec in graph.inputs}
        outputs = self._service.infer(self._artifact.path(graph), samples)
        names = list(outputs)
        order = by_name_or_order(graph.outputs, names)
        arrays = [outputs[names[at]] if at < len(names) else np.empty(0) for at in order]
        for spec, array in zip(graph.outputs, arrays, strict=True):
            if array.shape != (len(asked), *spec.shape) or array.dtype.kind not in "fiu":
                raise NotVerifiedError(
                    f"{self._service.name} answers {spec.name} of {graph.name} as {array.dtype} {list(array.shape)}, "
                    f"which should be {[len(asked), *spec.shape]}",
                    "look at the job at the service",
                )
        for at, key in enumerate(asked):
            self._answers[graph.name, key] = {
                spec.name: np.asarray(array[at], np.float32) for spec, array in zip(graph.outputs, arrays, strict=True)
            }
