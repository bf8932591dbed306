"""``report.json``: every number of a build or verification, with its evidence, definition, limits and hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.errors import UsageError
from viewfinder.measurement import Measurement, Report, Verdict

SCHEMA_VERSION = 1
KIND = "viewfinder-report"
JSON_NAME, HTML_NAME, PICTURES = "report.json", "report.html", "pictures"


class BadReportError(UsageError):
    """A report.json is missing, damaged, or of another version."""

    code = "bad-report"


@dataclass(frozen=True)
class Section:
    """One artifact in the report.

    Attributes:
        files: of the artifact: name, file, sha256, size_bytes.
        pictures: photograph to the files and captions that `panels.draw` returned, relative to ``pictures/``.
        probes: of `viewfinder probe`: each chart's name, title, what it looks for, its metrics, pictures and curves.
        parting: of `viewfinder bisect`: where two artifacts part, the table of tensors, and crops.
        search: of `viewfinder repair`: every candidate that was built, the chosen one, and the budget.
    """

    report: Report
    files: tuple[Mapping[str, Any], ...] = ()
    pictures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    probes: tuple[Mapping[str, Any], ...] = ()
    parting: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the section as JSON data; what only some verbs fill stands there only when it is filled."""
        more = {
            "probes": [dict(one) for one in self.probes],
            "parting": dict(self.parting),
            "search": dict(self.search),
        }
        return {
            **self.report.to_dict(),
            "files": [dict(one) for one in self.files],
            "pictures": dict(self.pictures),
            **{key: value for key, value in more.items() if value},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Section:
        """Read a section that `to_dict` made."""
        own = {"files", "pictures", "probes", "parting", "search"}
        rest = {key: value for key, value in data.items() if key not in own}
        more = {"probes": tuple(data.get("probes", ())), **{key: data.get(key, {}) for key in ("parting", "search")}}
        return cls(Report.from_dict(rest), tuple(data["files"]), data["pictures"], **more)


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        command: what made it, as typed.
        created: UTC, ISO 8601.
        model: name, title, paper, weights, weights_sha256.
        golden: sha256, operator of the truth.
        tools: package to version.
        host: system, machine, python, cores.
        photographs: name, size ``[width, height]``, and ``pictures`` (input, float, truth) relative to ``pictures/``.
    """

    command: str
    created: str
    model: Mapping[str, Any]
    golden: Mapping[str, Any]
    sections: tuple[Section, ...]
    photographs: tuple[Mapping[str, Any], ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Fail if any artifact failed, not-run if any could not be verified, else pass."""
        return joined([section.report for section in self.sections])

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON data."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "verdict": self.verdict.value,
            "command": self.command,
            "created": self.created,
            "model": dict(self.model),
            "golden": dict(self.golden),
            "photographs": [dict(photo) for photo in self.photographs],
            "artifacts": [section.to_dict() for section in self.sections],
            "tools": dict(self.tools),
            "host": dict(self.host),
        }

    def to_json(self) -> str:
        """Return sorted JSON; NaN is refused, because no reader of JSON takes it."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def joined(reports: Sequence[Report]) -> Verdict:
    """Join the verdicts of several artifacts; of none it is not-run."""
    verdicts = {report.verdict for report in reports}
    return next((one for one in (Verdict.FAIL, Verdict.NOT_RUN, Verdict.PASS) if one in verdicts), Verdict.NOT_RUN)


def failed(report: Report) -> list[Measurement]:
    """List the measurements that are beyond their limit."""
    return [one for one in report.measurements if one.verdict is Verdict.FAIL]


def read(path: Path) -> Document:
    """Read ``report.json`` (or the folder that holds it).

    Raises:
        BadReportError: it is not there, not a report, or of another version.
    """
    file = path / JSON_NAME if path.is_dir() else path
    hint = "make it again with `viewfinder build` or `viewfinder verify -o`"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["kind"] != KIND or data["schema_version"] != SCHEMA_VERSION:
            raise BadReportError(
                f"{file} is {data['kind']} version {data['schema_version']}; this viewfinder reads {SCHEMA_VERSION}",
                hint,
            )
        return Document(
            sections=tuple(Section.from_dict(one) for one in data["artifacts"]),
            photographs=tuple(data["photographs"]),
            **{key: data[key] for key in ("command", "created", "model", "golden", "tools", "host")},
        )
    except FileNotFoundError:
        raise BadReportError(f"there is no {file}", hint) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadReportError(f"{file} cannot be read as a report: {error!r}", hint) from error


def write(document: Document, folder: Path) -> tuple[Path, Path]:
    """Write ``report.json`` and ``report.html`` into `folder`, where ``pictures/`` lies; all or nothing each."""
    from viewfinder.runtime.report.html import render

    page = render(document, folder / PICTURES)
    files.write_text(folder / JSON_NAME, document.to_json())
    files.write_text(folder / HTML_NAME, page)
    return folder / JSON_NAME, folder / HTML_NAME
