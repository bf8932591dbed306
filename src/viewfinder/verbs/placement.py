"""``viewfinder placement``: what two builds put on an NPU, operator by operator; worse placement fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.artifact import Artifact
from viewfinder.errors import Exit, UsageError
from viewfinder.verbs.siblings import artifacts_in


@dataclass(frozen=True)
class Graph:
    """Where one graph's operators are.

    Attributes:
        on_npu, on_cpu: operators by type.
        partitions: pieces on the NPU.
    """

    on_npu: dict[str, int]
    on_cpu: dict[str, int]
    partitions: int


@dataclass(frozen=True)
class Change:
    """One graph in both builds.

    Attributes:
        artifact: folder name, which says precision and processor.
        moved: operator type to how many more (or fewer, below 0) are on the NPU and on the CPU.
    """

    artifact: str
    graph: str
    before: Graph
    after: Graph

    @property
    def moved(self) -> dict[str, tuple[int, int]]:
        """Return what changed, by type."""
        kinds = sorted({*self.before.on_npu, *self.before.on_cpu, *self.after.on_npu, *self.after.on_cpu})
        pairs = {
            kind: (
                self.after.on_npu.get(kind, 0) - self.before.on_npu.get(kind, 0),
                self.after.on_cpu.get(kind, 0) - self.before.on_cpu.get(kind, 0),
            )
            for kind in kinds
        }
        return {kind: pair for kind, pair in pairs.items() if pair != (0, 0)}

    @property
    def is_worse(self) -> bool:
        """Tell whether more operators fall back, or the graph has more pieces."""
        fallen = sum(self.after.on_cpu.values()) - sum(self.before.on_cpu.values())
        return fallen > 0 or self.after.partitions > self.before.partitions

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON data."""
        return {
            "artifact": self.artifact,
            "graph": self.graph,
            "moved": {kind: {"npu": npu, "cpu": cpu} for kind, (npu, cpu) in self.moved.items()},
            "partitions": [self.before.partitions, self.after.partitions],
            "fallback": [sum(self.before.on_cpu.values()), sum(self.after.on_cpu.values())],
            "worse": self.is_worse,
        }


@dataclass(frozen=True)
class PlacementResult:
    """The difference; `only_before` and `only_after` are artifacts that one build lacks."""

    changes: tuple[Change, ...]
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """Return 1 if placement became worse, 3 if the new build lacks an artifact, else 0."""
        if any(one.is_worse for one in self.changes):
            return Exit.CHECK_FAILED
        return Exit.NOT_VERIFIED if self.only_before else Exit.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON data."""
        return {
            "changes": [one.to_dict() for one in self.changes],
            "only_before": list(self.only_before),
            "only_after": list(self.only_after),
        }


def placement(before: Path, after: Path) -> PlacementResult:
    """Compare the compiled artifacts of two folders, by folder name and graph.

    Raises:
        UsageError: a folder has no compiled artifact, or the two have none in common.
        BadArtifactError: a damaged artifact.
    """
    sides = [_compiled(before), _compiled(after)]
    common = [name for name in sides[0] if name in sides[1]]
    if len(sides[0]) == len(sides[1]) == 1:
        # Two artifacts that were named themselves may have any names.
        sides[1] = {next(iter(sides[0])): next(iter(sides[1].values()))}
        common = list(sides[0])
    if not common:
        raise UsageError(
            f"{before} and {after} have no compiled artifact of the same name",
            "compile both for the same processor with `viewfinder compile`",
        )
    changes = [
        Change(name, graph, *(_graphs(side[name]).get(graph, Graph({}, {}, 0)) for side in sides))
        for name in common
        for graph in dict.fromkeys((*_graphs(sides[0][name]), *_graphs(sides[1][name])))
    ]
    only = [tuple(sorted(set(sides[one]) - set(sides[1 - one]))) for one in (0, 1)]
    return PlacementResult(tuple(changes), *only)


def _compiled(folder: Path) -> dict[str, Artifact]:
    """Load the compiled artifacts at or below a folder, by name."""
    found = {one.folder.name: one for one in artifacts_in(str(folder)) if "target" in one.recipe}
    found = {name: one for name, one in found.items() if all("partitions" in graph.notes for graph in one.graphs)}
    if not found:
        raise UsageError(f"{folder} has no artifact that was compiled for an NPU", "viewfinder compile makes one")
    return found


def _graphs(made: Artifact) -> dict[str, Graph]:
    """Read what the compiler placed where."""
    return {
        graph.name: Graph(
            dict(Counter(graph.notes.get("operators", {}))),
            dict(Counter(graph.notes.get("not_delegated", {}))),
            int(graph.notes["partitions"]),
        )
        for graph in made.graphs
    }
