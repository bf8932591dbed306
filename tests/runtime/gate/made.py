"""Measured numbers and reports, made up."""

from __future__ import annotations

from dataclasses import replace

from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime.gate.measured import Made, Measured, Numbers, of_section
from viewfinder.runtime.report.document import Section

PHOTOS = tuple(f"photo-{number}" for number in range(8))
DEFINITION = "against the truth: PSNR"


def numbers(*values, definition=DEFINITION):
    """Give the photographs values; one value is that of all."""
    given = values if len(values) > 1 else values * len(PHOTOS)
    return Numbers("dB", definition, dict(zip(PHOTOS, given, strict=False)))


def measured(**changes):
    """Make the numbers of one artifact: 30 dB against the truth, 40 dB against float."""
    base = Measured(
        model="hdrnet", weights="w", format="tflite", engine="litert", precision="w8a8",
        made=Made("a" * 64, "w" * 64, "r", "p", {"model.tflite": "f" * 64}, {"torch": "2"}),
        engine_version="2.3.0", evidence="measured",
        photographs=dict.fromkeys(PHOTOS, "00"),
        numbers={"psnr_vs_truth_db": numbers(30.0), "psnr_vs_float_db": numbers(40.0)},
        totals={"size_bytes": 1000.0},
    )  # fmt: skip
    return replace(base, **changes)


def report(values=None, **notes):
    """Make a report of eight photographs with these metrics (name to value, or to one value per photograph)."""
    given = {"psnr_vs_truth_db": 30.0, "psnr_vs_float_db": 40.0, "psnr_drop_vs_truth_db": 0.05} | (values or {})
    found = [Measurement("values_not_finite", 0.0, "values", Evidence.MEASURED)]
    for metric, value in given.items():
        each = list(value) if isinstance(value, tuple | list) else [value] * len(PHOTOS)
        samples = dict(zip(PHOTOS, each, strict=False))
        pick = max if "drop" in metric else min
        worst = pick(samples, key=lambda photo, samples=samples: samples[photo])
        stem = metric.removesuffix("_db")
        definition = f"{DEFINITION}; mean of {len(each)} photographs"
        mean = sum(each) / len(each)
        for name, one in ((metric, mean), (f"{stem}_worst_db", samples[worst])):
            found.append(Measurement(name, one, "dB", Evidence.MEASURED, definition, per_sample=samples, worst=worst))
    return Report(
        "hdrnet", "tflite-w8a8", "a" * 64, "tflite", "w8a8", "litert", Evidence.MEASURED, tuple(found), 1000,
        {"weights": "w", "weights_sha256": "w" * 64, "measured_with": {"ai-edge-litert": "2.3.0"},
         "pixels_sha256": dict.fromkeys(PHOTOS, "00"), "recipe_sha256": "r", "parameters_sha256": "p",
         "made_with": {"torch": "2"}} | notes,
    )  # fmt: skip


def section(values=None, **notes):
    """Make a report's part with one file."""
    return Section(report(values, **notes), ({"name": "model", "file": "model.tflite", "sha256": "f" * 64},))


__all__ = ["PHOTOS", "measured", "numbers", "of_section", "report", "section"]


HEAD = """version: 1
baseline: b.json
gates:
  - model: hdrnet
    targets: [tflite]
    precisions: [w8a8]
    limits:
"""
"""A policy up to its first limit, which then stands in line 8."""


def only(made, rule):
    """Return the one check of a rule."""
    (found,) = [check for check in made if check.rule == rule]
    return found
