"""What runs a graph of an artifact: one module per runtime; its file name, with hyphens, is its name for users.

An engine is pure: it says whether it can run here, and turns a file into a function from arrays to arrays. Where a
toolchain's environment lies is not its business; the caller passes the interpreter (`load`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, cast

from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.measurement import Evidence

if TYPE_CHECKING:
    from viewfinder.runtime.engines._elsewhere import Launcher

Arrays = Mapping[str, NDArray[Any]]

_DEFAULTS = {
    "tflite": "litert",
    "onnx": "onnxruntime",
    "coreml": "coreml",
    "executorch": "executorch",
    "qnn": "qnn",
    "coreai": "coreai",
    "ncnn": "ncnn",
}
"""Engine of each format unless another is asked for; a format's name is an alias of it."""


class Runner(Protocol):
    """A graph, loaded."""

    def __call__(self, feeds: Arrays, /) -> dict[str, NDArray[Any]]:
        """Compute the outputs by name, as new float32 arrays.

        The arrays in `feeds` are read before the call returns and may be reused for the next one.

        Raises:
            UsageError: an input is missing, or has another shape or type than the manifest says.
        """


class Engine(Protocol):
    """A module in this folder.

    Attributes:
        NAME: as on the command line.
        FORMAT: artifact format that it runs.
        EVIDENCE: what its numbers are.
        PACKAGE: what ``python -m pip install`` takes, or "" when nothing has to be installed.
        TOOLCHAIN: isolated environment that it needs, or "".

    An engine may also say ``PARALLEL = True``: several of its runners may compute at the same time, in threads of one
    process, so that N threads are better spent on N strips or tiles than inside one (`pipelines.lanes`).
    """

    NAME: str
    FORMAT: str
    EVIDENCE: Evidence
    PACKAGE: str
    TOOLCHAIN: str

    def probe(self) -> str | None:
        """Return None when the engine can run here, else the reason in words."""

    def open(self, artifact_path: Path, graph: GraphFile, threads: int, /) -> Runner:
        """Load the file of one graph.

        Args:
            artifact_path: file or folder of the graph; its hash has been checked.
            graph: names, shapes and types of its inputs and outputs.
            threads: for the computation.

        Raises:
            MissingToolError: the engine is not installed.
            BadArtifactError: the file is damaged or does not match `graph`.
            NotVerifiedError: the file is sound, but this engine cannot run it.
        """


def names() -> list[str]:
    """List the engines, sorted."""
    found = (module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    return sorted(name.replace("_", "-") for name in found)


def load(name: str, python: Path | None = None) -> Engine:
    """Import an engine by its name or by the format that it is the default of.

    Args:
        name: as on the command line.
        python: interpreter of the engine's toolchain, for engines that have a ``TOOLCHAIN``.

    Raises:
        UsageError: no engine has this name.
    """
    own = _DEFAULTS.get(name, name)
    if own not in names():
        known = ", ".join([*names(), *(alias for alias in _DEFAULTS if alias not in names())])
        raise UsageError(f"there is no engine {name!r}", f"choose one of: {known}", code="no-such-engine")
    module = importlib.import_module(f"{__name__}.{own.replace('-', '_')}")
    return cast("Engine", module if python is None else _Isolated(module, python))


def for_format(artifact_format: str) -> Engine:
    """Return the default engine of an artifact format.

    Raises:
        UsageError: no engine runs this format.
    """
    if artifact_format not in _DEFAULTS:
        raise UsageError(
            f"no engine runs {artifact_format} artifacts", f"there are engines for: {', '.join(_DEFAULTS)}"
        )
    return load(artifact_format)


def toolchain_of(name: str) -> str:
    """Return the isolated environment that an engine needs, or ""."""
    return load(name).TOOLCHAIN


def on(device: Launcher, artifact_format: str, evidence: Evidence, counts: Path | None = None) -> Engine:
    """Return the engine that runs an artifact format on a device, graph by graph, fed from here.

    Args:
        device: says how its Python is started.
        artifact_format: of the artifact.
        evidence: what the device's numbers are.
        counts: file for what the device counts between markers; None counts nothing.

    Raises:
        UsageError: no device runs this format.
    """
    from viewfinder.runtime.engines._elsewhere import Elsewhere

    return cast("Engine", Elsewhere(device, artifact_format, evidence, counts))


def require(engine: Engine) -> None:
    """Check that an engine can run here.

    Raises:
        MissingToolError: it cannot; the hint is the command that mends it.
    """
    reason = engine.probe()
    if reason is None:
        return
    raise MissingToolError(f"the engine {engine.NAME} cannot run here: {reason}", remedy(engine))


def remedy(engine: Engine) -> str:
    """Return the command that installs what an engine needs."""
    if engine.TOOLCHAIN:
        return f"viewfinder doctor --install {engine.TOOLCHAIN}"
    return f"python -m pip install {engine.PACKAGE}" if engine.PACKAGE else "viewfinder doctor"


@dataclass(frozen=True)
class _Isolated:
    """An engine together with the interpreter of its toolchain."""

    module: Any
    python: Path

    def __getattr__(self, key: str) -> Any:
        """Read the engine's facts."""
        return getattr(self.module, key)

    def probe(self) -> str | None:
        """Ask whether the toolchain is usable."""
        return cast("str | None", self.module.probe(self.python))

    def open(self, artifact_path: Path, graph: GraphFile, threads: int) -> Runner:
        """Load a file in the toolchain's interpreter."""
        return cast("Runner", self.module.open(artifact_path, graph, threads, python=self.python))
