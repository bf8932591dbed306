"""An engine on a device: the host's pipeline, with each graph in the device's own Python (`_worker`).

Which words start that Python is the device's business; the caller passes the device, and this module asks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from viewfinder.artifact import GraphFile
from viewfinder.errors import NotVerifiedError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime.engines._process import PROFILER, Interpreter, WorkerRunner, open_in

MODULES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "tflite": ("litert", "ai_edge_litert.interpreter"),
        "onnx": ("onnxruntime", "onnxruntime"),
        "coreml": ("coreml", "coremltools"),
    }
)
"""Engine and module of each format that devices run."""
OLD_RUNTIMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"tflite-runtime": ("tflite-runtime", "tflite_runtime.interpreter")}
)
"""The same of runtimes that only emulated boards have beside today's."""
FORMATS = ("tflite", "onnx")
"""What a device runs that does not say otherwise in ``formats``."""
TIMEOUT_S = 900.0
"""For one run of a graph. Emulated, HDRNet's take about a second; a device that hangs must not hang us."""


class Launch(Protocol):
    """How a device's Python is started from here."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The words up to Python's own command line."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Every variable that it sees."""

    @property
    def native(self) -> bool:
        """Whether it is no Python but a runner that needs no script."""


class Launcher(Protocol):
    """What an engine needs of a device."""

    @property
    def name(self) -> str:
        """Name as on the command line."""

    def problem(self) -> str:
        """Return why the device cannot be used now, or ""."""

    def place(self, path: Path) -> str:
        """Bring a file there, unless it is, and return its name there."""

    def python(self, counts: Path | None = None) -> Launch:
        """Say how to start its Python; with `counts`, so that the plug-in writes there what it counts."""


@dataclass(frozen=True)
class Elsewhere:
    """See `viewfinder.runtime.engines.Engine`.

    Attributes:
        counts: file for the counts between markers; None counts nothing.
    """

    launcher: Launcher
    FORMAT: str
    EVIDENCE: Evidence
    counts: Path | None = None
    timeout_s: float = TIMEOUT_S
    PACKAGE: str = ""
    TOOLCHAIN: str = ""

    def __post_init__(self) -> None:
        """Refuse formats that no device runs.

        Raises:
            UsageError: it is one of them.
        """
        able = getattr(self.launcher, "formats", FORMATS)
        if self.FORMAT not in able:
            name = self.launcher.name
            raise UsageError(f"{name} does not run {self.FORMAT} artifacts", f"it runs: {', '.join(able)}")

    @property
    def NAME(self) -> str:  # noqa: N802 a fact of engines is a constant of their module
        """Name the engine and the device."""
        return f"{self._runtime[0]}@{self.launcher.name}"

    @property
    def _runtime(self) -> tuple[str, str]:
        """Return engine and module: those of the format, unless the device was asked for an old runtime."""
        return OLD_RUNTIMES.get(getattr(self.launcher, "runtime", ""), MODULES[self.FORMAT])

    def probe(self) -> str | None:
        """Return None when the device can be used, else the reason in words."""
        return self.launcher.problem() or None

    def open(self, artifact_path: Path, graph: GraphFile, threads: int) -> WorkerRunner:
        """Load a file on the device; see `viewfinder.runtime.engines.Engine.open`."""
        return self._opened(artifact_path, graph, threads, self._runtime[1])

    def open_profiler(self, artifact_path: Path, graph: GraphFile) -> WorkerRunner:
        """Load a file on the device with the runner's profiler on.

        Raises:
            NotVerifiedError: what runs there has none.
        """
        if not self.launcher.python().native:
            raise NotVerifiedError(
                f"what runs on {self.launcher.name} has no profiler", "ask for operators here, or on a phone"
            )
        return self._opened(artifact_path, graph, 1, PROFILER)

    def _opened(self, artifact_path: Path, graph: GraphFile, threads: int, module: str) -> WorkerRunner:
        """Start what runs there."""
        launch = self.launcher.python(self.counts)
        there = Interpreter(
            tuple(launch.argv),
            launch.environment,
            f" on {self.launcher.name}",
            self.timeout_s,
            self.launcher.place,
            launch.native,
        )
        return open_in(there, module, artifact_path, graph, threads)
