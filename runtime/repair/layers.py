"""The layers of an artifact that have weights: what a mixed recipe decides about."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from viewfinder.artifact import Artifact
from viewfinder.runtime import bisect
from viewfinder.runtime.bisect import Op
from viewfinder.runtime.bisect.parting import short


@dataclass(frozen=True)
class Layer:
    """One operator with weights.

    Attributes:
        key: unique, ``GRAPH: NAME``.
        name: for people.
        match: regular expression that means this operator alone, for a rule of a recipe.
        weights: how many.
        macs: multiply-accumulates of one run of its graph.
    """

    graph: str
    key: str
    name: str
    match: str
    weights: int
    macs: int


@dataclass(frozen=True)
class Follower:
    """An operator without weights: it computes in 8 bits where all the `layers` do that its inputs come from."""

    graph: str
    name: str
    layers: frozenset[str]


def graph_ops(artifact: Artifact) -> dict[str, tuple[Op, ...]]:
    """List the operators of every graph."""
    return {graph.name: bisect.open(artifact.path(graph), graph, artifact.format).ops for graph in artifact.graphs}


def listed(artifact: Artifact, ops: Mapping[str, tuple[Op, ...]], graphs: list[str]) -> list[Layer]:
    """List the layers with weights in the named graphs, in the order in which they run."""
    return [_layer(artifact.format, graph, op) for graph in graphs for op in ops[graph] if op.weight]


def meant_by(artifact_format: str, op: Op) -> str:
    """Return the name by which a rule means an operator: its own in ONNX, its result's in TFLite."""
    return op.output if artifact_format == "tflite" else op.name


def _layer(artifact_format: str, graph: str, op: Op) -> Layer:
    """Describe one layer: every output value sums over one filter, whose first axis is the output channels."""
    name = meant_by(artifact_format, op)
    weights = math.prod(op.weight)
    macs = math.prod(op.shape) * weights // max(1, op.weight[0])
    shown = short(op.output) if artifact_format == "tflite" else op.name
    return Layer(graph, f"{graph}: {name}", shown, f"^{re.escape(name)};?$", weights, macs)


def followers(artifact: Artifact, ops: Mapping[str, tuple[Op, ...]], graphs: list[str]) -> list[Follower]:
    """List the operators without weights, each with the layers that its inputs come from."""
    found = []
    for graph in graphs:
        sources: dict[str, frozenset[str]] = {}
        for op in ops[graph]:
            name = meant_by(artifact.format, op)
            behind = frozenset().union(*(sources.get(one, frozenset()) for one in op.inputs))
            sources[op.output] = frozenset({f"{graph}: {name}"}) if op.weight else behind
            if not op.weight:
                found.append(Follower(graph, name, behind))
    return found


def integer_share(layers: list[Layer], kinds: Mapping[str, str], kind: str) -> float:
    """Return the share of the layers' multiply-accumulates whose layer is of `kind`."""
    total = sum(layer.macs for layer in layers)
    return sum(layer.macs for layer in layers if kinds[layer.key] == kind) / total if total else 0.0
