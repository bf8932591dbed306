"""What every engine checks: that arrays and files fit the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.errors import BadArtifactError, UsageError
from viewfinder.task import TensorSpec


def checked(feeds: Mapping[str, NDArray[Any]], graph: GraphFile) -> list[NDArray[Any]]:
    """Return the inputs in the order of the graph, contiguous.

    Raises:
        UsageError: an input is missing, unknown, or has the wrong shape or type.
    """
    found = []
    for spec in graph.inputs:
        array = feeds.get(spec.name)
        if array is None:
            given = ", ".join(feeds) or "nothing"
            raise _bad(graph, f"has no value for its input {spec.name}; it was given {given}")
        if array.shape != spec.shape or array.dtype != spec.dtype:
            raise _bad(graph, f"takes {spec.name} as {_said(spec)}, not {array.dtype} {list(array.shape)}")
        found.append(np.ascontiguousarray(array))
    if len(feeds) != len(graph.inputs):
        unknown = sorted(set(feeds) - {spec.name for spec in graph.inputs})
        raise _bad(graph, f"has no input {', '.join(unknown)}")
    return found


def _said(spec: TensorSpec) -> str:
    """Put a spec into words."""
    return f"{spec.dtype} {list(spec.shape)}"


def _bad(graph: GraphFile, what: str) -> UsageError:
    """Return the error for an input that does not fit."""
    inputs = "; ".join(f"{spec.name} {_said(spec)}" for spec in graph.inputs)
    return UsageError(f"graph {graph.name} ({graph.file}) {what}", f"its inputs are: {inputs}", code="bad-input")


def require_match(path: object, specs: Iterable[TensorSpec], shapes: Mapping[str, Sequence[int]], kind: str) -> None:
    """Compare the manifest's inputs or outputs with what the file has, by name.

    Raises:
        BadArtifactError: a tensor is missing or has another shape.
    """
    for spec in specs:
        if spec.name not in shapes:
            raise BadArtifactError(
                f"{path} has no {kind} {spec.name}; it has {', '.join(shapes) or 'none'}", "export the model again"
            )
        if tuple(shapes[spec.name]) != spec.shape:
            raise BadArtifactError(
                f"{path} has the {kind} {spec.name} {list(shapes[spec.name])}, its manifest says {list(spec.shape)}",
                "export the model again",
            )


def by_name_or_order(specs: Sequence[TensorSpec], names: Sequence[str]) -> list[int]:
    """Return, for every tensor of the manifest, its position in the file.

    A file that kept the names is matched by name; converters that number them keep their order.
    """
    wanted = [spec.name for spec in specs]
    if set(wanted) <= set(names):
        return [list(names).index(name) for name in wanted]
    return list(range(len(specs)))


def damaged(path: object, error: object) -> BadArtifactError:
    """Return the error for a file that its runtime does not load."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return BadArtifactError(
        f"{path} cannot be loaded: {' '.join(lines) or type(error).__name__}",
        "the file is damaged, or was made for another version; export the model again",
    )
