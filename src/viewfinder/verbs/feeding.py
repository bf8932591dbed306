"""Record what every graph of an artifact is given while photographs pass through its pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.runtime import engines, pipelines
from viewfinder.task import BURST

Array = NDArray[Any]
Graph = Callable[[Mapping[str, Array]], Mapping[str, Array]]
IN_TILES = (BURST, "tiles")
"""Pipelines whose first graph does not see the whole picture at once, but one part after the other."""
FEEDS_PER_PHOTO = 4
"""Of a graph that runs often in one photograph (strips, tiles), evenly spaced ones."""


class Recorder:
    """A graph that keeps copies of what it was given: evenly spaced calls, at most twice `FEEDS_PER_PHOTO`."""

    def __init__(self, graph: Graph) -> None:
        """Wrap a loaded graph."""
        self._graph = graph
        self.start()

    def start(self) -> None:
        """Forget what was recorded."""
        self.kept: list[dict[str, Array]] = []
        self._calls, self._stride = 0, 1

    def __call__(self, feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        """Run the graph."""
        if self._calls % self._stride == 0:
            self.kept.append({name: np.array(array) for name, array in feeds.items()})
            if len(self.kept) > 2 * FEEDS_PER_PHOTO:
                self.kept, self._stride = self.kept[::2], 2 * self._stride
        self._calls += 1
        return self._graph(feeds)


class _Enough(Exception):  # noqa: N818 it is no error: the photograph need not be finished
    """Everything that was asked for is recorded."""


def _stop(_feeds: Mapping[str, Array]) -> Mapping[str, Array]:
    """Stand for a graph behind the last one that is asked for."""
    raise _Enough


def _is_read(made: Artifact, graph: GraphFile) -> bool:
    """Tell whether another graph takes what this one gives."""
    taken = {spec.name for other in made.graphs if other is not graph for spec in other.inputs}
    return any(spec.name in taken for spec in graph.outputs)


def _zeros(graph: GraphFile) -> Graph:
    """Stand for a graph whose picture nobody looks at: what it is given does not depend on it, and is all that counts.

    A photograph has hundreds of tiles, and a DnCNN takes long for each.
    """
    return lambda _feeds: {spec.name: np.zeros(spec.shape, np.float32) for spec in graph.outputs}


def record(
    made: Artifact, photographs: Iterable[Any], wanted: Iterable[str] | None = None
) -> dict[str, tuple[dict[str, Array], ...]]:
    """Run photographs through an artifact's pipeline and return what each graph was given, by its name.

    Args:
        made: from `viewfinder.artifact.load`.
        photographs: ``[H, W, 3]`` uint8 or uint16; of a network that merges bursts, `viewfinder.bursts.Burst`.
        wanted: names of graphs; None for all. If that is the first one alone, which looks at the whole photograph at
            once, the others are not run.
    """
    engine = engines.for_format(made.format)
    engines.require(engine)
    names = [graph.name for graph in made.graphs]
    chosen = names if wanted is None else [name for name in names if name in set(wanted)]
    needed = made.graphs[:1] if chosen == names[:1] and made.pipeline not in IN_TILES else made.graphs
    recorders = {
        graph.name: Recorder(engine.open(made.path(graph), graph, 1) if _is_read(made, graph) else _zeros(graph))
        for graph in needed
    }
    runner = pipelines.assemble(made, {name: recorders.get(name, _stop) for name in names})
    found: dict[str, list[dict[str, Array]]] = {name: [] for name in chosen}
    for pixels in photographs:
        for recorder in recorders.values():
            recorder.start()
        with suppress(_Enough):
            runner.enhance(pixels)
        for name in chosen:
            kept = recorders[name].kept
            found[name] += kept[:: max(1, len(kept) // FEEDS_PER_PHOTO)][:FEEDS_PER_PHOTO]
    return {name: tuple(feeds) for name, feeds in found.items()}


def ranges(
    path: Path, feeds: Iterable[Mapping[str, Array]], see: Callable[[str, Array], None] | None = None
) -> dict[str, tuple[float, float]]:
    """Evaluate a Core ML package on feeds and return the smallest and largest value of every tensor.

    `see` is shown every tensor, by name.
    """
    from viewfinder.runtime.coreml.evaluator import Evaluator

    evaluator = Evaluator(path)
    found: dict[str, tuple[float, float]] = {}

    def watch(name: str, array: Array) -> None:
        """Widen the range of a tensor."""
        if see is not None:
            see(name, array)
        if array.dtype.kind == "f" and array.size:
            low, high = found.get(name, (np.inf, -np.inf))
            found[name] = (min(low, float(array.min())), max(high, float(array.max())))

    for feed in feeds:
        evaluator(feed, watch)
    return found
