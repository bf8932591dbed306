"""Make a model ready to run photographs: as an artifact in an engine, or as the PyTorch network itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from viewfinder import artifact, models
from viewfinder.artifact import MANIFEST, Artifact
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.photos import Array, Pixels
from viewfinder.task import BURST

if TYPE_CHECKING:
    from viewfinder.runtime.engines import Engine

TORCH = "torch"
DEFAULT_ENGINE = "tflite"
_BAND_ROWS = 256


class PhotoRunner(Protocol):
    """Anything that enhances photographs (``runtime.pipelines.PhotoRunner``)."""

    def enhance(self, pixels: Pixels | Array) -> Array:
        """Return float32 in 0..1, not rounded."""

    def process(self, pixels: Pixels, on_progress: Callable[[float], None] | None = None) -> Pixels:
        """Return the type of `pixels`, rounded."""


@dataclass(frozen=True)
class Options:
    """How a task is made ready; an artifact has its own weights and precision."""

    weights: str | None = None
    precision: str = "float"
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse a number of threads that nothing can run with."""
        if self.threads < 1:
            raise UsageError(f"{self.threads} threads", "give at least 1")


@dataclass(frozen=True)
class Ready:
    """A model that is loaded, and what it runs in."""

    runner: Any
    """A `PhotoRunner`; of a network that merges bursts, something with ``merge(frames, on_progress)``."""
    engine: str
    evidence: str
    artifact_sha256: str = ""


@contextmanager
def ready(model: str, engine: str | None, options: Options) -> Iterator[Ready]:
    """Load `model` (a task's name, ``path/to/file.py:TASK`` or an artifact's folder) into `engine`.

    A task is exported first, which the cache serves the second time, into a folder that lives as long as the block.

    Raises:
        UsageError: an unknown model, or an engine for another format.
        MissingToolError: the engine cannot run here, or a task is named where nothing is installed that exports it.
    """
    folder = _artifact_folder(model)
    if engine == TORCH:
        if folder is not None:
            raise UsageError(
                f"{model} is an artifact, and torch runs networks", "name the model instead of the artifact"
            )
        yield _torch(model, options)
        return
    if folder is not None:
        yield _loaded(artifact.load(folder), engine, options)
        return
    with tempfile.TemporaryDirectory(prefix="viewfinder-") as work:
        yield _loaded(_export(model, engine or DEFAULT_ENGINE, options, Path(work)), engine or DEFAULT_ENGINE, options)


def _artifact_folder(model: str) -> Path | None:
    """Return the folder if `model` names an artifact (or its manifest), None if it names a task.

    A model's name is the model, also where a folder is called so: ``./hdrnet`` is the folder.
    """
    path = Path(model).expanduser()
    if path.name == MANIFEST and path.is_file():
        return path.parent
    return path if path.is_dir() and model not in models.names() else None


def _engine(name: str) -> Engine:
    """Return an engine that can run here, with the interpreter of its toolchain if it has one."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines

    toolchain = engines.toolchain_of(name)
    engine = engines.load(name, toolchains.python(toolchain) if toolchain else None)
    engines.require(engine)
    return engine


def _loaded(made: Artifact, engine: str | None, options: Options) -> Ready:
    """Load an artifact into the engine named, or the one for its format."""
    from viewfinder.runtime import pipelines

    name = engine or made.format
    module = _engine(name)
    if made.format != module.FORMAT:
        raise UsageError(
            f"{made.folder} is {made.format}, and the engine {name} runs {module.FORMAT}", "leave --engine out"
        )
    runner = pipelines.open(made, module, options.threads)
    return Ready(runner, name, str(module.EVIDENCE), made.sha256)


def _missing(model: str, error: ImportError) -> MissingToolError:
    """Say what a task needs that an artifact does not."""
    return MissingToolError(
        f"{model} has to be exported first, and {error.name or error} is not installed",
        "pip install 'viewfinder[export]', or name the folder of an artifact instead of the model",
    )


def _export(model: str, engine: str, options: Options, work: Path) -> Artifact:
    """Export a task in the format of `engine`, into a folder below `work`."""
    task, module = models.load(model), _engine(engine)
    try:
        from viewfinder.export import exporter
        from viewfinder.export.request import ExportRequest

        request = ExportRequest(module.FORMAT, options.precision, options.weights)
        return exporter.export(task, request, work / f"{module.FORMAT}-{options.precision}")
    except ImportError as error:
        raise _missing(model, error) from error


class _ReferenceRows:
    """The PyTorch network as a pipeline of one whole picture, handed on in bands."""

    def __init__(self, enhance: Callable[[Pixels | Array], Array], scale: int) -> None:
        """Run `enhance`, which gives `scale` times the rows and columns."""
        self._enhance, self.scale = enhance, scale

    def __call__(self, pixels: Pixels | Array) -> Iterator[Array]:
        """Yield the enhanced rows."""
        enhanced = self._enhance(pixels)
        for top in range(0, len(enhanced), _BAND_ROWS):
            yield enhanced[top : top + _BAND_ROWS]


def _torch(model: str, options: Options) -> Ready:
    """Load the PyTorch network."""
    from viewfinder.runtime import pipelines

    if options.precision != "float":
        raise UsageError(f"torch runs {model} in float, not in {options.precision}", "leave --precision out")
    task = models.load(model)
    try:
        from viewfinder.export import reference as reference_module

        reference = reference_module.Reference(task, options.weights)
    except ImportError as error:
        raise _missing(model, error) from error
    if task.pipeline == BURST:
        return Ready(reference, TORCH, str(Evidence.MEASURED))
    rows = _ReferenceRows(reference.enhance, int(task.pipeline_options.get("scale", 1)))
    return Ready(pipelines.PhotoRunner(rows), TORCH, str(Evidence.MEASURED))
