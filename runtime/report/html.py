"""``report.html``: one file with everything in it, for a mail attachment opened on a phone; no script, no request."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import strata
from viewfinder.measurement import Evidence, Measurement, Report, Verdict
from viewfinder.runtime.metrics import METRICS
from viewfinder.runtime.quantities import FINITE, quantities
from viewfinder.runtime.report import charts, curve, kinds, partings, words
from viewfinder.runtime.report.panels import ERROR_SCALE, MAGMA

if TYPE_CHECKING:
    from jinja2 import Environment

    from viewfinder.runtime.report.document import Document, Section

MAX_PHOTOGRAPHS = 6
"""Photographs shown with pictures: the worst ones; the numbers of all stand in the table."""
ENLARGED = 860
"""Pixels that the longer side of a small picture is enlarged to at most, by a whole number: its pixels stay squares."""
_OWN = ("input", "average", "float")
"""Pictures of a photograph that are no artifact's, in the order of the page."""
_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}
_HERE = Path(__file__).parent


def render(document: Document, pictures: Path) -> str:
    """Return the page; pictures are read from the folder `pictures` and embedded, absent ones are said to be absent."""
    shown = _worst_photographs(document)
    return _environment().get_template("page.html.jinja").render(
        document=document,
        style=(_HERE / "style.css").read_text(encoding="utf-8"),
        model=document.model,
        verdict=document.verdict,
        noun=kinds.noun(document),
        kinds=kinds.shown(document.sections, _anchor),
        sentence=_sentence(document),
        gates=_gates(document.sections),
        rows=[_summary_row(section) for section in document.sections],
        photographs=[_photograph(document, photo, pictures) for photo in shown],
        charts=charts.groups(document.sections, lambda file: _embedded(pictures, file), _anchor),
        searches=curve.shown(document.sections),
        partings=partings.shown(document.sections, lambda file: _embedded(pictures, file), _anchor),
        left_out=len(document.photographs) - len(shown),
        numbers=[_numbers(section.report) for section in document.sections],
        definitions=_definitions(document),
        evidences=_evidences(document),
        magma=", ".join(MAGMA),
        error_scale=ERROR_SCALE,
        finite=_finite(document.sections),
    )  # fmt: skip


@cache
def _environment() -> Environment:
    """Make the template's environment: escaping is on, and a name that does not exist is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"title": words.title, "short": words.short_title, "size": words.size}
    environment.globals |= {"mark": words.MARK, "verdict_word": words.VERDICT, "evidence_word": words.EVIDENCE}
    return environment


def _sentence(document: Document) -> str:
    """Say the outcome in one sentence; of artifacts compared tensor by tensor, where they part."""
    parted = [f"{one.report.artifact} {one.parting['brief']}" for one in document.sections if one.parting]
    if parted:
        return f"{'; '.join(parted)}."
    counts = dict.fromkeys((Verdict.PASS, Verdict.FAIL, Verdict.NOT_RUN), 0)
    for section in document.sections:
        counts[section.report.verdict] += 1
    total, photos = len(document.sections), len(document.photographs)
    told = [f"{counts[Verdict.PASS]} of {total} artifact{'s' if total != 1 else ''} passed every limit"]
    told += [f"{counts[Verdict.FAIL]} failed"] if counts[Verdict.FAIL] else []
    told += [f"{counts[Verdict.NOT_RUN]} could not be verified here"] if counts[Verdict.NOT_RUN] else []
    drawn = max((len(section.probes) for section in document.sections), default=0)
    seen = [f"{photos} {kinds.noun(document)}{'s' if photos != 1 else ''}"] if photos or not drawn else []
    seen += [f"{drawn} chart{'s' if drawn != 1 else ''}"] if drawn else []
    return f"{', '.join(told)}, on {' and '.join(seen)}."


def _gates(sections: Sequence[Section]) -> list[str]:
    """List the measurements that some artifact has a limit on, in the order of the first report that has them."""
    found = [
        one.metric
        for section in sections
        for one in section.report.measurements
        if (one.minimum is not None or one.maximum is not None) and not charts.of_probe(one)
    ]
    if _finite(sections):
        found = [name for name in found if name != FINITE]
    order = [FINITE, *(n for q in quantities().values() for n in (q.worst_name, q.name))]
    return sorted(dict.fromkeys(found), key=lambda name: order.index(name) if name in order else len(order))


def _finite(sections: Sequence[Section]) -> bool:
    """Tell whether every output that was made is free of NaN; the summary then spares the column."""
    counts = [one.value for section in sections for one in section.report.measurements if one.metric == FINITE]
    return bool(counts) and not any(counts)


def _summary_row(section: Section) -> dict[str, Any]:
    """Collect what the summary says of one artifact."""
    report = section.report
    reasons = list(dict.fromkeys(one.reason for one in report.measurements if one.reason))
    return {
        "report": report,
        "anchor": _anchor(report),
        "cells": {one.metric: _cell(one) for one in report.measurements},
        "reasons": reasons,
        "files": section.files,
        "charts": charts.tally(section),
        "cached": report.notes.get("reused", False),
    }


def _cell(one: Measurement) -> dict[str, Any]:
    """Write one measurement as a cell: value, limit, verdict, reason."""
    return {
        "value": words.number(one.value, one.unit),
        "limit": words.limit(one),
        "verdict": one.verdict,
        "why": one.limit_reason,
        "worst": one.worst,
    }


def _anchor(report: Report) -> str:
    """Return an id for links inside the page."""
    return re.sub(r"[^a-z0-9]+", "-", f"{report.artifact}-{report.engine}".lower())


def _worst_photographs(document: Document) -> list[Mapping[str, Any]]:
    """Choose the photographs to show: all, or the ones with the greatest FLIP under any artifact, in their order."""
    photographs = list(document.photographs)
    if len(photographs) <= MAX_PHOTOGRAPHS:
        return photographs
    flip = METRICS["flip"].called("float")
    maps = [one.per_sample for s in document.sections for one in s.report.measurements if one.metric == flip]
    errors = {photo["name"]: max((one.get(photo["name"], 0.0) for one in maps), default=0.0) for photo in photographs}
    worst = sorted(errors, key=lambda name: -errors[name])[:MAX_PHOTOGRAPHS]
    return [photo for photo in photographs if photo["name"] in worst]


def _photograph(document: Document, photo: Mapping[str, Any], pictures: Path) -> dict[str, Any]:
    """Collect one photograph: the frames to switch between, and the maps and crops by artifact."""
    name, own = photo["name"], photo["pictures"]
    frames = [("Input" if "average" not in own else "Reference frame", own.get("input"))]
    frames += [("Average", own.get("average")), ("PyTorch", own.get("float"))]
    errors = [(label, photo.get("errors", {}).get(kind)) for (label, _), kind in zip(frames, _OWN, strict=True)]
    artifacts = []
    for section in document.sections:
        drawn = section.pictures.get(name)
        if drawn:
            frames.append((_short(section.report), drawn["artifact"]))
            errors.append((_short(section.report), drawn.get("error")))
            artifacts.append(_drawn(section.report, name, drawn, pictures))
    frames.append(("Truth", own.get("truth")))
    stored = [(label, _embedded(pictures, file)) for label, file in frames if file]
    return {
        **photo,
        "kinds": kinds.of_sample(document, name),
        "frames": stored,
        "errors": [(label, _embedded(pictures, one["file"]), f"{one['mean']:.3f}") for label, one in errors if one],
        "chosen": next((place for place, (label, _) in enumerate(stored, 1) if label == "PyTorch"), 1),
        "enlarged": max(1, ENLARGED // max(photo["size"])),
        "artifacts": artifacts,
    }


def _drawn(report: Report, photo: str, drawn: Mapping[str, Any], pictures: Path) -> dict[str, Any]:
    """Embed the pictures of one photograph under one artifact, with its own numbers beside them."""
    values = {one.metric: (one.per_sample.get(photo), one.unit) for one in report.measurements}
    keys = [metric.called("float") for metric in METRICS.values()]
    crop = drawn["crop"]
    return {
        "label": _short(report),
        "report": report,
        "difference": _embedded(pictures, drawn["difference"]),
        "factor": drawn["difference_factor"],
        "flip": _embedded(pictures, drawn["flip"]),
        "scale": drawn["flip_scale"],
        "place": crop,
        "crops": [(kind, _embedded(pictures, crop[kind])) for kind in ("input", "float", "artifact", "difference")],
        "numbers": [(words.title(key), words.number(*values[key])) for key in keys if key in values],
    }


def _short(report: Report) -> str:
    """Name an artifact on a button."""
    names = {"onnx": "ONNX", "tflite": "TFLite", "coreml": "Core ML", "executorch": "ExecuTorch"}
    return f"{names.get(report.format, report.format)} {report.precision}"


def _embedded(pictures: Path, file: str | None) -> str:
    """Return a picture as a data URI, or an empty text when it is not there; the name may not leave the folder."""
    path = pictures / Path(file).name if file else None
    if path is None or not path.is_file() or path.suffix not in _TYPES:
        return ""
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _numbers(report: Report) -> dict[str, Any]:
    """Collect the table of one artifact: every photograph by every quantity."""
    means = [one for one in report.measurements if one.per_sample and one.metric in quantities()]
    photos = list(dict.fromkeys(name for one in means for name in one.per_sample))
    return {
        "report": report,
        "anchor": _anchor(report),
        "heads": [one.metric for one in means],
        "rows": [(name, [words.number(one.per_sample.get(name), one.unit) for one in means]) for name in photos],
        "strata": _strata(means, report.notes.get("strata", {})),
        "mean": [words.number(one.value, one.unit) for one in means],
        "notes": [
            (key, json.dumps(value, ensure_ascii=False, sort_keys=True)) for key, value in sorted(report.notes.items())
        ],
    }


def _strata(means: Sequence[Measurement], kinds: strata.Strata) -> list[tuple[str, list[str]]]:
    """Collect the rows of the strata: ``exposure dark, 2 photographs`` and its means."""
    names = sorted({name for one in means for name in one.per_stratum})
    counts = strata.counts(kinds)
    return [
        (
            f"{name.replace('=', ' ')}, mean of {counts.get(name, 0)}",
            [words.number(one.per_stratum.get(name), one.unit) for one in means],
        )
        for name in names
    ]


def _definitions(document: Document) -> list[tuple[str, str]]:
    """List what was measured, once each."""
    found: dict[str, str] = {}
    for section in document.sections:
        for one in section.report.measurements:
            if one.definition and (one.metric in quantities() or one.metric == FINITE or charts.of_probe(one)):
                found.setdefault(one.metric, one.definition)
    return list(found.items())


def _evidences(document: Document) -> list[Evidence]:
    """List the evidence labels that occur."""
    return sorted({section.report.evidence for section in document.sections})
