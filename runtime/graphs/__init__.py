"""What stands in a model file, read without running it. One file per format; its name is the format's."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.errors import BadArtifactError, UsageError, ViewfinderError

MACS_DEFINITION = "multiply-accumulates of convolutions and matrix products, from the shapes in the file"


@dataclass(frozen=True)
class Tensor:
    """A named input or output; an unknown axis is 0."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Contents:
    """What a reader finds.

    Attributes:
        inputs, outputs: of the graph, in order.
        operators: operator name to how often it occurs; constants are not operators.
        macs: see `MACS_DEFINITION`; None where the shapes do not tell.
        transposes: operators that only move data between layouts.
        weights_bytes: bytes of constants.
        metadata: author, licence, producer, ... as the file has them.
        notes: what else the format tells, e.g. which operators no delegate took.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: Mapping[str, int]
    macs: int | None
    transposes: int | None
    weights_bytes: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the contents as JSON data."""
        return asdict(self) | {"macs_definition": MACS_DEFINITION}


def formats() -> dict[str, str]:
    """Map file suffixes to formats."""
    modules = [info.name for info in pkgutil.iter_modules(__path__)]
    return {importlib.import_module(f"{__name__}.{name}").SUFFIX: name for name in modules}


def format_of(path: Path) -> str:
    """Tell a model file's format by its suffix."""
    known = formats()
    if path.suffix not in known:
        raise UsageError(f"{path} is no model file that can be looked into", f"known: {', '.join(sorted(known))}")
    return known[path.suffix]


def read(path: Path) -> Contents:
    """Look into a model file.

    Raises:
        UsageError: no such file, or an unknown suffix.
        MissingToolError: the package that reads the format is not installed.
        BadArtifactError: the file is not what its suffix says.
    """
    reader = importlib.import_module(f"{__name__}.{format_of(path)}")
    if not path.exists():
        raise UsageError(f"there is no file {path}", "check the path; it is relative to the current folder")
    if not files.size_bytes(path):
        raise BadArtifactError(f"{path} is empty", "export the model again")
    try:
        contents: Contents = reader.read(path)
    except ViewfinderError:
        raise
    except Exception as error:  # parsers of foreign bytes raise whatever they like
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise BadArtifactError(f"{path} cannot be read as {path.suffix}: {reason}", "export the model again") from error
    return contents


def convolution(output: Sequence[int], weight: Sequence[int]) -> int:
    """MACs of a convolution: every output element sums over one filter, whose first axis is the output channels."""
    return math.prod(output) * math.prod(weight[1:])


def known(shapes: Iterable[Sequence[int] | None]) -> bool:
    """Tell whether all shapes are there and have no unknown axis."""
    return all(shape is not None and all(size > 0 for size in shape) for shape in shapes)
