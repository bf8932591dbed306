"""What minutes of work do to a device: the first and the last seconds of a run without pauses, and the curve between.

The curve may come from another device, so it is checked before anything is believed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from viewfinder.measurement import Evidence, Measurement

_NUMBERS = ("runs", "p50_ms", "p90_ms")


def of_samples(samples: Sequence[float]) -> dict[str, Any]:
    """Draw the curve of inferences that ran one after the other, when only their times are known, in milliseconds.

    The clock is the sum of the times: pauses between them are not seen.

    Returns:
        As `viewfinder.runtime.engines._worker.sustained`, without the state of the device.
    """
    from viewfinder.runtime.engines import _worker

    ends = np.cumsum(np.asarray(samples, float)) / 1e3
    seconds = float(ends[-1])
    edge = min(_worker.EDGE_S, seconds / 2)
    # A window may hold no end of an inference when they are long; then there are fewer.
    places = np.unique(np.searchsorted(ends, np.linspace(0, seconds, _worker.WINDOWS + 1)[1:-1]) + 1)
    parts = [part for part in np.split(np.asarray(samples, float), places) if len(part)]
    edges = np.concatenate([[0.0], ends[np.cumsum([len(part) for part in parts]) - 1]])
    windows = [
        {"from_s": float(begin), "to_s": float(end), **_worker.middle(part.tolist())}
        for begin, end, part in zip(edges, edges[1:], parts, strict=False)
    ]
    inside = max(int(np.searchsorted(ends, edge, "right")), 1)
    behind = min(int(np.searchsorted(ends, seconds - edge, "right")), len(samples) - 1)
    first, last = (_worker.middle(list(part)) for part in (samples[:inside], samples[behind:]))
    return {"edge_s": edge, "windows": windows, "first": first, "last": last}


def is_complete(result: Any) -> bool:
    """Tell whether a sustained run has its edges and a curve of finite, positive numbers."""
    if not isinstance(result, dict) or not isinstance(result.get("windows"), list) or not result["windows"]:
        return False
    parts = [result.get("first"), result.get("last"), *result["windows"]]
    whole = all(isinstance(one, dict) and all(_is_number(one.get(key)) for key in _NUMBERS) for one in parts)
    ends = [(one.get("from_s"), one.get("to_s")) for one in result["windows"] if isinstance(one, dict)]
    return whole and _is_number(result.get("edge_s")) and all(_is_number(one) for pair in ends for one in pair)


def _is_number(value: Any) -> bool:
    """Tell a finite number that is not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def measurements(graph: str, result: Mapping[str, Any], how: str) -> list[Measurement]:
    """Turn the run of a graph into measurements: both edges, their ratio, memory, and the curve as samples.

    Args:
        graph: what its metrics begin with.
        result: of a process, with ``sustained`` in it.
        how: where and with what threads.
    """
    curve = result["sustained"]
    seconds = curve["windows"][-1]["to_s"]
    found = []
    for side in ("first", "last"):
        for share in (50, 90):
            text = (
                f"percentile {share} of {curve[side]['runs']} inferences in the {side} {curve['edge_s']:g} s of "
                f"{seconds:.0f} s without a pause, {how}"
            )
            value = float(curve[side][f"p{share}_ms"])
            found.append(Measurement(f"{graph}_sustained_{side}_p{share}_ms", value, "ms", Evidence.MEASURED, text))
    ratio = curve["last"]["p50_ms"] / max(curve["first"]["p50_ms"], 1e-9)
    text = f"median of the last {curve['edge_s']:g} s over that of the first; above 1 the device became slower"
    samples = {f"{one['from_s']:.3f}-{one['to_s']:.3f} s": float(one["p50_ms"]) for one in curve["windows"]}
    return [
        *found,
        Measurement(f"{graph}_sustained_slowdown", ratio, "1", Evidence.MEASURED, text),
        Measurement(
            f"{graph}_sustained_p50_ms", max(samples.values()), "ms", Evidence.MEASURED,
            "largest median of a window; the samples are the curve", per_sample=samples,
        ),
        *_memory(graph, result, seconds),
    ]  # fmt: skip


def _memory(graph: str, result: Mapping[str, Any], seconds: float) -> list[Measurement]:
    """Report the resident size behind the load, at its peak and at the end."""
    sizes = {
        "loaded": (result["memory_loaded_bytes"], "behind the load"),
        "peak": (result["memory_peak_bytes"], "at its peak"),
        "end": (result["sustained"]["windows"][-1].get("memory_bytes"), f"after {seconds:.0f} s"),
    }
    return [
        Measurement(
            f"{graph}_memory_{name}_bytes", float(size), "bytes", Evidence.MEASURED,
            f"resident size of the process, Python included, {when}",
        )
        for name, (size, when) in sizes.items()
        if _is_number(size)
    ]  # fmt: skip
