"""``viewfinder export``: from a PyTorch network to artifacts, with the golden pictures they are compared with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import demo, files, golden, models, photos
from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.export import exporter, golden_writer
from viewfinder.export.request import ExportRequest
from viewfinder.task import PHOTOGRAPHS, Task

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        model: a shipped name or ``path/to/file.py:TASK``.
        formats: names of formats; empty takes all but those that need a toolchain of their own.
        output: folder that will hold ``FORMAT-PRECISION/`` and ``golden.npz``; None takes ``build/MODEL/export``.
        weights: name of the model's weights or a file; None takes the model's default.
        width, strip_rows: sizes of the strip model (of the tile, for tiles); None takes the model's.
        photos: photographs (files or folders) for the golden pictures; empty takes those of the package.
        write_golden: whether to write golden pictures at all.
    """

    model: str
    formats: tuple[str, ...] = ()
    precision: str = "float"
    output: Path | None = None
    weights: str | None = None
    layout: str = "nchw"
    form: str = "auto"
    width: int | None = None
    strip_rows: int | None = None
    photos: tuple[Path, ...] = ()
    write_golden: bool = True
    use_cache: bool = True


@dataclass(frozen=True)
class ExportResult:
    """What was written."""

    artifacts: tuple[Artifact, ...]
    golden: Path | None
    seconds: dict[str, float] = field(default_factory=dict)
    """Artifact folder name to seconds; a fraction of one where the cache served it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "golden": str(self.golden) if self.golden else None,
            "artifacts": [_summary(made, self.seconds[made.folder.name]) for made in self.artifacts],
        }


def _summary(made: Artifact, seconds: float) -> dict[str, Any]:
    """Describe one artifact as JSON data."""
    return {
        "folder": str(made.folder),
        "sha256": made.sha256,
        "format": made.format,
        "precision": made.precision,
        "weights": made.weights,
        "size_bytes": made.size_bytes,
        "seconds": round(seconds, 2),
        "graphs": {graph.name: dict(graph.notes) for graph in made.graphs},
    }


def export(options: ExportOptions, progress: Progress | None = None) -> ExportResult:
    """Export a model to every format asked for; each artifact appears whole or not at all.

    Raises:
        UsageError: no such model, weights, format or precision, or an operator that a format cannot hold.
        MissingToolError: a conversion tool is not installed.
    """
    say = progress or _silent
    task = models.load(options.model)
    names = options.formats or tuple(exporter.default_formats())
    requests = [_request(options, name) for name in names]
    for name in names:
        if name not in exporter.format_names():
            raise UsageError(
                f"there is no export format {name!r}", f"choose one of: {', '.join(exporter.format_names())}"
            )
    folder = options.output or Path("build") / task.name / "export"
    artifacts, seconds = [], {}
    for request in requests:
        name, start = f"{request.format}-{request.precision}", time.perf_counter()
        say(f"exporting {task.name} to {name}")
        artifacts.append(exporter.export(task, request, folder / name))
        seconds[name] = time.perf_counter() - start
    written = write_golden(options, folder / golden.FILE, progress) if options.write_golden else None
    return ExportResult(tuple(artifacts), written, seconds)


def write_golden(options: ExportOptions, path: Path, progress: Progress | None = None) -> Path:
    """Write the golden pictures of a model alone: photographs, float output, and truth where an operator is known."""
    task = models.load(options.model)
    listed = tuple(photos.find(list(options.photos))) if options.photos else tuple(demo.photos())
    _check_names(listed)
    name, operator, source = _operator(task, options.weights)
    make, own_source = _maker(task, options.weights)
    request = golden_writer.GoldenRequest(
        photos=listed,
        weights=options.weights,
        operator_name=name,
        operator=operator,
        operator_source=own_source or source,
        make=make,
        use_cache=options.use_cache,
        progress=progress or _silent,
    )
    return golden_writer.write(task, request, path)


def _request(options: ExportOptions, file_format: str) -> ExportRequest:
    """Make the exporter's request for one format."""
    return ExportRequest(
        format=file_format,
        precision=options.precision,
        weights=options.weights,
        layout=options.layout,
        form=options.form,
        width=options.width,
        strip_rows=options.strip_rows,
        use_cache=options.use_cache,
    )


def _operator(task: Task, weights: str | None) -> tuple[str, golden_writer.Operator | None, str]:
    """Return name, function and source hash of the operator that the weights imitate, if it is one of the package's."""
    name = task.operators.get(weights or task.default_weights, "")
    if not name:
        return "", None, ""
    import importlib

    from viewfinder.train import operators

    folder = Path(str(operators.__file__)).parent
    module = name.replace("-", "_")
    if not (folder / f"{module}.py").is_file():
        return "", None, ""
    apply: golden_writer.Operator = importlib.import_module(f"viewfinder.train.operators.{module}").apply
    return name, apply, files.sha256(folder / f"{module}.py")


def _maker(task: Task, weights: str | None) -> tuple[golden_writer.Maker | None, str]:
    """Return what makes samples of photographs, with the hash of its source; None where photographs are the samples."""
    if task.samples == PHOTOGRAPHS:
        return None, ""
    import importlib

    from viewfinder import bursts
    from viewfinder.train import samples

    folder = Path(str(samples.__file__)).parent
    known = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if task.samples not in known:
        raise UsageError(
            f"{task.name} asks for samples {task.samples!r}, which nothing makes",
            f"choose one of: {', '.join((PHOTOGRAPHS, *known))}",
        )
    module = importlib.import_module(f"viewfinder.train.samples.{task.samples}")
    parts = [folder / f"{task.samples}.py", *sorted((folder.parent / "camera").glob("*.py"))]
    parts += sorted(Path(str(bursts.__file__)).parent.glob("*.py"))  # they prepare the network's input
    source = " ".join(files.sha256(path) for path in parts)
    return (lambda name, pixels: module.make(name, pixels, weights or task.default_weights)), source


def _check_names(listed: tuple[Path, ...]) -> None:
    """Refuse an empty list and two photographs of one name, which could not be told apart in a report."""
    if not listed:
        raise UsageError("there are no photographs to compare on", "name files or folders with --photos")
    seen: dict[str, Path] = {}
    for path in listed:
        if path.stem in seen:
            raise UsageError(f"{seen[path.stem]} and {path} have the same name {path.stem!r}", "rename one of them")
        seen[path.stem] = path


def _silent(_line: str) -> None:
    """Tell nobody."""
