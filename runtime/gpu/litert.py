"""LiteRT's GPU accelerator (ML Drift), which generates a phone's shaders, on a software Vulkan driver."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import NotVerifiedError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, graphs, tiny
from viewfinder.runtime.engines import _process
from viewfinder.runtime.gpu import log
from viewfinder.runtime.htp.compiler import FallbackError

FP32, FP16 = "fp32", "fp16"
PRECISIONS = (FP32, FP16)
MISSING = "the toolchain lavapipe is not installed; viewfinder doctor --install lavapipe"
MODULE = "ai_edge_litert.compiled_model"
TIMEOUT_S = 300.0
"""For loading a file and for one run: shaders of a burst network are compiled for about a minute on one core."""


@dataclass(frozen=True)
class LitertGpu:
    """See `viewfinder.runtime.engines.Engine`.

    Attributes:
        environment: the variables with the driver (`viewfinder.devices.toolchains.vulkan`); None where it is missing.
        precision: `FP16`, what phones compute in unless asked otherwise, or `FP32`.
        folder: for logs.
        most: operators of a graph that may run on the CPU.
        said: of every graph that was opened, by its name.
    """

    environment: Mapping[str, str] | None
    precision: str
    folder: Path
    most: int = 0
    said: dict[str, Path] = field(default_factory=dict)
    FORMAT: str = "tflite"
    EVIDENCE: Evidence = Evidence.EMULATED
    PACKAGE: str = "'ai-edge-litert>=2.3,<2.4'"
    TOOLCHAIN: str = "lavapipe"

    @property
    def NAME(self) -> str:  # noqa: N802 a fact of engines is a constant of their module
        """Name the engine and the precision."""
        return f"litert-gpu-{self.precision}"

    def probe(self) -> str | None:
        """Run one operator on the driver; return why that does not work, or None."""
        if self.environment is None:
            return MISSING
        reason = engines.load("litert").probe()
        if reason is not None:
            return reason
        return tiny.tried(
            "the GPU accelerator", tiny.write, lambda path, graph: self._opened(path, graph, path.with_suffix(".log"))
        )

    def open(self, artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:  # noqa: ARG002 the driver's
        """Compile a file for the GPU; see `viewfinder.runtime.engines.Engine.open`.

        Raises:
            FallbackError: more operators would run on the CPU than may.
        """
        self.said[graph.name] = path = self.folder / f"{graph.name}-{self.precision}.log"
        try:
            return self._opened(artifact_path, graph, path)
        except NotVerifiedError:
            found = log.read(path.read_text(encoding="utf-8", errors="replace") if path.exists() else "")
            if not found.fallen:
                raise
            if found.on_cpu <= self.most:
                return self._opened(artifact_path, graph, path, beside_cpu=True)
            raise FallbackError(
                f"{found.on_cpu} operators of {graph.name} would run on the CPU: {'; '.join(map(str, found.fallen))}",
                "write the operator another way; of slicing, GPUs take the tent form (export --form tent)",
                found.fallen,
            ) from None

    def placed(self, made: Artifact) -> dict[str, log.Said]:
        """Read the logs of the graphs that were opened; operators are counted in their files."""
        files = {graph.name: made.path(graph) for graph in made.graphs}
        found = {name: log.read(path.read_text(errors="replace")) for name, path in self.said.items()}
        counts = {name: sum(graphs.read(files[name]).operators.values()) for name in found}
        return {name: replace(one, on_gpu=counts[name] - one.on_cpu) for name, one in found.items()}

    def _opened(self, path: Path, graph: GraphFile, said: Path, *, beside_cpu: bool = False) -> engines.Runner:
        """Start a process with the driver."""
        variables = {
            **(self.environment or {}),
            "VIEWFINDER_GPU_FP32": str(int(self.precision == FP32)),
            "VIEWFINDER_GPU_BESIDE_CPU": str(int(beside_cpu)),
            "VIEWFINDER_GPU_LOG": str(said),
        }
        there = _process.Interpreter((sys.executable, "-I"), variables, " on the GPU accelerator", TIMEOUT_S)
        return _process.open_in(there, MODULE, path, graph, 1)
