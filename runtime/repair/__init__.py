"""Find the cheapest way to quantize a network that still meets a budget, judged on real artifacts.

`search` decides what to try, `layers` lists what there is to decide, `quality` measures a candidate on photographs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from viewfinder.runtime.repair.layers import Layer

FLOAT, WEIGHTS, BOTH = "float", "w8", "w8a8"
KINDS = (BOTH, WEIGHTS, FLOAT)
"""What a layer can be, from the cheapest: 8-bit weights and activations, 8-bit weights alone, float."""


@dataclass(frozen=True)
class Budget:
    """What a candidate has to meet.

    Attributes:
        drop_db: most PSNR against the truth that the worst photograph may lose to float.
        max_size: most bytes, or None.
    """

    drop_db: float
    max_size: int | None = None


@dataclass(frozen=True)
class Quality:
    """What a candidate gives, by photograph: PSNR lost against the truth, and PSNR against float, in dB."""

    drops: Mapping[str, float]
    against_float: Mapping[str, float]

    @property
    def drop_db(self) -> float:
        """The worst photograph's loss; negative where every photograph gained."""
        return max(self.drops.values())


@dataclass
class Point:
    """One candidate on the curve.

    Attributes:
        kinds: what each layer is, by its key.
        failed: probes' measurements beyond their limit; None where the probes were not run, because the budget was
            missed already, or only one layer's own loss was asked for.
        why: what the candidate was tried for.
    """

    kinds: Mapping[str, str]
    size_bytes: int
    integer_share: float
    quality: Quality
    why: str = ""
    failed: tuple[str, ...] | None = None

    def misses(self, budget: Budget) -> list[str]:
        """Say what of the budget is not met."""
        found = []
        if self.quality.drop_db > budget.drop_db:
            found.append(f"{self.quality.drop_db:.3f} dB lost on the worst photograph, {budget.drop_db:g} dB allowed")
        if budget.max_size is not None and self.size_bytes > budget.max_size:
            found.append(f"{self.size_bytes} bytes, {budget.max_size} allowed")
        return found + [f"the probe {name} fails" for name in self.failed or ()]

    def to_dict(self) -> dict[str, Any]:
        """Return the point as JSON data."""
        return {
            "why": self.why,
            "kinds": dict(self.kinds),
            "size_bytes": self.size_bytes,
            "integer_share": round(self.integer_share, 4),
            "drop_db": round(self.quality.drop_db, 4),
            "drops": {name: round(drop, 4) for name, drop in self.quality.drops.items()},
            "against_float_db": round(min(self.quality.against_float.values()), 2),
            "failed_probes": None if self.failed is None else list(self.failed),
        }


@dataclass(frozen=True)
class Outcome:
    """What a search ended with.

    Attributes:
        points: everything that was built and measured, in order.
        chosen: the one with most weights in 8 bits, then most arithmetic in 8 bits, that meets the budget and the
            probes; None if none does.
        nearest: the one with the best quality among those with the least size, if none is chosen.
        losses: of each layer alone, in dB, by its key: ``{"w8": ..., "w8a8": ...}``.
    """

    points: tuple[Point, ...]
    chosen: Point | None
    nearest: Point
    losses: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


__all__ = ["BOTH", "FLOAT", "KINDS", "WEIGHTS", "Budget", "Layer", "Outcome", "Point", "Quality"]
