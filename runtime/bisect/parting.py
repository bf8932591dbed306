"""Run two artifacts side by side and find where they part: a signal-to-noise ratio for every tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import BadArtifactError, UsageError
from viewfinder.golden import Golden
from viewfinder.runtime import bisect
from viewfinder.runtime.bisect import Op, Recorder, crops, feeds, matching
from viewfinder.runtime.bisect.ratios import CAP_DB, Sums
from viewfinder.runtime.engines import Engine

EIGHT_BITS_DB = 40.0
"""What 256 even steps keep of a signal that uses half of them (6.02 dB a bit, less 8 for shape and margin)."""
LIMIT_DB = 20.0
"""An error of a tenth of the signal. Eight bits keep 30 to 45 dB where the range fits; 20 dB needs something wrong."""
DEFINITION = (
    "signal-to-quantization-noise ratio of a tensor: 10 log10(sum(a^2) / sum((a - b)^2)), a from the float artifact, b "
    "from the other, both as the numbers that they stand for, over all its values and all inputs taken from the golden "
    "photographs; of a sum or difference, the signal is that of its largest input, because what cancels leaves the "
    f"inputs' rounding alone; capped at {CAP_DB:g} dB"
)
SUMS = {"ADD", "SUB"}
"""Kinds of operators, in capitals, whose result can be far smaller than what it is made of."""


@dataclass
class Compared:
    """One pair of operators and the numbers between what they make, over all and by photograph."""

    graph: str
    own: Op
    other: Op
    sums: Sums = field(default_factory=Sums)
    photos: dict[str, Sums] = field(default_factory=dict)
    before_db: float = CAP_DB
    """Least ratio among the inputs (of exact ones, the best of the whole graph); what is missing to it is lost here."""

    @property
    def lost_db(self) -> float:
        """How much this operator loses."""
        return self.before_db - self.sums.sqnr_db

    def to_dict(self) -> dict[str, Any]:
        """Return the row of the table as JSON data."""
        by_photo = {name: round(sums.sqnr_db, 2) for name, sums in self.photos.items()}
        return {
            "graph": self.graph,
            "tensor": self.own.output,
            "short": short(self.own.output),
            "op": self.other.name,
            "kind": self.other.kind,
            "float_op": self.own.name,
            "float_kind": self.own.kind,
            "shape": list(self.own.shape),
            "sqnr_db": round(self.sums.sqnr_db, 2),
            "psnr_db": round(self.sums.psnr_db, 2),
            "before_db": round(self.before_db, 2),
            "lost_db": round(self.lost_db, 2),
            "range": [self.sums.low, self.sums.high],
            "largest_difference": self.sums.largest if math.isfinite(self.sums.largest) else None,
            "per_photograph": by_photo,
            "worst": min(by_photo, key=lambda name: by_photo[name]),
        }


def short(name: str) -> str:
    """Shorten a converter's tensor name: ``a.b/c.Sequential_x/d.SameConv_0;1`` becomes ``Sequential_x/SameConv_0``."""
    parts = [part.rpartition(".")[2] for part in name.partition(";")[0].split("/") if part]
    return "/".join(parts[-2:]) or name


@dataclass(frozen=True)
class Parting:
    """What a bisection found.

    Attributes:
        compared: every pair, in the order in which float computes.
        first: the first one below the limit, or None.
        greatest: the one that loses most.
        unmatched: names of float's operators without a counterpart.
        crops: pictures of the parting, for the report.
        limit_db: below it two tensors have parted.
    """

    compared: tuple[Compared, ...]
    first: Compared | None
    greatest: Compared
    unmatched: tuple[str, ...]
    crops: tuple[Mapping[str, Any], ...]
    limit_db: float

    @property
    def sentence(self) -> str:
        """Say the outcome."""
        if self.first is None:
            least = min(self.compared, key=lambda one: one.sums.sqnr_db)
            return (
                f"they part nowhere: no tensor is below {self.limit_db:g} dB; the least is {_said(least)}, the "
                f"greatest loss at {_said(self.greatest)}"
            )
        if self.first is self.greatest:
            return f"they part first at {_said(self.first)}, which is the greatest loss of all"
        return f"they part first at {_said(self.first)}; the greatest loss is at {_said(self.greatest)}"

    @property
    def brief(self) -> str:
        """Say it in a few words."""
        return "parts nowhere" if self.first is None else f"parts at {titled(self.first.other)} in {self.first.graph}"


def _said(one: Compared) -> str:
    """Name an operator with its numbers."""
    return (
        f"{titled(one.other)} in {one.graph}, which makes {short(one.own.output)} ({one.sums.sqnr_db:.1f} dB, "
        f"{one.lost_db:.1f} dB lost)"
    )


def titled(op: Op) -> str:
    """Name an operator with its kind."""
    return op.name if op.name.startswith(op.kind) else f"{op.kind} {op.name}"


@dataclass(frozen=True)
class Order:
    """What to compare.

    Attributes:
        own, other: the float artifact and the one that is looked at.
        engine: runs float's pipeline, whose inputs both graphs are fed with.
        pictures: folder for the crops, or None.
        recorders: shows the inner values of `other`'s graphs where they are to be computed, by the graph's name; None
            records them in the format's own engine.
    """

    own: Artifact
    other: Artifact
    engine: Engine
    limit_db: float = LIMIT_DB
    pictures: Path | None = None
    recorders: Mapping[str, Recorder] | None = None


def part(order: Order, golden: Golden, say: Callable[[str], None]) -> Parting:
    """Feed both artifacts with the same inputs, graph by graph, and compare what every operator makes.

    Raises:
        UsageError: two formats, or one that cannot be recorded.
        BadArtifactError: graphs with other inputs, or without a single tensor in common.
    """
    check(order.own, order.other)
    sides = [_recorders(order.own), order.recorders or _recorders(order.other)]
    pairs = {name: matching.pairs(sides[0][name].ops, sides[1][name].ops) for name in sides[0]}
    found = {name: [Compared(name, *pair) for pair in pairs[name]] for name in pairs}
    kept = crops.Kept()
    for photo in golden.photos:
        say(f"running {photo.name}")
        fed = feeds.captured(order.own, order.engine, photo.feed)
        for name, inputs in fed.items():
            for one in inputs:
                values = sides[0][name].record(one), sides[1][name].record(one)
                _add(found[name], *values, photo.name, kept)
    compared = [one for name in found for one in _with_losses(found[name], sides[0][name].ops) if one.sums.count]
    if not compared:
        raise BadArtifactError(
            f"{order.own.folder} and {order.other.folder} have no tensor in common", "compare artifacts of one network"
        )
    return _decided(order, compared, sides[0], kept)


def _decided(order: Order, compared: list[Compared], own: Mapping[str, Recorder], kept: crops.Kept) -> Parting:
    """Find where they part, and draw it."""
    first = next((one for one in compared if one.sums.sqnr_db < order.limit_db), None)
    greatest = max(compared, key=lambda one: one.lost_db)
    chosen = {(one.graph, one.own.output): one for one in (first, greatest, compared[-1]) if one is not None}
    drawn = [
        {"tensor": short(one.own.output), "op": titled(one.other), **kept.draw(key, order.pictures)}
        for key, one in chosen.items()
        if order.pictures is not None and kept.has(key)
    ]
    known = {(one.graph, one.own.output) for one in compared}
    unmatched = [short(op.output) for name in own for op in own[name].ops if (name, op.output) not in known]
    return Parting(tuple(compared), first, greatest, tuple(unmatched), tuple(drawn), order.limit_db)


def check(own: Artifact, other: Artifact) -> None:
    """Refuse two artifacts that cannot run side by side."""
    if own.format != other.format:
        raise UsageError(
            f"{own.folder} is {own.format}, {other.folder} is {other.format}: their tensors have other names and "
            "layouts",
            "compare two artifacts of one format",
        )
    if _interface(own) != _interface(other):
        raise BadArtifactError(
            f"the graphs of {own.folder} and {other.folder} have other names or inputs",
            "export both with the same sizes and layout",
        )


def _interface(artifact: Artifact) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """Return names and shapes of all graphs' inputs."""
    return {graph.name: [(spec.name, spec.shape) for spec in graph.inputs] for graph in artifact.graphs}


def _recorders(artifact: Artifact) -> dict[str, Recorder]:
    """Open every graph for recording."""
    graphs: Sequence[GraphFile] = artifact.graphs
    return {graph.name: bisect.open(artifact.path(graph), graph, artifact.format) for graph in graphs}


def _add(
    found: Sequence[Compared],
    own: Mapping[str, NDArray[Any]],
    other: Mapping[str, NDArray[Any]],
    photo: str,
    kept: crops.Kept,
) -> None:
    """Add one run of one graph."""
    for one in found:
        if one.own.output not in own or one.other.output not in other:
            continue
        left, right = own[one.own.output], other[one.other.output]
        if left.shape != right.shape or not left.size:
            continue
        for sums in (one.sums, one.photos.setdefault(photo, Sums())):
            sums.add(left, right)
        kept.offer((one.graph, one.own.output), photo, left, right)


def _with_losses(found: list[Compared], ops: Sequence[Op]) -> list[Compared]:
    """Fill in what each operator's inputs had."""
    by_output = {op.output: op for op in ops}
    _with_powers(found)
    known = {one.own.output: one.sums.sqnr_db for one in found if one.sums.count}
    # From an exact input every first operator loses without bound; it is held against the best that any one reaches,
    # or against what eight bits keep, where all have lost.
    best = max((ratio for ratio in known.values() if ratio < CAP_DB), default=CAP_DB)
    best = max(best, EIGHT_BITS_DB)
    for one in found:
        before = matching.nearest(one.own.inputs, by_output, known)
        one.before_db = max(best, one.sums.sqnr_db) if before in {None, CAP_DB} else before or 0.0
    return found


def _with_powers(found: Sequence[Compared]) -> None:
    """Let the signal of sums and differences be that of their largest input."""
    powers = {one.own.output: one.sums.signal / one.sums.count for one in found if one.sums.count}
    for one in found:
        if one.own.kind.upper() in SUMS:
            power = max((powers.get(name, 0.0) for name in one.own.inputs), default=0.0)
            for sums in (one.sums, *one.photos.values()):
                sums.least_power = power
