"""``summary.md``: what a job's page shows; pictures are linked relative to the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from viewfinder.runtime.gate.outcome import SHOWN_FIRST, UNDECIDED, Case, Check, Outcome, Ruling
from viewfinder.runtime.report.document import PICTURES

NAME = "summary.md"
MARK = {Ruling.PASS: "✅", Ruling.FAIL: "❌", Ruling.GAIN: "⬆️", Ruling.NOT_CHECKED: "➖"} | dict.fromkeys(
    UNDECIDED, "⚠️"
)
MOST_PHOTOGRAPHS = 3
"""Photographs shown per case that is not green."""


def render(outcome: Outcome, folders: Mapping[str, str], pages: Sequence[str] = ()) -> str:
    """Return the page.

    Args:
        outcome: what the gate found.
        folders: name of each case to the folder of its pictures, relative to the page; "" is beside it.
        pages: files with the whole reports, relative.
    """
    lines = [f"# {MARK[outcome.ruling]} viewfinder gate: {outcome.ruling.value}", "", _sentence(outcome), ""]
    lines += ["| case | verdict | checks | size | reason |", "| --- | --- | --- | --- | --- |"]
    lines += [_row(case) for case in outcome.cases]
    lines += ["", *(f"- {escape(note)}" for note in outcome.notes)]
    for case in outcome.cases:
        if case.ruling is not Ruling.PASS or any(check.ruling is Ruling.GAIN for check in case.checks):
            lines += _details(case, folders.get(case.name))
    lines += ["", *(f"The whole report: [{escape(page)}]({quote(page)})." for page in pages)]
    return "\n".join(lines).rstrip() + "\n"


def escape(text: str) -> str:
    """Keep names and messages from being read as Markdown or HTML."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
    return " ".join(escaped.replace(">", "&gt;").split())


def _sentence(outcome: Outcome) -> str:
    """Say the outcome in a sentence."""
    green = sum(case.ruling is Ruling.PASS for case in outcome.cases)
    count = len(outcome.cases)
    keep = "case keeps" if count == 1 else "cases keep"
    return f"{green} of {count} {keep} every limit of {escape(outcome.policy)}."


def _row(case: Case) -> str:
    """Write one case as a row."""
    passed = sum(check.ruling is Ruling.PASS for check in case.checks)
    reasons = case.reasons
    reason = escape(reasons[0]) if reasons else ""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    size = f"{case.section.report.size_bytes:,}" if case.section.report.size_bytes else ""
    mark = f"{MARK[case.ruling]} {case.ruling.value}"
    return f"| {escape(case.name)} | {mark} | {passed} of {len(case.checks)} | {size} | {reason}{more} |"


def _details(case: Case, folder: str | None) -> list[str]:
    """Write what is not green about a case, and its worst photographs."""
    lines = ["", f"## {MARK[case.ruling]} {escape(case.name)}", ""]
    told = [check for check in case.checks if check.ruling not in {Ruling.PASS, Ruling.NOT_CHECKED}]
    lines += [_item(check) for check in sorted(told, key=lambda check: SHOWN_FIRST.index(check.ruling))]
    lines += [f"- **explained by**: {escape(one.told)}" for one in case.explanations]
    lines += [f"- changed since the baseline: {escape(', '.join(case.changed))}"] if case.changed else []
    return lines + (_pictures(case, folder) if folder is not None else [])


def _item(check: Check) -> str:
    """Write one check."""
    return f"- {MARK[check.ruling]} `{check.rule}` (line {check.line}): {escape(check.told)}"


def _pictures(case: Case, folder: str) -> list[str]:
    """Link the worst photographs: the float output, the artifact's, and their difference, at the worst place."""
    drawn = case.section.pictures
    names = [name for name in _worst(case) if name in drawn][:MOST_PHOTOGRAPHS]
    if not names:
        return []
    lines = ["", "| photograph | PyTorch | artifact | difference |", "| --- | --- | --- | --- |"]
    for name in names:
        crop: Mapping[str, Any] = drawn[name]["crop"]
        cells = [_picture(folder, f"{kind} of {name}", str(crop[kind])) for kind in ("float", "artifact", "difference")]
        lines.append(f"| {' | '.join([escape(name), *cells])} |")
    return lines


def _picture(folder: str, label: str, file: str) -> str:
    """Link one picture."""
    path = "/".join(part for part in (folder, PICTURES, file) if part)
    return f"![{escape(label)}]({quote(path)})"


def _worst(case: Case) -> list[str]:
    """List the photographs, those with the least PSNR against the float output first."""
    found = next((one for one in case.section.report.measurements if one.metric == "psnr_vs_float_db"), None)
    values = dict(found.per_sample) if found else {}
    return sorted(values, key=lambda name: values[name])
