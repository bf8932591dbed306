"""What a network is and what it owes: the first word of the product. Standard library only; torch is never imported.

A model is a module with a ``TASK``: shipped ones stand in ``train/models/NAME.py``, a user's own is named
``path/to/file.py:TASK`` wherever a model name is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from viewfinder.errors import UsageError

DISPLAY_SRGB = "display-referred sRGB"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a graph."""

    name: str
    shape: tuple[int, ...]
    layout: str = "NCHW"
    dtype: str = "float32"
    value_range: tuple[float, float] | None = (0.0, 1.0)
    colour_space: str | None = DISPLAY_SRGB
    meaning: str = ""

    def __post_init__(self) -> None:
        """Refuse shapes and ranges that nothing can have."""
        if not self.name.isidentifier():
            raise UsageError(f"tensor name {self.name!r} is not an identifier", "use letters, digits and underscores")
        if not self.shape or any(size < 1 for size in self.shape):
            raise UsageError(f"tensor {self.name} has the shape {self.shape}", "give every axis at least size 1")
        if self.value_range is not None and self.value_range[0] >= self.value_range[1]:
            raise UsageError(f"tensor {self.name} has the empty range {self.value_range}", "give (low, high)")

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as JSON data."""
        return asdict(self) | {"shape": list(self.shape), "value_range": self.value_range and list(self.value_range)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TensorSpec:
        """Read a spec that `to_dict` made."""
        value_range = data["value_range"]
        return cls(**dict(data) | {"shape": tuple(data["shape"]), "value_range": value_range and tuple(value_range)})


@dataclass(frozen=True)
class Limit:
    """A bound on a metric. ``minimum`` and ``maximum`` are in the metric's own unit; None does not bind."""

    metric: str
    minimum: float | None = None
    maximum: float | None = None


BURST = "burst"
"""The pipeline of networks that merge bursts, in place of taking photographs."""

PHOTOGRAPHS, NOISY = "photographs", "noisy"
"""`Task.samples` of networks that take photographs as they are, and of those that take their white noise away."""


@dataclass(frozen=True)
class Task:
    """A network and what it owes.

    Attributes:
        name: as on the command line, in lower case with hyphens.
        title: one line for people.
        build: returns a fresh ``torch.nn.Module``; imports torch inside.
        inputs, outputs: of the module's ``forward``, in order.
        pipeline: how a photograph passes through it; a module in both ``export/pipelines`` (cuts the network into
            graphs) and ``runtime/pipelines`` (runs the graphs on pictures of any size).
        pipeline_options: sizes that the pipeline's exporter understands, e.g. ``{"width": 1920, "strip_rows": 24}``.
        trainer: module in ``train/trainers`` that fits it, or "" if it cannot be trained here.
        paper: citation.
        weights: name to safetensors file; the first one is the default. Empty: initial values (tests, own models
            whose ``build`` loads its own).
        operators: weights name to the name of the operator in ``train/operators`` that makes the truth.
        limits: bounds that every float artifact has to keep, on top of the built-in ones.
        samples: module in ``train/samples`` that makes the golden samples from photographs: ``photographs`` (as they
            are; an operator gives the truth), ``noisy`` (noise added, the photograph is the truth), ``bursts``.
        licence: of the network's code and weights, in words, for the artifact's metadata.
        parameter_count: what a test counts; None for a user's own model.
    """

    name: str
    title: str
    build: Callable[[], Any]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    pipeline: str = "tiles"
    pipeline_options: Mapping[str, Any] = field(default_factory=dict)
    trainer: str = ""
    paper: str = ""
    weights: Mapping[str, Path] = field(default_factory=dict)
    operators: Mapping[str, str] = field(default_factory=dict)
    samples: str = "photographs"
    limits: tuple[Limit, ...] = ()
    licence: str = ""
    parameter_count: int | None = None

    def __post_init__(self) -> None:
        """Refuse a task without a usable name or tensors."""
        if not self.name or self.name != self.name.lower() or " " in self.name:
            raise UsageError(f"task name {self.name!r}", "use lower case letters, digits and hyphens")
        if not self.inputs or not self.outputs:
            raise UsageError(f"task {self.name} has no inputs or no outputs", "list the TensorSpecs of forward()")

    @property
    def default_weights(self) -> str:
        """Name of the weights used when none is asked for, or "" when the task has none."""
        return next(iter(self.weights), "")

    def weights_file(self, name: str | None = None) -> Path | None:
        """Return the safetensors file of weights `name` (the default for None); None if the task has none at all."""
        if not self.weights and not name:
            return None
        wanted = name or self.default_weights
        if wanted not in self.weights:
            known = ", ".join(self.weights) or "none"
            raise UsageError(f"{self.name} has no weights {wanted!r}", f"it has: {known}", code="no-such-weights")
        return self.weights[wanted]
