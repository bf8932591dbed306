"""The table of the report that gives every artifact's quality for each kind of sample alone: gain, motion, exposure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from viewfinder import strata
from viewfinder.runtime.metrics import METRICS
from viewfinder.runtime.quantities import DROP, OF_FLOAT
from viewfinder.runtime.report import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewfinder.measurement import Measurement, Report
    from viewfinder.runtime.report.document import Document, Section

AGAINST_TRUTH, AGAINST_FLOAT = (METRICS["psnr"].called(reference) for reference in ("truth", "float"))


def noun(document: Document) -> str:
    """Say what the samples are: a burst has the average of its frames among its pictures."""
    return "burst" if any("average" in photo["pictures"] for photo in document.photographs) else "photograph"


def of_sample(document: Document, name: str) -> str:
    """Say of which kinds a sample is, as far as its name does not: ``motion small``."""
    for section in document.sections:
        found = strata.named(section.report.notes.get("strata", {}), name)
        told = [one.replace("=", " ") for one in found if one.replace("=", " ") not in name]
        if told:
            return ", ".join(told)
    return ""


def shown(sections: Sequence[Section], anchor: Callable[[Report], str]) -> dict[str, Any] | None:
    """Collect the table: kinds as columns, PyTorch and the artifacts as rows; None where there is but one kind.

    Against the truth where there is one, else against PyTorch.
    """
    reports = [section.report for section in sections]
    by_truth = any(_of(report, AGAINST_TRUTH) for report in reports)
    metric = AGAINST_TRUTH if by_truth else AGAINST_FLOAT
    rows = [(report, _of(report, metric), _of(report, DROP)) for report in reports]
    columns = sorted({name for _, one, _ in rows if one for name in one.per_stratum})
    if len(columns) < 2:
        return None
    counts = next((strata.counts(report.notes["strata"]) for report in reports if "strata" in report.notes), {})
    own = next((one for one in (_of(report, OF_FLOAT) for report in reports) if one), None)
    return {
        "title": "By " + " and ".join(dict.fromkeys(name.partition("=")[0] for name in columns)),
        "metric": words.title(metric),
        "columns": [(name.replace("=", " "), counts.get(name, 0)) for name in columns],
        "own": [words.number(own.per_stratum.get(name), "dB") for name in columns] if own and by_truth else None,
        "rows": [
            {
                "label": report.artifact,
                "anchor": anchor(report),
                "cells": [(words.number(one.per_stratum.get(name), "dB"), _lost(drop, name)) for name in columns],
            }
            for report, one, drop in rows
            if one
        ],
    }


def _of(report: Report, metric: str) -> Measurement | None:
    """Return a measurement that is given for kinds, or None."""
    return next((one for one in report.measurements if one.metric == metric and one.per_stratum), None)


def _lost(drop: Measurement | None, name: str) -> str:
    """Write what an artifact lost where PyTorch has the truth as well; "" without truth."""
    value = drop.per_stratum.get(name) if drop else None
    return "" if value is None else f"{words.number(value, 'dB')} lost"
