"""What an export is asked for, and what passes between its parts. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from viewfinder.errors import UsageError
from viewfinder.task import TensorSpec

PRECISIONS = ("float", "fp16")
LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True)
class ExportRequest:
    """One artifact to make.

    Attributes:
        format: a module in ``export/formats``.
        precision: ``float``, or ``fp16`` (inputs and outputs stay float32).
        weights: name of the task's weights, or a file (safetensors, or a foreign ``.pt`` with tensors only).
        layout: ``nchw``, or ``nhwc`` for picture inputs with the channels last.
        form: of the graphs, a word that the pipeline knows (of slicing: ``lowering/choose.py``), or ``auto``.
        width, strip_rows: sizes of the strip model; None takes the task's.
        use_cache: serve and keep the artifact in the content-addressed cache.
    """

    format: str
    precision: str = "float"
    weights: str | Path | None = None
    layout: str = "nchw"
    form: str = "auto"
    width: int | None = None
    strip_rows: int | None = None
    use_cache: bool = True

    def __post_init__(self) -> None:
        """Refuse what no format could give."""
        if self.precision not in PRECISIONS:
            raise UsageError(
                f"cannot export with precision {self.precision!r}",
                f"choose one of: {', '.join(PRECISIONS)}; `viewfinder quantize` makes integers of an artifact",
            )
        if self.layout not in LAYOUTS:
            raise UsageError(f"cannot export with layout {self.layout!r}", f"choose one of: {', '.join(LAYOUTS)}")
        for name, size in (("width", self.width), ("strip_rows", self.strip_rows)):
            if size is not None and size < 1:
                raise UsageError(f"{name} is {size}", "give a positive number of pixels")

    def options(self) -> dict[str, Any]:
        """Return what changes the artifact's bytes, as JSON data; weights count by their content instead."""
        return {key: value for key, value in asdict(self).items() if key not in {"weights", "use_cache"}}


@dataclass(frozen=True)
class Graph:
    """One network to convert: a module with example inputs, and what its tensors mean."""

    name: str
    module: Any
    examples: tuple[Any, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Cut:
    """A network cut into graphs by its pipeline."""

    graphs: tuple[Graph, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """One file to write.

    Attributes:
        graph: the network.
        path: the file (or package folder) to write.
        precision: ``float`` or ``fp16``.
        metadata: author, licence, description, task, weights; strings, for the file's own metadata.
        is_rounded: whether the module is a PT2E graph with integers of its own.
    """

    graph: Graph
    path: Path
    precision: str = "float"
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_rounded: bool = False
