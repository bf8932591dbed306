"""Several threads for one picture: each computes whole strips or tiles with a runner of its own.

A runtime that shares one small graph among its threads waits after every operator; a strip of HDRNet has twenty
operators of under a millisecond each. Whole strips side by side wait once each. Measured by ``make bench`` as
"two threads": the gain of two lanes over one, where the runtime's own two threads gave 1.3 to 1.5 times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Graph = Callable[[Mapping[str, NDArray[np.float32]]], Mapping[str, NDArray[np.float32]]]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Lanes:
    """One graph, loaded several times, so that several threads may run it at once."""

    def __init__(self, runners: Sequence[Graph]) -> None:
        """Keep the loaded graphs; there is at least one."""
        self.runners = tuple(runners)

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[np.float32]]:
        """Run the first one."""
        return self.runners[0](feeds)


def of(graph: Graph) -> tuple[Graph, ...]:
    """Return the runners behind a graph: one for each thread."""
    return graph.runners if isinstance(graph, Lanes) else (graph,)


def in_order(lanes: Sequence[Callable[[Item], Result]], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the result of every item, in the order of `items`; each lane works on one item at a time.

    A lane gets its next item only when the consumer comes back for more, so a lane may reuse the buffer it returned.
    An error of a lane is raised in its place; what was begun is waited for.
    """
    if len(lanes) == 1:
        yield from map(lanes[0], items)
        return
    waiting = iter(items)
    running: deque[tuple[Callable[[Item], Result], Future[Result]]] = deque()
    with ThreadPoolExecutor(len(lanes), thread_name_prefix="viewfinder-lane") as pool:
        for lane, item in zip(lanes, waiting, strict=False):  # items may be fewer than lanes, or more
            running.append((lane, pool.submit(lane, item)))
        while running:
            lane, future = running.popleft()
            yield future.result()
            for item in waiting:
                running.append((lane, pool.submit(lane, item)))
                break
