"""A test stand: run one photograph through an artifact with its pictures changed on the way into a graph.

What an engine is fed is looked at and changed between pipeline and graph, so that nothing of either has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact
from viewfinder.golden import GoldenPhoto
from viewfinder.runtime import pipelines
from viewfinder.runtime.pipelines import Graph
from viewfinder.task import TensorSpec

Picture = NDArray[np.float32]
Change = Callable[[Picture], Picture]
"""``[H, W, 3]`` to the same shape."""


@dataclass
class Stand:
    """An artifact and one photograph.

    Attributes:
        graphs: loaded, by name.
        fed: what the pipeline gave to each picture input, the first time, ``[H, W, 3]``.
    """

    artifact: Artifact
    graphs: Mapping[str, Graph]
    photo: GoldenPhoto
    fed: dict[str, Picture] = field(default_factory=dict)

    @property
    def pixels(self) -> Picture:
        """The photograph in 0..1."""
        return self.photo.pixels.astype(np.float32) / np.float32(np.iinfo(self.photo.pixels.dtype).max)

    def inputs(self) -> list[str]:
        """List the names of the inputs that are pictures."""
        return [spec.name for graph in self.artifact.graphs for spec in graph.inputs if is_picture(spec)]

    def run(self, changes: Mapping[str, Change] | None = None) -> Picture:
        """Run the photograph with `changes` made to the inputs of those names; return ``[H, W, 3]`` in 0..1."""
        made = changes or {}
        wrapped = {graph.name: self._wrapped(graph.name, made) for graph in self.artifact.graphs}
        return pipelines.assemble(self.artifact, wrapped).enhance(self.pixels)

    def _wrapped(self, name: str, changes: Mapping[str, Change]) -> Graph:
        """Put a graph behind the changes."""
        graph = next(one for one in self.artifact.graphs if one.name == name)
        pictures = {spec.name: spec for spec in graph.inputs if is_picture(spec)}

        def run(feeds: Mapping[str, NDArray[np.float32]]) -> Mapping[str, NDArray[np.float32]]:
            """Change the pictures and go on."""
            given = dict(feeds)
            for key, spec in pictures.items():
                shown = _shown(given[key], spec)
                self.fed.setdefault(key, shown.copy())
                if key in changes:
                    given[key] = _stored(changes[key](shown), spec)
            return self.graphs[name](given)

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
