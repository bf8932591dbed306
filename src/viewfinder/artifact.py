"""A compiled model on disk: a folder with one file per graph and a ``manifest.json`` that says what they are.

Artifacts are untrusted input: `load` checks every hash before anything else touches a file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.errors import BadArtifactError
from viewfinder.task import TensorSpec

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class GraphFile:
    """One executable graph of an artifact."""

    name: str
    file: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sha256: str = ""
    size_bytes: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the exporter measured: transposes, operators left to the CPU, MACs."""

    def to_dict(self) -> dict[str, Any]:
        """Return the graph as JSON data."""
        return {
            "name": self.name,
            "file": self.file,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "inputs": [spec.to_dict() for spec in self.inputs],
            "outputs": [spec.to_dict() for spec in self.outputs],
            "notes": dict(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GraphFile:
        """Read a graph that `to_dict` made."""
        specs = {key: tuple(TensorSpec.from_dict(spec) for spec in data[key]) for key in ("inputs", "outputs")}
        return cls(**dict(data) | specs)


@dataclass(frozen=True)
class Artifact:
    """A model in one format, as a folder of graphs.

    Attributes:
        folder: where it lies; not part of the manifest.
        task: name of the task.
        weights: name of the weights, and ``weights_sha256`` of their file.
        format: ``onnx``, ``tflite``, ``coreml``, ``executorch``, ...
        precision: ``float``, ``fp16``, ``w8``, ...
        pipeline: module in ``runtime/pipelines`` that runs it; ``parameters`` are its sizes.
        parent_sha256: hash of the artifact it was made from (quantization), or None.
        tools: versions of what made it.
        metadata: author, licence, description.
    """

    folder: Path
    task: str
    format: str
    precision: str
    pipeline: str
    parameters: Mapping[str, Any]
    graphs: tuple[GraphFile, ...]
    weights: str = ""
    weights_sha256: str = ""
    parent_sha256: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Identity of the artifact: the hash of its manifest, which holds the hash of every file."""
        import hashlib

        return hashlib.sha256(self.manifest_text().encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes of all graph files together."""
        return sum(graph.size_bytes for graph in self.graphs)

    def path(self, graph: GraphFile) -> Path:
        """Where the file of `graph` lies."""
        return self.folder / graph.file

    def manifest_text(self) -> str:
        """Return the manifest as JSON with sorted keys; the same artifact gives the same bytes."""
        data = {key: value for key, value in vars(self).items() if key not in {"folder", "graphs"}}
        data = {key: dict(value) if isinstance(value, Mapping) else value for key, value in data.items()}
        graphs = [graph.to_dict() for graph in self.graphs]
        return json.dumps({"schema_version": SCHEMA_VERSION, **data, "graphs": graphs}, indent=2, sort_keys=True) + "\n"


@contextmanager
def writing(artifact: Artifact) -> Iterator[Path]:
    """Give a folder to write the graph files into; hashes, sizes and the manifest follow when the block ends well.

    The artifact's own folder appears whole or not at all.
    """
    with files.new_folder(artifact.folder) as partial:
        yield partial
        write_manifest(artifact, partial)


def write_manifest(artifact: Artifact, folder: Path) -> None:
    """Write the manifest of graph files that lie in `folder`, with their hashes and sizes."""
    (folder / MANIFEST).write_text(_with_hashes(artifact, folder).manifest_text(), encoding="utf-8")


def _with_hashes(artifact: Artifact, folder: Path) -> Artifact:
    """Fill in the hash and the size of every graph file in `folder`."""
    graphs = [
        replace(graph, sha256=files.sha256(folder / graph.file), size_bytes=files.size_bytes(folder / graph.file))
        for graph in artifact.graphs
    ]
    return replace(artifact, folder=folder, graphs=tuple(graphs))


def find(path: Path) -> list[Path]:
    """List the artifact folders at or below `path`; `path` may also be a manifest."""
    if path.name == MANIFEST:
        return [path.parent]
    return sorted({manifest.parent for manifest in path.rglob(MANIFEST) if _is_artifact(manifest)})


def _is_artifact(manifest: Path) -> bool:
    """Tell an artifact's manifest from a Core ML package's or a build's own."""
    try:
        return "graphs" in json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def load(path: Path, *, parent: Artifact | None = None) -> Artifact:
    """Read an artifact folder (or its manifest) and check every hash.

    Raises:
        BadArtifactError: no manifest, an unknown schema, a changed or missing file, or a parent that does not match.
    """
    folder = path.parent if path.name == MANIFEST else path
    artifact = _parse(folder)
    for graph in artifact.graphs:
        _check(artifact, graph)
    if parent is not None and artifact.parent_sha256 != parent.sha256:
        raise BadArtifactError(
            f"{folder / MANIFEST} names the parent {artifact.parent_sha256}, but {parent.folder} is {parent.sha256}",
            "make the artifact again from this parent, or name the right one",
        )
    return artifact


def copy(source: Path, target: Path) -> None:
    """Copy an artifact folder, whole or not at all."""
    with files.new_folder(target) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)


def serve(entry: Path, folder: Path) -> bool:
    """Copy a cache entry to `folder`; an entry that is missing or damaged is not served."""
    try:
        load(entry)
    except BadArtifactError:
        return False
    copy(entry, folder)
    return True


def _parse(folder: Path) -> Artifact:
    """Read the manifest alone."""
    manifest = folder / MANIFEST
    again = "export the model again"
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
        version = data.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise BadArtifactError(
                f"{manifest} has schema version {version}; this viewfinder reads {SCHEMA_VERSION}",
                "export the model again, or use the viewfinder that made it",
            )
        graphs = tuple(GraphFile.from_dict(graph) for graph in data.pop("graphs"))
        return Artifact(folder=folder, graphs=graphs, **data)
    except FileNotFoundError:
        raise BadArtifactError(f"{folder} has no {MANIFEST}: it is not an artifact", again) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadArtifactError(f"{manifest} cannot be read as a manifest: {error}", again) from error


def _check(artifact: Artifact, graph: GraphFile) -> None:
    """Compare one file with its hash; file names must stay inside the folder."""
    path = artifact.path(graph)
    if Path(graph.file).name != graph.file or not path.exists():
        raise BadArtifactError(f"{artifact.folder} has no file {graph.file!r}", "export the model again")
    found = files.sha256(path)
    if found != graph.sha256:
        raise BadArtifactError(
            f"{path} does not match its manifest: sha256 is {found[:12]}..., expected {graph.sha256[:12]}...",
            "the file was changed or damaged; export the model again",
        )
