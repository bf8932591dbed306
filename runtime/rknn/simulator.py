"""rknn-toolkit2: builds a graph for an NPU, and computes the graph that it built, on this computer."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.engines import _process
from viewfinder.runtime.rknn import log

MISSING = "the toolchain rknn is not installed; viewfinder doctor --install rknn"
TIMEOUT_S = 900.0
"""For building a graph and for one run: half a minute of one core for a strip of HDRNet."""


@dataclass(frozen=True)
class Simulator:
    """See `viewfinder.runtime.engines.Engine`.

    Attributes:
        python: interpreter of the toolchain; None where it is missing.
        platform: as ``rk3588``.
        folder: for compiled files and logs.
        opened: the graphs that were opened.
    """

    python: Path | None
    platform: str
    folder: Path
    opened: set[str] = field(default_factory=set)
    NAME: str = "rknn-simulator"
    FORMAT: str = "onnx"
    EVIDENCE: Evidence = Evidence.REFERENCE
    PACKAGE: str = ""
    TOOLCHAIN: str = "rknn"

    def probe(self) -> str | None:
        """Build and compute one addition; return why that does not work, or None."""
        if self.python is None:
            return MISSING
        if find_spec("torch") is None:
            return "rknn-toolkit2 imports PyTorch; python -m pip install 'viewfinder[export]'"
        return tiny.tried(
            "rknn-toolkit2",
            tiny.write_onnx,
            lambda path, graph: Simulator(self.python, self.platform, path.parent).open(path, graph, 1),
        )

    def open(self, artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:
        """Build a file; see `viewfinder.runtime.engines.Engine.open`."""
        self.opened.add(graph.name)
        torch = find_spec("torch")
        variables = {
            **os.environ,
            "VIEWFINDER_RKNN_TORCH": str(Path(str(torch.origin if torch else "")).parents[1]),
            "VIEWFINDER_RKNN_PLATFORM": self.platform,
            "VIEWFINDER_RKNN_FILE": str(self.compiled(graph.name)),
            "VIEWFINDER_RKNN_LOG": str(self.folder / f"{graph.name}.log"),
        }
        there = _process.Interpreter((str(self.python), "-I"), variables, f" for {self.platform}", TIMEOUT_S)
        return _process.open_in(there, "rknn", artifact_path, graph, threads)

    def compiled(self, name: str) -> Path:
        """Return the file that was compiled of a graph."""
        return self.folder / f"{name}.rknn"

    def built(self) -> dict[str, log.Built]:
        """Read what the compiler said about the graphs that were opened."""
        return {name: log.read((self.folder / f"{name}.log").read_text(errors="replace")) for name in self.opened}
