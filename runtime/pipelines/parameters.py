"""Read the sizes in a manifest, which is untrusted, and look graphs and tensors up in it."""

from __future__ import annotations

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import BadArtifactError
from viewfinder.task import TensorSpec

LARGEST = 1 << 16
"""No size of a strip, tile or grid comes near it."""


def broken(artifact: Artifact, what: str) -> BadArtifactError:
    """Make the error for a manifest that does not fit its pipeline."""
    return BadArtifactError(
        f"{artifact.folder}: its manifest does not fit {artifact.pipeline}: {what}", "export the model again"
    )


def size(artifact: Artifact, name: str, smallest: int = 1) -> int:
    """Return the whole number `name`, at least `smallest`."""
    value = artifact.parameters.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= LARGEST:
        raise broken(artifact, f"{name} is {value!r}")
    return value


def graph(artifact: Artifact, name: str) -> GraphFile:
    """Return the graph `name`."""
    for candidate in artifact.graphs:
        if candidate.name == name:
            return candidate
    raise broken(artifact, f"it has no graph {name!r}")


def tensor(artifact: Artifact, specs: tuple[TensorSpec, ...], name: str) -> TensorSpec:
    """Return the tensor `name` of `specs`."""
    for spec in specs:
        if spec.name == name:
            return spec
    raise broken(artifact, f"it has no tensor {name!r}")
