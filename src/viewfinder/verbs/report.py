"""``viewfinder report``: write report.html again from report.json and the pictures beside it; nothing is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Document


@dataclass(frozen=True)
class ReportResult:
    """What was written."""

    document: Document
    html: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {"html": str(self.html), "verdict": self.document.verdict.value}


def report(source: Path, output: Path | None = None) -> ReportResult:
    """Render a report again.

    `source` is a build's folder or a report.json; `output` the HTML file, by default ``report.html`` beside it.

    Raises:
        BadReportError: there is no report, or it is damaged or of another version.
    """
    from viewfinder.runtime.report.html import render

    document = documents.read(source)
    folder = source if source.is_dir() else source.parent
    target = output or folder / documents.HTML_NAME
    if target.is_dir():
        target /= documents.HTML_NAME
    files.write_text(target, render(document, folder / documents.PICTURES))
    return ReportResult(document, target)
