"""What the page shows of `viewfinder probe`: every chart, what float and the artifact make of it, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from viewfinder.measurement import Measurement, Verdict
from viewfinder.runtime.report import words

if TYPE_CHECKING:
    from viewfinder.runtime.report.document import Section

PREFIX = "probe_"
KINDS = {"chart": "Chart", "float": "Float", "artifact": "Artifact"}
CURVE_HEIGHT = 160
MOST_WHOLE = 3
_ORDER = (Verdict.FAIL, Verdict.NOT_RUN, Verdict.PASS)
Embed = Callable[[str | None], str]


def of_probe(one: Measurement) -> bool:
    """Tell whether a measurement comes from a chart; the summary counts those instead of giving each a column."""
    return one.metric.startswith(PREFIX)


def tally(section: Section) -> str:
    """Count the probes' measurements that hold, e.g. ``14 of 16``; empty without probes."""
    verdicts = [one.verdict for one in section.report.measurements if of_probe(one)]
    return f"{verdicts.count(Verdict.PASS)} of {len(verdicts)} hold" if verdicts else ""


def groups(sections: Sequence[Section], embed: Embed, anchor: Callable[[Any], str]) -> list[dict[str, Any]]:
    """Collect the artifacts that were probed, each with its charts.

    Of more than `MOST_WHOLE`, only the first one shows chart and float too: the page has to fit into a mail.
    """
    probed = [section for section in sections if section.probes]
    return [
        {
            "report": section.report,
            "anchor": f"charts-{anchor(section.report)}",
            "tally": tally(section),
            "against": section.report.notes.get("compared_with", {}),
            # what failed first; sorting keeps the order otherwise
            "charts": sorted(
                (
                    _chart(section, chart, embed, whole=not place or len(probed) <= MOST_WHOLE)
                    for chart in section.probes
                ),
                key=lambda chart: _ORDER.index(chart["verdict"]),
            ),
        }
        for place, section in enumerate(probed)
    ]


def _chart(section: Section, chart: Mapping[str, Any], embed: Embed, *, whole: bool) -> dict[str, Any]:
    """Collect one chart; if not `whole`, without what is the same for every artifact."""
    numbers = {one.metric: one for one in section.report.measurements}
    rows = [(title, numbers[name]) for name, title in chart["metrics"].items() if name in numbers]
    drawn = chart.get("pictures", {})
    return {
        "name": chart["name"],
        "title": chart["title"],
        "looks_for": chart["looks_for"],
        "size": chart["size"],
        "verdict": _joined([one.verdict for _, one in rows]),
        "pictures": [
            (label, embed(drawn[kind]))
            for kind, label in KINDS.items()
            if kind in drawn and (whole or kind == "artifact")
        ],
        "difference": embed(drawn.get("difference")),
        "factor": drawn.get("difference_factor", 1),
        "curve": _curve(chart["profile"]) if "profile" in chart else None,
        "rows": [_row(title, one) for title, one in rows],
    }


def _joined(verdicts: Sequence[Verdict]) -> Verdict:
    """Fail if any number failed, not-run if any is missing, else pass."""
    return next((one for one in _ORDER if one in verdicts), Verdict.PASS)


def _row(title: str, one: Measurement) -> dict[str, Any]:
    """Write one number with its limit, verdict and reason."""
    return {
        "title": title,
        "value": words.number(one.value, one.unit),
        "limit": words.limit(one),
        "verdict": one.verdict,
        "worst": one.worst,
        "why": one.reason or one.limit_reason,
        "definition": one.definition,
    }


def _curve(profile: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Turn two rows of display codes into lines of an SVG picture, stretched to the range that they use."""
    top = max(1, *(max(codes) for codes in profile.values()))
    lines = {name: _line(codes, top) for name, codes in profile.items()}
    return {"width": len(profile["float"]), "height": CURVE_HEIGHT, "top": top, **lines}


def _line(codes: Sequence[int], top: int) -> str:
    """Return the points of a staircase: every code holds for one column."""
    steps: list[str] = []
    for place, code in enumerate(codes):
        if place == 0 or code != codes[place - 1]:
            previous = codes[place - 1] if place else code
            steps += [f"{place},{_height(previous, top)}", f"{place},{_height(code, top)}"]
    return " ".join([*steps, f"{len(codes)},{_height(codes[-1], top)}"])


def _height(code: int, top: int) -> str:
    """Place a code between the lower and the upper edge."""
    return f"{CURVE_HEIGHT * (1 - code / top):.1f}"
