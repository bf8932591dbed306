"""How names, values and limits of measurements read on a page."""

from __future__ import annotations

from viewfinder.measurement import Evidence, Measurement, Verdict
from viewfinder.runtime.metrics import METRICS
from viewfinder.runtime.quantities import DROP, FINITE, OF_FLOAT, SHARE, quantity_of

_METRIC = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "max_abs": "Largest difference",
    "delta_e_2000": "ΔE2000",
    "delta_e_2000_p99": "ΔE2000, 99th percentile",
    "flip": "FLIP",
}
_REFERENCE = {"float": "against PyTorch", "truth": "against truth"}
_OTHER = {
    FINITE: "NaN or infinite values",
    OF_FLOAT: "PyTorch's own PSNR against truth",
    DROP: "PSNR lost against truth",
    SHARE: "ΔE2000 of what noise leaves, 99th percentile",
    "repair_drop_vs_truth_worst_db": "PSNR lost against truth, worst photograph",
    "repair_size_bytes": "Size",
    "tensor_sqnr_least_db": "Least SQNR of a tensor",
    "tensor_sqnr_greatest_loss_db": "Most SQNR lost in an operator",
}
_UNIT = {"dB": " dB", "1": "", "dE00": "", "values": "", "bytes": " bytes"}
MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.NOT_RUN: "–", Verdict.INFO: ""}
VERDICT = {Verdict.PASS: "pass", Verdict.FAIL: "fail", Verdict.NOT_RUN: "not run", Verdict.INFO: "no limit"}
EVIDENCE = {
    Evidence.MEASURED: "computed by the runtime itself on this machine's CPU",
    Evidence.EMULATED: "computed by an emulator of the device",
    Evidence.REFERENCE: "computed by a reference evaluator of the artifact's own program and weights, not by the "
    "vendor's runtime",
    Evidence.COMPILER_ESTIMATE: "estimated by a compiler, nothing ran",
    Evidence.NOT_RUN: "could not run here; never a pass",
}


def title(name: str) -> str:
    """Name a measurement for people, e.g. ``PSNR against PyTorch, worst photograph``."""
    quantity = quantity_of(name)
    stem = quantity.name if quantity else name
    tail = ", worst photograph" if quantity and name == quantity.worst_name else ""
    for metric in METRICS.values():
        for reference, words in _REFERENCE.items():
            if metric.called(reference) == stem:
                return f"{_METRIC[metric.name]} {words}{tail}"
    return _OTHER.get(stem, name.replace("_", " ")) + tail


def short_title(name: str) -> str:
    """Name a measurement above a column, where the worst photograph is what is meant unless ``mean`` is said."""
    quantity = quantity_of(name)
    if quantity is None:
        return title(name)
    text = title(quantity.name).replace(", 99th percentile", " p99")
    return text if name == quantity.worst_name else f"{text}, mean"


def number(value: float | None, unit: str) -> str:
    """Write a value with its unit: one decimal for dB above 10, else three significant digits."""
    if value is None:
        return "not run"
    if unit == "values":
        return f"{value:.0f}"
    if unit == "dB":
        return f"{value:.1f} dB" if abs(value) >= 10 else f"{round(value, 3) + 0.0:.3f} dB"
    text = f"{value:.3g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"
    return text.replace("-0.", "−0.").replace("e-0", "e−").replace("e-", "e−") + _UNIT.get(unit, f" {unit}")


def limit(one: Measurement) -> str:
    """Write the bounds of a measurement, e.g. ``≥ 80 dB``; empty without any."""
    unit = _UNIT.get(one.unit, f" {one.unit}")
    bounds = [("≥", one.minimum), ("≤", one.maximum)]
    return " and ".join(f"{sign} {bound:g}{unit}" for sign, bound in bounds if bound is not None)


def size(size_bytes: int) -> str:
    """Write a size in the largest unit that keeps it above 1; 1 MB is a million bytes."""
    for unit, bytes_per in (("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= bytes_per:
            return f"{size_bytes / bytes_per:.2f} {unit}"
    return f"{size_bytes} bytes"
