"""``viewfinder inspect``: what stands in a model, an artifact or a model file, without running it on a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import artifact, files, models
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import UsageError
from viewfinder.runtime import graphs
from viewfinder.runtime.graphs import Contents, Tensor


@dataclass(frozen=True)
class GraphFacts:
    """A model file: what it is on disk and what stands in it."""

    name: str
    format: str
    size_bytes: int
    sha256: str
    contents: Contents
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the exporter noted in the manifest."""

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON data."""
        return {**vars(self), "contents": self.contents.to_dict(), "notes": dict(self.notes)}


@dataclass(frozen=True)
class Inspection:
    """What was looked at: a ``model``, an ``artifact`` or a ``file``.

    Attributes:
        facts: of the whole: task, weights, recipe, tools, hashes; for a model also its layers.
        graphs: one entry per graph file.
    """

    kind: str
    name: str
    facts: Mapping[str, Any]
    graphs: tuple[GraphFacts, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the inspection as JSON data."""
        return {**vars(self), "facts": dict(self.facts), "graphs": [graph.to_dict() for graph in self.graphs]}


def inspect(subject: str) -> list[Inspection]:
    """Look into `subject`: a model name, ``file.py:TASK``, an artifact, a folder of artifacts, or a bare model file.

    Raises:
        BadArtifactError: a hash does not match, or a file is not what its suffix says.
        UsageError: nothing like that is there.
    """
    if subject in models.names():
        return [_model(subject)]
    path = Path(subject)
    if path.suffix in graphs.formats():
        return [Inspection("file", subject, {}, (_file(path.stem, path),))]
    if path.name == artifact.MANIFEST or path.is_dir():
        found = artifact.find(path)
        if not found:
            raise UsageError(f"there is no artifact in {path}", "an artifact is a folder with a manifest.json")
        return [_artifact(artifact.load(folder)) for folder in found]
    return [_model(subject)]


def _file(name: str, path: Path) -> GraphFacts:
    """Look into a model file."""
    contents = graphs.read(path)
    return GraphFacts(name, graphs.format_of(path), files.size_bytes(path), files.sha256(path), contents)


def _artifact(found: Artifact) -> Inspection:
    """Look into every graph of an artifact whose hashes have been checked."""
    facts = {
        "sha256": found.sha256,
        "format": found.format,
        "precision": found.precision,
        "task": found.task,
        "weights": found.weights,
        "weights_sha256": found.weights_sha256,
        "parent_sha256": found.parent_sha256,
        "pipeline": found.pipeline,
        "parameters": dict(found.parameters),
        "recipe": dict(found.recipe),
        "size_bytes": found.size_bytes,
        "tools": dict(found.tools),
        "metadata": dict(found.metadata),
    }
    return Inspection("artifact", str(found.folder), facts, tuple(_graph(found, graph) for graph in found.graphs))


def _graph(found: Artifact, graph: GraphFile) -> GraphFacts:
    """Look into one graph; its hash is the manifest's, which has just been checked."""
    path = found.path(graph)
    contents = graphs.read(path) if path.suffix in graphs.formats() else _noted(graph)
    return GraphFacts(graph.name, found.format, graph.size_bytes, graph.sha256, contents, graph.notes)


def _noted(graph: GraphFile) -> Contents:
    """Say what the exporter wrote down of a file whose format only its vendor's tools read, as Core AI's."""
    inputs, outputs = (
        tuple(Tensor(spec.name, spec.shape, spec.dtype) for spec in specs) for specs in (graph.inputs, graph.outputs)
    )
    return Contents(inputs, outputs, graph.notes.get("operators", {}), macs=None, transposes=None, weights_bytes=None)


def _model(name: str) -> Inspection:
    """Build the network with its initial values and count."""
    from viewfinder.train.summary import summary
    from viewfinder.verbs.models import describe

    task = models.load(name)
    tensors = {"inputs": [spec.to_dict() for spec in task.inputs], "outputs": [spec.to_dict() for spec in task.outputs]}
    hashes = {weights: files.sha256(path) for weights, path in task.weights.items() if path.is_file()}
    counted = asdict(summary(task))
    return Inspection("model", task.name, {**describe(task).to_dict(), **tensors, "sha256": hashes, **counted})
