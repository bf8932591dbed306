"""ncnn, whose shaders apps ship to phones, on a software Vulkan driver: the second way to an Android GPU."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.engines import ncnn
from viewfinder.runtime.gpu.litert import MISSING as NO_DRIVER
from viewfinder.runtime.gpu.log import Said
from viewfinder.runtime.htp.compiler import FallbackError, Refused

MISSING = "the toolchain ncnn is not installed; viewfinder doctor --install ncnn"
_WHY = "ncnn has no shader for it"


@dataclass(frozen=True)
class NcnnGpu:
    """See `viewfinder.runtime.engines.Engine`.

    Attributes:
        python: interpreter of the toolchain; None where it is missing.
        environment: the variables with the driver (`viewfinder.devices.toolchains.vulkan`); None where it is missing.
        precision: ``fp32``, or ``fp16``: stored and computed.
        folder: for what ncnn says about its layers.
        most: operators of a graph that may run on the CPU.
        said: of every graph that was opened, by its name.
    """

    python: Path | None
    environment: Mapping[str, str] | None
    precision: str
    folder: Path
    most: int = 0
    said: dict[str, Path] = field(default_factory=dict)
    FORMAT: str = ncnn.FORMAT
    EVIDENCE: Evidence = Evidence.EMULATED
    PACKAGE: str = ""
    TOOLCHAIN: str = ncnn.TOOLCHAIN

    @property
    def NAME(self) -> str:  # noqa: N802 a fact of engines is a constant of their module
        """Name the engine and the precision."""
        return f"ncnn-gpu-{self.precision}"

    def probe(self) -> str | None:
        """Run one operator on the driver; return why that does not work, or None."""
        if self.python is None:
            return MISSING
        if self.environment is None:
            return NO_DRIVER
        return tiny.tried(
            "ncnn on the GPU",
            tiny.write_ncnn,
            lambda path, graph: self._opened(path, graph, path.with_suffix(".json"), 1),
        )

    def open(self, artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:
        """Load a folder and compile its shaders; see `viewfinder.runtime.engines.Engine.open`.

        Raises:
            FallbackError: more operators would run on the CPU than may.
        """
        self.said[graph.name] = path = self.folder / f"{graph.name}-{self.precision}.json"
        runner = self._opened(artifact_path, graph, path, threads)
        placed = _read(path)
        if placed.on_cpu > self.most:
            raise FallbackError(
                f"{placed.on_cpu} operators of {graph.name} would run on the CPU: {'; '.join(map(str, placed.fallen))}",
                "write the operator another way; ncnn's documentation lists the layers that have a shader",
                placed.fallen,
            )
        return runner

    def _opened(self, path: Path, graph: GraphFile, placed: Path, threads: int) -> engines.Runner:
        """Start a process with the driver."""
        there = ncnn.on_gpu(Path(str(self.python)), self.environment or {}, self.precision, placed)
        return ncnn.start(there, path, graph, threads)

    def placed(self, _made: Artifact) -> dict[str, Said]:
        """Return what ncnn said about the graphs that were opened."""
        return {name: _read(path) for name, path in self.said.items()}


def _read(path: Path) -> Said:
    """Read which layers have a shader."""
    found = json.loads(path.read_text(encoding="utf-8"))
    fallen = tuple(Refused(kind, f"{count} of them", _WHY) for kind, count in sorted(found["cpu"].items()))
    return Said(found["driver"], fallen, sum(found["cpu"].values()), (), found["gpu"])
