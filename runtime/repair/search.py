"""Which candidates to build: first how many weights fit into 8 bits, then how many activations.

A full search of N layers has 3^N candidates. This one assumes that a layer that hurts alone also hurts together with
others: it measures every layer alone, sorts by what each loses, and looks by bisection for the longest run of harmless
layers that meets the budget; what is left is then tried one by one on top. Every number is of an artifact that was
really built; about 3 N are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from viewfinder.runtime.repair import BOTH, FLOAT, WEIGHTS, Budget, Layer, Outcome, Point

Kinds = dict[str, str]
Say = Callable[[str], None]


class Bench(Protocol):
    """Builds candidates and measures them."""

    def measure(self, kinds: Mapping[str, str], why: str, /) -> Point:
        """Build the artifact and measure its quality; the same candidate is built once."""

    def probe(self, point: Point, /) -> None:
        """Run the probes on a candidate and note in it which fail."""


@dataclass
class _Search:
    """The state of a search."""

    layers: Sequence[Layer]
    budget: Budget
    bench: Bench
    say: Say
    sized: bool = False
    """Whether the limit on the size counts yet: while weights grow narrower, it only comes nearer."""
    points: list[Point] = field(default_factory=list)
    losses: dict[str, dict[str, float]] = field(default_factory=dict)

    def tried(self, kinds: Kinds, why: str) -> Point:
        """Measure a candidate, once."""
        known = next((one for one in self.points if one.kinds == kinds), None)
        if known is not None:
            return known
        point = self.bench.measure(dict(kinds), why)
        self.points.append(point)
        self.say(f"{why}: {point.quality.drop_db:.3f} dB lost, {point.size_bytes} bytes")
        return point

    def meets(self, kinds: Kinds, why: str) -> bool:
        """Measure a candidate, and probe it if its budget is met."""
        point = self.tried(kinds, why)
        is_too_large = self.sized and self.budget.max_size is not None and point.size_bytes > self.budget.max_size
        if point.quality.drop_db > self.budget.drop_db or is_too_large:
            return False
        if point.failed is None:
            self.bench.probe(point)
        return not point.failed

    def harmless(self, base: Kinds, kind: str, among: Sequence[Layer]) -> list[Layer]:
        """Sort layers by what each one loses alone as `kind`."""
        for layer in among:
            point = self.tried(base | {layer.key: kind}, f"{layer.name} alone as {kind}")
            self.losses.setdefault(layer.key, {})[kind] = point.quality.drop_db
        return sorted(among, key=lambda layer: (self.losses[layer.key][kind], -layer.weights))

    def grown(self, base: Kinds, kind: str, among: Sequence[Layer]) -> Kinds:
        """Turn as many layers as possible into `kind`, so that the result still meets the budget; `base` does."""
        full = self.turned(base, kind, among)
        if self.meets(full, f"all {len(among)} as {kind}"):
            return full
        order = self.harmless(base, kind, among)
        low, high = 0, len(order)  # the first `low` are known to fit, the first `high` known not to
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.meets(self.turned(base, kind, order[:middle]), f"the {middle} most harmless as {kind}")
            low, high = (middle, high) if fits else (low, middle)
        kinds = self.turned(base, kind, order[:low])
        for layer in order[low + 1 :]:
            more = self.turned(kinds, kind, [layer])
            if self.meets(more, f"{layer.name} as {kind} on top"):
                kinds = more
        return kinds

    @staticmethod
    def turned(base: Kinds, kind: str, among: Sequence[Layer]) -> Kinds:
        """Return `base` with some layers of another kind."""
        return base | {layer.key: kind for layer in among}


def search(layers: Sequence[Layer], budget: Budget, bench: Bench, say: Say) -> Outcome:
    """Find the cheapest candidate that meets the budget: most weights in 8 bits, then most arithmetic in 8 bits."""
    state = _Search(layers, budget, bench, say)
    everything = {layer.key: BOTH for layer in layers}
    kinds = everything
    if not state.meets(everything, f"all {len(layers)} as {BOTH}"):
        nothing = {layer.key: FLOAT for layer in layers}
        state.tried(nothing, "float")
        weights = state.grown(nothing, WEIGHTS, layers)
        small = [layer for layer in layers if weights[layer.key] == WEIGHTS]
        state.sized = True
        kinds = state.grown(weights, BOTH, small) if small else weights
    chosen = state.tried(kinds, "the result")
    is_something = set(kinds.values()) != {FLOAT}
    found = chosen if is_something and state.meets(kinds, "the result") and not chosen.misses(budget) else None
    return Outcome(tuple(state.points), found, found or _nearest(state.points, budget), state.losses)


def _nearest(points: Sequence[Point], budget: Budget) -> Point:
    """Return the best of those that miss the budget: within the size if one is, then the one that loses least."""
    small = [one for one in points if budget.max_size is None or one.size_bytes <= budget.max_size]
    changed = [one for one in small or points if set(one.kinds.values()) != {FLOAT}] or list(points)
    return min(changed, key=lambda one: one.quality.drop_db)
