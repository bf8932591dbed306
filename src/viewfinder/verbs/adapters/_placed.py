"""How much of an artifact an accelerator takes, as measurements that are the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.htp import figures


@dataclass(frozen=True)
class Taken:
    """One graph.

    Attributes:
        here, left: operators on the accelerator, and those that would run on the CPU.
        pieces: parts on the accelerator; None where it does not tell.
        names: the operators that are left.
    """

    here: int
    left: int
    pieces: int | None = None
    names: str = ""


def facts(taken: Mapping[str, Taken], kind: Evidence, most: int, where: str = "NPU") -> list[Measurement]:
    """Say what runs where; `most` operators may be on the CPU, each of which may cut a graph in two."""
    left = {name: float(one.left) for name, one in taken.items()}
    here = {name: float(one.here) for name, one in taken.items()}
    pieces = {name: float(one.pieces) for name, one in taken.items() if one.pieces is not None}
    named = "; ".join(f"{name}: {one.names}" for name, one in taken.items() if one.names)
    found = [
        Measurement(
            figures.FALLBACK, sum(left.values()), "ops", kind, "operators that would run on the CPU",
            maximum=float(most), per_sample=left, reason=named,
        ),
        Measurement(figures.OPERATORS, sum(here.values()), "ops", kind, f"operators on the {where}", per_sample=here),
    ]  # fmt: skip
    if pieces:
        meaning = f"pieces of a graph on the {where}, the most of any graph"
        found.append(
            Measurement(
                figures.PARTITIONS, max(pieces.values()), "1", kind, meaning, maximum=1.0 + most, per_sample=pieces
            )
        )
    return found
