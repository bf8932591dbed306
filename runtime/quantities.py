"""Every measurement that a verification can hold: its name, unit, direction and definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from viewfinder.runtime.metrics import METRICS

FINITE = "values_not_finite"
"""Counts NaN and infinite values in the artifact's output."""
OF_FLOAT = "psnr_of_float_vs_truth_db"
DROP = "psnr_drop_vs_truth_db"
SHARE = "delta_e_2000_p99_share"
"""Of networks that take noise away alone: how their colour errors compare with what noise leaves in float's picture."""
WORST = "worst"


@dataclass(frozen=True)
class Quantity:
    """One number per photograph; a verification holds its mean and its worst.

    Attributes:
        name: of the mean, and the key of the number of one photograph.
        worst_name: of the worst photograph's number.
    """

    name: str
    worst_name: str
    unit: str
    higher_is_better: bool
    definition: str


@cache
def quantities() -> Mapping[str, Quantity]:
    """Return every quantity by name, in the order of the report."""
    against = {"float": "the PyTorch float output", "truth": "the truth"}
    found = [
        Quantity(
            metric.called(reference),
            metric.called(reference, WORST),
            metric.unit,
            metric.higher_is_better,
            f"against {words}: {metric.definition}",
        )
        for reference, words in against.items()
        for metric in METRICS.values()
    ]
    psnr = METRICS["psnr"].definition
    own = f"of the PyTorch float output against the truth: {psnr}"
    lost = f"PSNR of the PyTorch float output against the truth, less that of the artifact; above 0 is worse: {psnr}"
    found.append(Quantity(OF_FLOAT, "psnr_of_float_vs_truth_worst_db", "dB", True, own))
    found.append(Quantity(DROP, "psnr_drop_vs_truth_worst_db", "dB", False, lost))
    colours = METRICS["delta_e_2000_p99"]
    share = (
        f"{colours.called('float')}, as a share of the PyTorch float output's own against the truth (at least 1 dE00), "
        f"where noise is taken away: {colours.definition}"
    )
    found.append(Quantity(SHARE, f"{SHARE}_{WORST}", "1", False, share))
    return MappingProxyType({quantity.name: quantity for quantity in found})


@cache
def names() -> tuple[str, ...]:
    """List every name that a limit may bind."""
    return (FINITE, *(name for quantity in quantities().values() for name in (quantity.name, quantity.worst_name)))


def quantity_of(name: str) -> Quantity | None:
    """Return the quantity that a measurement belongs to, by the name of its mean or of its worst."""
    return next((quantity for quantity in quantities().values() if name in (quantity.name, quantity.worst_name)), None)
