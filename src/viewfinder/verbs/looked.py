"""What verbs that look into artifacts give: a report, where it lies, and how the command ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.errors import Exit
from viewfinder.runtime.report.document import Document
from viewfinder.verbs import verify as verifying


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What came out of `probe`, `bisect` or `overflow`; `folder` is where the report lies, or None."""

    document: Document
    folder: Path | None = None

    @property
    def exit_code(self) -> Exit:
        """Return 0 if every limit holds, 1 if one does not, 3 if something could not run."""
        return verifying.EXIT[self.document.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, with where it was written."""
        return {**self.document.to_dict(), "folder": str(self.folder) if self.folder else None}
