"""A test stand: run one photograph through an artifact with its pictures changed on the way into a graph.

What an engine is fed is looked at and changed between pipeline and graph, so that nothing of either has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.golden import GoldenPhoto
from viewfinder.runtime.verify import Setup
from viewfinder.task import BURST, TensorSpec

FRAMES = "frames"
"""The input of burst networks that holds the frames of one plane, the reference first."""
Picture = NDArray[np.float32]
Change = Callable[[Picture], Picture]
"""``[H, W, 3]`` to the same shape."""
Graph = Callable[..., Mapping[str, NDArray[Any]]]


@dataclass
class Stand:
    """An artifact and one photograph.

    Attributes:
        setup: engine and opener, as verify takes them.
        fed: what the pipeline gave to each picture input, the first time, ``[H, W, 3]``.
    """

    artifact: Artifact
    setup: Setup
    photo: GoldenPhoto
    fed: dict[str, Picture] = field(default_factory=dict)
    _loaded: dict[str, Graph] = field(default_factory=dict)

    @property
    def pixels(self) -> Picture:
        """The photograph in 0..1."""
        return self.photo.pixels.astype(np.float32) / np.float32(np.iinfo(self.photo.pixels.dtype).max)

    def inputs(self) -> list[str]:
        """List the names of the inputs that are pictures."""
        return [spec.name for spec in self._specs() if is_picture(spec) and spec.name not in self.frames()]

    def frames(self) -> list[str]:
        """List the names of the inputs that are bursts; their frames are seen as channels, ``[H, W, N]``."""
        is_burst = self.artifact.pipeline == BURST
        return [spec.name for spec in self._specs() if is_burst and spec.name == FRAMES]

    def _specs(self) -> list[TensorSpec]:
        """List the inputs of all graphs."""
        return [spec for graph in self.artifact.graphs for spec in graph.inputs]

    def run(self, changes: Mapping[str, Change] | None = None) -> Picture:
        """Run the photograph with `changes` made to the inputs of those names; return ``[H, W, 3]`` in 0..1."""
        engine = _Changing(self, changes or {})
        return self.setup.open_runner(self.artifact, engine, self.setup.threads).enhance(self.photo.feed)

    def graph(self, graph: GraphFile, *arguments: Any, **options: Any) -> Graph:
        """Load a graph into the engine, once."""
        if graph.name not in self._loaded:
            engine: Any = self.setup.engine
            self._loaded[graph.name] = engine.open(*arguments, **options)
        return self._loaded[graph.name]


@dataclass(frozen=True)
class _Changing:
    """An engine whose graphs see changed pictures."""

    stand: Stand
    changes: Mapping[str, Change]

    def __getattr__(self, key: str) -> Any:
        """Be the engine in everything else."""
        return getattr(self.stand.setup.engine, key)

    def open(self, path: Any, graph: GraphFile, *rest: Any, **options: Any) -> Graph:
        """Load a graph, and put it behind the changes."""
        loaded = self.stand.graph(graph, path, graph, *rest, **options)
        names = {*self.stand.inputs(), *self.stand.frames()}
        pictures = {spec.name: spec for spec in graph.inputs if spec.name in names}

        def run(feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
            """Change the pictures and go on."""
            given = dict(feeds)
            for key, spec in pictures.items():
                shown = _shown(given[key], spec)
                self.stand.fed.setdefault(key, shown.copy())
                if key in self.changes:
                    given[key] = _stored(self.changes[key](shown), spec)
            return loaded(given)

        return run


def is_picture(spec: TensorSpec) -> bool:
    """Tell an input with three channels of a picture."""
    return len(spec.shape) == 4 and spec.shape[0] == 1 and spec.shape[3 if spec.layout == "NHWC" else 1] == 3


def _shown(array: NDArray[Any], spec: TensorSpec) -> Picture:
    """View ``[1, 3, H, W]`` or ``[1, H, W, 3]`` as ``[H, W, 3]``."""
    return np.asarray(array[0] if spec.layout == "NHWC" else array[0].transpose(1, 2, 0), np.float32)


def _stored(picture: Picture, spec: TensorSpec) -> NDArray[np.float32]:
    """Undo `_shown`, as a new array."""
    return np.ascontiguousarray((picture if spec.layout == "NHWC" else picture.transpose(2, 0, 1))[None], np.float32)
