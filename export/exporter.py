"""Cut a network into graphs, convert each, write the artifact whole; keep it in a content-addressed cache."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from viewfinder import artifact, files
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import MissingToolError, UsageError
from viewfinder.export import fingerprint, weights
from viewfinder.export.request import Conversion, Cut, ExportRequest, Graph
from viewfinder.task import Task

CACHE = "artifacts"
AUTHOR = "Viewfinder"
ON_REQUEST = frozenset({"coreai", "ncnn", "vulkan"})
"""Formats whose converter is an isolated environment of its own, and those that nothing here runs."""


def export(task: Task, request: ExportRequest, folder: Path) -> Artifact:
    """Write the artifact `folder` (graph files and manifest), whole or not at all.

    Raises:
        UsageError: unknown format, precision or size, weights that do not fit, an operator the format cannot hold.
        MissingToolError: a conversion tool is not installed.
    """
    require_form(task, request.form)
    writer = format_module(request.format)
    if request.precision not in writer.PRECISIONS:
        raise UsageError(
            f"{request.format} cannot be exported with precision {request.precision!r}",
            f"it takes: {', '.join(writer.PRECISIONS)}",
        )
    name, path = weights.locate(task, request.weights)
    tools = fingerprint.versions(writer.TOOLS)
    entry = _entry(task, request, path, tools) if request.use_cache else None
    if entry is not None and artifact.serve(entry, folder):
        return artifact.load(folder)
    made = _describe(task, request, folder, tools)
    made = replace(made, weights=name, weights_sha256=weights.digest(task, path))
    network = weights.load(task, path)
    _convert_all(made, pipeline_module(task.pipeline).cut(task, network, request), writer)
    if entry is not None:
        artifact.copy(folder, entry)
    return artifact.load(folder)


def is_cached(task: Task, request: ExportRequest) -> bool:
    """Tell whether the cache holds what `export` would make, so that no conversion tool has to be started."""
    writer = format_module(request.format)
    _, path = weights.locate(task, request.weights)
    return request.use_cache and _entry(task, request, path, fingerprint.versions(writer.TOOLS)).is_dir()


def format_module(name: str) -> ModuleType:
    """Return the module of a format by its file name."""
    if name not in format_names():
        raise UsageError(f"there is no export format {name!r}", f"choose one of: {', '.join(format_names())}")
    try:
        from viewfinder.export.quiet import quiet

        with quiet():
            return importlib.import_module(f"viewfinder.export.formats.{name}")
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"{name} needs the package {error.name!r}, which is not installed",
            "python -m pip install 'viewfinder[export]'",
        ) from error


def format_names() -> list[str]:
    """List the formats by their file names."""
    return _names("formats")


def default_formats() -> list[str]:
    """List the formats that are made unless some are named."""
    return [name for name in format_names() if name not in ON_REQUEST]


def pipeline_module(name: str) -> ModuleType:
    """Return the module of a pipeline by its file name."""
    known = _names("pipelines")
    if name not in known:
        raise UsageError(f"there is no export pipeline {name!r}", f"choose one of: {', '.join(known)}")
    return importlib.import_module(f"viewfinder.export.pipelines.{name}")


def require_form(task: Task, form: str) -> None:
    """Refuse a form that the task's pipeline does not have; ``auto`` is known without loading it.

    Raises:
        UsageError: the hint lists the forms.
    """
    if form == "auto":
        return
    known = pipeline_module(task.pipeline).FORMS
    if form not in known:
        raise UsageError(f"{task.name} has no form {form!r}", f"choose one of: {', '.join(known)}")


def _names(folder: str) -> list[str]:
    """List the plug-ins in a folder of this package."""
    return sorted(path.stem for path in (Path(__file__).parent / folder).glob("*.py") if not path.stem.startswith("_"))


def cache_clean() -> int:
    """Empty the artifact cache; return the bytes that were freed."""
    folder = files.cache_folder(CACHE)
    if not folder.exists():
        return 0
    freed = files.size_bytes(folder)
    with files.explained(folder):
        shutil.rmtree(folder)
    return freed


def _entry(task: Task, request: ExportRequest, path: Path | None, tools: Mapping[str, str]) -> Path:
    """Name the cache entry by everything that decides the artifact's bytes."""
    parts = {
        "task": [task.name, task.title, task.pipeline, dict(task.pipeline_options), task.licence],
        "specs": [spec.to_dict() for spec in (*task.inputs, *task.outputs)],
        "network": fingerprint.network(task, path, weights.build),
        "weights": weights.locate(task, request.weights)[0],
        "request": request.options(),
        "tools": dict(tools),
        "exporter": fingerprint.exporter_source(),
    }
    return files.cache_folder(CACHE, fingerprint.key(parts))


def _describe(task: Task, request: ExportRequest, folder: Path, tools: Mapping[str, str]) -> Artifact:
    """Fill in what is known before the network is cut."""
    metadata = {
        "author": AUTHOR,
        "licence": task.licence or "not stated",
        "description": f"{task.title} ({task.paper})" if task.paper else task.title,
    }
    return Artifact(
        folder=folder,
        task=task.name,
        format=request.format,
        precision=request.precision,
        pipeline=task.pipeline,
        parameters={},
        graphs=(),
        recipe={"layout": request.layout},
        tools=tools,
        metadata=metadata,
    )


def _convert_all(made: Artifact, cut: Cut, writer: ModuleType) -> None:
    """Write every graph of `cut` and the manifest."""
    metadata = {**made.metadata, "task": made.task, "weights": made.weights, "weights_sha256": made.weights_sha256}
    graphs: list[GraphFile] = []
    listed = [GraphFile(graph.name, graph.name + writer.SUFFIX, graph.inputs, graph.outputs) for graph in cut.graphs]
    with files.new_folder(made.folder) as partial:
        for graph, entry in zip(cut.graphs, listed, strict=True):
            conversion = Conversion(graph, partial / entry.file, made.precision, {**metadata, "graph": graph.name})
            graphs.append(replace(entry, notes=_convert(conversion, writer)))
        complete = replace(made, parameters=cut.parameters, graphs=tuple(graphs))
        artifact.write_manifest(complete, partial)


def _convert(conversion: Conversion, writer: ModuleType) -> dict[str, Any]:
    """Convert one graph silently; a failure names the operator and the way out."""
    from viewfinder.export import refusal
    from viewfinder.export.quiet import quiet

    graph: Graph = conversion.graph
    graph.module.eval()
    with quiet() as captured:
        try:
            notes: dict[str, Any] = writer.convert(conversion)
            failure = None
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - converters raise anything; `refusal` says what it means
            failure = error
    if failure is not None:
        raise refusal.explain(graph, writer.__name__.rpartition(".")[2], failure, captured.text) from failure
    return notes
