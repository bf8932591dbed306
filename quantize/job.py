"""What passes between the quantizer and the files of the formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import UsageError
from viewfinder.recipe import Operator, Recipe, Rule

Feeds = Mapping[str, NDArray[Any]]
"""One set of inputs of a graph: name to array."""
Ranges = Mapping[str, tuple[float, float]]
"""Tensor name to the smallest and largest value that it took."""
Watcher = Callable[[str, NDArray[Any]], None]
"""Is shown the name and the values of a tensor."""
Observe = Callable[[Path, Iterable[Feeds], Watcher | None], Ranges]
"""Runs a file of a graph on feeds and watches every tensor; for formats whose own tool cannot run here."""


Convert = Callable[[str, Any, Path], Mapping[str, Any]]
"""Writes a rounded PyTorch module of a graph, by the graph's name, to a file; returns notes for the manifest."""


@dataclass(frozen=True)
class Tuning:
    """How the weights of a network are trained to be rounded.

    Attributes:
        steps: of one calibration input each.
        learning_rate: of Adam for weights, falling to nothing along a cosine.
        range_rate: the same for the ends of activation ranges, as logarithms.
    """

    steps: int
    learning_rate: float = 2e-5
    range_rate: float = 0.03


@dataclass(frozen=True)
class GraphJob:
    """One graph to quantize.

    Attributes:
        name: of the graph in the artifact.
        source: its float file; None for formats whose files cannot be quantized again (ExecuTorch).
        target: where the quantized file goes.
        feeds: calibration inputs; empty where the recipe measures no ranges.
        observe: see `Observe`.
        network: for PT2E (always in ExecuTorch): the PyTorch module of the graph and its example inputs.
        tuning: None does not train.
        convert: for PT2E: writes a module of the graph to a file in the graph's format.
        format: of the artifact; decides how PT2E hands its graph over.
    """

    name: str
    source: Path
    target: Path
    recipe: Recipe
    feeds: tuple[Feeds, ...] = ()
    observe: Observe | None = None
    network: tuple[Any, tuple[Any, ...]] | None = None
    tuning: Tuning | None = None
    convert: Convert | None = None
    format: str = "onnx"

    def rules(self, operators: Iterable[Operator]) -> list[Rule]:
        """Return the rule of each operator of this graph."""
        return self.recipe.rules_for(self.name, operators)

    def require_feeds(self) -> tuple[Feeds, ...]:
        """Return the calibration inputs; a static range cannot be guessed."""
        if not self.feeds:
            raise UsageError(
                f"the graph {self.name} has no calibration pictures, and its activations need ranges",
                "name a folder with --calibration-data, or leave the activations float",
                code="no-calibration",
            )
        return self.feeds


@dataclass(frozen=True)
class Abilities:
    """What a format's tool can do.

    Attributes:
        weights, activations: words of `viewfinder.recipe` that it knows, float always among them.
        way_out: what to do instead of what it cannot.
        weights_alone: whether weights may be integers where activations are float everywhere.
    """

    weights: frozenset[str]
    activations: frozenset[str]
    way_out: str
    weights_alone: bool = True

    def lacks(self, recipe: Recipe) -> str:
        """Say what of a recipe the tool cannot do; "" if it can do all."""
        for rule in recipe.rules:
            if rule.weights not in self.weights:
                return f"{rule.weights} weights"
            if rule.activations not in self.activations:
                return f"{rule.activations} activations"
        if not self.weights_alone and not any(rule.activations in {"int8", "int16"} for rule in recipe.rules):
            return "8-bit weights without 8-bit activations"
        return ""


def abilities(weights: str, activations: str, way_out: str, *, weights_alone: bool = True) -> Abilities:
    """Make abilities of words with blanks between them."""
    known, kept = (frozenset(words.split()) | {"float"} for words in (weights, activations))
    return Abilities(known, kept, way_out, weights_alone)


def counts(rules: Iterable[Rule]) -> dict[str, int]:
    """Count operators by what their rule does, for the manifest."""
    return dict(sorted(Counter(rule.kind for rule in rules).items()))


def span(values: NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and the largest value of a tensor; 0 and 0 of an empty one."""
    return (float(np.min(values)), float(np.max(values))) if values.size else (0.0, 0.0)
