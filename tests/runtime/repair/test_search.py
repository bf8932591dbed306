"""The search for the cheapest recipe, on made-up layers whose losses add up, so that the best answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from viewfinder.runtime.repair import BOTH, FLOAT, WEIGHTS, Budget, Layer, Point, Quality
from viewfinder.runtime.repair.search import search

NAMES = ("stem", "body", "tail", "head")
LAYERS = [Layer("model", name, name, name, 1000 * (place + 1), 100) for place, name in enumerate(NAMES)]
LOSSES = {"stem": (0.01, 0.3), "body": (0.0, 0.01), "tail": (0.02, 0.04), "head": (0.5, 0.9)}
"""Of 8-bit weights, and of 8-bit weights and activations."""


@dataclass
class Bench:
    """Adds losses up; `fails` names a layer that no probe lets be in 8 bits."""

    fails: str = ""
    built: list[Mapping[str, str]] = field(default_factory=list)
    probed: int = 0

    def measure(self, kinds: Mapping[str, str], why: str) -> Point:
        """Measure a made-up candidate."""
        self.built.append(kinds)
        drop = sum(LOSSES[name][(WEIGHTS, BOTH).index(kind)] for name, kind in kinds.items() if kind != FLOAT)
        size = sum(layer.weights * (4 if kinds[layer.key] == FLOAT else 1) for layer in LAYERS)
        return Point(kinds, size, 0.0, Quality({"cup": drop, "tree": drop / 2}, {"cup": 40.0}), why)

    def probe(self, point: Point) -> None:
        """Fail the layer that is meant."""
        self.probed += 1
        wrong = bool(self.fails) and point.kinds[self.fails] == BOTH
        point.failed = ("probe_shadow_ramp_levels",) if wrong else ()


def kinds_of(budget: Budget, bench: Bench) -> dict[str, str] | None:
    """Search, and return the kinds of what was chosen."""
    found = search(LAYERS, budget, bench, lambda _line: None)
    return dict(found.chosen.kinds) if found.chosen else None


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (2.0, (BOTH, BOTH, BOTH, BOTH)),
        (0.8, (WEIGHTS, BOTH, BOTH, WEIGHTS)),
        (0.55, (WEIGHTS, BOTH, WEIGHTS, WEIGHTS)),
        (0.1, (WEIGHTS, BOTH, BOTH, FLOAT)),
        (0.045, (WEIGHTS, BOTH, WEIGHTS, FLOAT)),
        (0.015, (WEIGHTS, WEIGHTS, FLOAT, FLOAT)),
    ],
)
def test_the_cheapest_that_meets_the_budget_is_found(budget: float, expected: tuple[str, ...]) -> None:
    """As few bytes as the budget allows, then as many integer activations; never a candidate beyond the budget."""
    bench = Bench()
    assert kinds_of(Budget(budget), bench) == dict(zip(NAMES, expected, strict=True))
    assert len({tuple(one.items()) for one in bench.built}) == len(bench.built)
    assert len(bench.built) <= 3 * len(NAMES) + 6


def test_what_a_probe_refuses_is_not_chosen() -> None:
    """A layer that bands in 8 bits keeps float activations, though the budget would allow more."""
    found = kinds_of(Budget(2.0), Bench(fails="body"))
    assert found is not None
    assert found["body"] == WEIGHTS
    assert found["head"] == BOTH


def test_probes_run_only_where_the_budget_is_met() -> None:
    """A candidate that loses too much is not probed: that would be time for nothing."""
    bench = Bench()
    search(LAYERS, Budget(0.045), bench, lambda _line: None)
    assert bench.probed < len(bench.built) / 2


def test_a_budget_that_nothing_meets_names_the_nearest() -> None:
    """Nothing is chosen; the nearest quantized candidate and what it misses are told."""
    found = search(LAYERS, Budget(-0.5), Bench(), lambda _line: None)
    assert found.chosen is None
    assert set(found.nearest.kinds.values()) != {FLOAT}
    assert "allowed" in found.nearest.misses(Budget(-0.5))[0]


def test_a_size_that_the_budget_does_not_reach_is_not_met() -> None:
    """At 0.1 dB the head stays float, 22 kB; a limit of 12 kB is missed and said so."""
    assert kinds_of(Budget(0.1, 22_000), Bench()) is not None
    found = search(LAYERS, Budget(0.1, 12_000), Bench(), lambda _line: None)
    assert found.chosen is None
    assert found.nearest.size_bytes <= 12_000


def test_activations_do_not_break_the_limit_on_the_size() -> None:
    """Where quantizing activations takes bytes of its own, the limit keeps them float."""

    class Growing(Bench):
        """A format whose quantized activations take 500 bytes each."""

        def measure(self, kinds: Mapping[str, str], why: str) -> Point:
            """Add them."""
            point = super().measure(kinds, why)
            point.size_bytes += 500 * list(kinds.values()).count(BOTH)
            return point

    found = kinds_of(Budget(0.1, 22_600), Growing())
    assert found is not None
    assert list(found.values()).count(BOTH) == 1
