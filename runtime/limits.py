"""What a number has to reach for shipping, and why: one table by precision, on top of it the task's and the user's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from viewfinder.errors import UsageError
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime.quantities import FINITE, SHARE, WORST, names, quantity_of
from viewfinder.task import Limit

COLOURS, SHARE_WORST = "delta_e_2000_p99_vs_float_worst", f"{SHARE}_{WORST}"
"""Colours against float, and what takes the place of a limit on them where noise is taken away.

There float's picture is away from the truth itself, by noise that was left and detail that was lost, in each pixel in
another way; a viewer who does not have float's picture sees no difference to it that is small beside these.
"""


@dataclass(frozen=True)
class Gate:
    """A limit with its reason; `asked` if the task or the user set it, so that it may not be passed over."""

    limit: Limit
    reason: str
    asked: bool = False


def _at_least(metric: str, value: float, reason: str) -> Gate:
    """Bound a metric from below."""
    return Gate(Limit(metric, minimum=value), reason)


def _at_most(metric: str, value: float, reason: str) -> Gate:
    """Bound a metric from above."""
    return Gate(Limit(metric, maximum=value), reason)


ALWAYS = (
    _at_most(FINITE, 0, "a picture has no NaN and no infinity"),
    _at_most("psnr_drop_vs_truth_db", 0.1, "0.1 dB is a fifth of the 0.5 dB that papers in this field call a gain"),
    _at_most("psnr_drop_vs_truth_worst_db", 0.3, "no single photograph may lose what the mean hides"),
    _at_most(
        SHARE_WORST,
        0.27,
        "an error of 0.27 of the one that float's picture has anyway, and independent of it, makes the whole 0.3 dB "
        "larger: what the worst photograph may lose. It takes the place of a limit on the colours against float",
    ),
)
"""Gates of every precision. Those against the truth bind only where the golden file has a truth."""


def _quantized(psnr_db: float, reason: str) -> tuple[Gate, ...]:
    """Gates of a precision with 8-bit weights."""
    seen = "1 dE00 is about the smallest difference that a viewer notices; HDRNet in w8a8 reached 0.54 on gb82"
    return (
        _at_least("psnr_vs_float_worst_db", psnr_db, reason),
        _at_most(COLOURS, 1.0, seen),
    )


BY_PRECISION: Mapping[str, tuple[Gate, ...]] = MappingProxyType(
    {
        "float": (
            _at_least(
                "psnr_vs_float_worst_db",
                80.0,
                "float32 engines agree to 110 dB and better; 80 dB leaves room for another order of summation, while a "
                "wrong weight, layout or resize lands below 60 dB",
            ),
            _at_most(
                "max_abs_vs_float_worst", 2e-3, "half an 8-bit step (1/510): no value moves by more than one step"
            ),
        ),
        "fp16": (
            _at_least(
                "psnr_vs_float_worst_db",
                50.0,
                "half precision keeps 11 bits; 50 dB is a root-mean-square error of 0.8 of an 8-bit step",
            ),
            _at_most(COLOURS, 1.0, "1 dE00 is about the smallest difference that a viewer notices"),
        ),
        "w8": _quantized(
            48.0,
            "8-bit weights, one scale per channel: the worst photographs of gb82 and every fourth of CBSD68 reached "
            "52.4 to 56.3 dB with hdrnet and hdrnet-luma; with the last layer in 8 bits too, 38.7 dB",
        ),
        "w8a8": _quantized(
            45.0,
            "the worst photographs of gb82 and CBSD68 reached 49.6 to 53.9 dB with hdrnet and hdrnet-luma; ranges that "
            "hardly saw a bright picture gave 24 dB, the last layer in 8 bits 38.7 dB",
        ),
        "w8a16": _quantized(
            48.0,
            "16-bit activations lose nothing that shows beside 8-bit weights: 52.4 to 56.3 dB on the worst photographs "
            "of gb82 and every fourth of CBSD68",
        ),
        "mixed": _quantized(
            48.0,
            "what 8 bits do not hold is kept: 50.5 to 54.8 dB on the worst photographs of gb82 and CBSD68",
        ),
    }
)
OTHER = (
    _at_least("psnr_vs_float_worst_db", 35.0, "below about 35 dB two photographs differ visibly side by side"),
    _at_most(COLOURS, 3.0, "3 dE00 is visible at a glance; at most 1 % of the pixels may reach it"),
)
"""Gates of the precisions that the table above does not name."""


def gates_for(precision: str, task: Sequence[Limit] = (), user: Sequence[Limit] = ()) -> tuple[Gate, ...]:
    """List the gates of an artifact: the built-in ones, then the task's, then the user's; a later one wins."""
    built_in = (*ALWAYS, *BY_PRECISION.get(precision, OTHER))
    own = [Gate(limit, "set by the task", asked=True) for limit in task]
    own += [Gate(limit, "set on the command line", asked=True) for limit in user]
    return (*built_in, *own)


def require_known(limits: Iterable[Limit]) -> None:
    """Refuse limits on what no report can have, before anything is measured.

    Raises:
        UsageError: the hint lists the metrics.
    """
    for limit in limits:
        if limit.metric not in names():
            raise UsageError(
                f"there is no metric {limit.metric!r} to set a limit on", f"known are: {', '.join(names())}"
            )


def gated(report: Report, gates: Iterable[Gate]) -> Report:
    """Return the report with its measurements bound by `gates`; earlier limits are dropped.

    A limit that the task or the user set on something this report lacks (no truth, say) becomes a ``not-run``.

    Raises:
        UsageError: a limit on a name that no report can have.
    """
    gates = tuple(gates)
    require_known(gate.limit for gate in gates)
    bound = {one.metric: replace(one, minimum=None, maximum=None, limit_reason="") for one in report.measurements}
    for gate in gates:
        name = gate.limit.metric
        is_replaced = name == COLOURS and SHARE_WORST in bound and not gate.asked
        if gate.asked or (name in bound and not is_replaced):
            bound[name] = _bind(bound.get(name) or _missing(name), gate)
    return replace(report, measurements=tuple(bound.values()))


def _missing(name: str) -> Measurement:
    """Stand for a measurement that this verification could not make."""
    quantity = quantity_of(name)
    unit, definition = (quantity.unit, quantity.definition) if quantity else ("values", "")
    reason = "the golden file has no truth" if "_vs_truth" in name else "no photograph gave a number"
    return Measurement(name, None, unit, Evidence.NOT_RUN, definition, reason=reason)


def _bind(measurement: Measurement, gate: Gate) -> Measurement:
    """Set the sides of the gate that are given and keep the other."""
    limit = gate.limit
    minimum = measurement.minimum if limit.minimum is None else limit.minimum
    maximum = measurement.maximum if limit.maximum is None else limit.maximum
    reasons = [reason for reason in (measurement.limit_reason, gate.reason) if reason]
    if limit.minimum is not None and measurement.minimum is not None:
        reasons = [gate.reason]
    return replace(measurement, minimum=minimum, maximum=maximum, limit_reason="; ".join(reasons))
