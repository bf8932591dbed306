"""The committed baseline: what was measured when somebody said "this is good", as JSON that makes small diffs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.errors import UsageError
from viewfinder.runtime.gate.comparison import INDISTINGUISHABLE_DB
from viewfinder.runtime.gate.measured import DECIMALS, VS_FLOAT, Measured, Numbers

SCHEMA_VERSION, KIND = 1, "viewfinder-baseline"
MOST_REASON = 1000


class BadBaselineError(UsageError):
    """A baseline is missing, damaged, or of another version."""

    code = "bad-baseline"


@dataclass(frozen=True)
class Entry:
    """One artifact that was accepted.

    Attributes:
        accepted: UTC time, and the `reason` that was given.
    """

    measured: Measured
    accepted: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON data."""
        return {**self.measured.to_dict(), "accepted": self.accepted, "reason": self.reason}


@dataclass(frozen=True)
class Baseline:
    """All entries by key."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return sorted JSON, one value a line, so that a diff shows what changed and nothing else."""
        entries = {key: entry.to_dict() for key, entry in self.entries.items()}
        data = {"schema_version": SCHEMA_VERSION, "kind": KIND, "entries": entries}
        return json.dumps(data, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def is_baseline(path: Path) -> bool:
    """Tell whether a file says that it is a baseline."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["kind"] == KIND)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def load(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        BadBaselineError: it is not there, damaged, or of another version.
    """
    hint = 'write one with `viewfinder baseline accept --reason "..."`'
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["kind"] != KIND or data["schema_version"] != SCHEMA_VERSION:
            raise BadBaselineError(
                f"{path} is {data['kind']} version {data['schema_version']}; this viewfinder reads {SCHEMA_VERSION}",
                hint,
            )
        return Baseline({str(key): _entry(str(key), one) for key, one in data["entries"].items()})
    except FileNotFoundError:
        raise BadBaselineError(f"there is no baseline {path}", hint) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadBaselineError(f"{path} cannot be read as a baseline: {error!r}", hint) from error


def _entry(key: str, data: Mapping[str, Any]) -> Entry:
    """Read one entry; its name has to be its own, and its values numbers."""
    rest = {name: value for name, value in data.items() if name not in {"accepted", "reason"}}
    measured = Measured.from_dict(rest)
    if measured.key != key:
        raise ValueError(f"the entry {key!r} is of {measured.key!r}")
    for name, numbers in measured.numbers.items():
        if not all(_is_number(one) for one in numbers.photographs.values()):
            raise ValueError(f"{key}: {name} has values that are no numbers")
    return Entry(measured, str(data["accepted"]), str(data["reason"]))


def _is_number(value: object) -> bool:
    """Tell a number that is finite."""
    return isinstance(value, int | float) and math.isfinite(value)


def accept(baseline: Baseline, measured: Iterable[Measured], reason: str, when: str) -> tuple[Baseline, list[str]]:
    """Return the baseline with new entries, and the keys of those that changed.

    What is as good as before keeps its old values, reason and time: accepting an unchanged build changes nothing.

    Raises:
        UsageError: no reason.
    """
    told = " ".join(reason.split())
    if not told or len(told) > MOST_REASON:
        raise UsageError("a baseline is accepted for a reason", 'say it with --reason "...", in a sentence or two')
    entries, changed = dict(baseline.entries), []
    for one in measured:
        old = entries.get(one.key)
        entry = Entry(_settled(old.measured, one) if old else one, when, told)
        if old is None or entry.measured.to_dict() != old.measured.to_dict():
            entries[one.key] = entry
            changed.append(one.key)
    return Baseline(entries), changed


def write(path: Path, baseline: Baseline) -> None:
    """Write the baseline, all or nothing."""
    files.write_text(path, baseline.to_json())


def _settled(old: Measured, new: Measured) -> Measured:
    """Keep the old value of every photograph that did not move: another machine's last digits are no change."""
    numbers = {
        name: replace(one, photographs=_steady(name, old.numbers[name], one)) if name in old.numbers else one
        for name, one in new.numbers.items()
    }
    return replace(new, numbers=numbers)


def _steady(metric: str, old: Numbers, new: Numbers) -> dict[str, float]:
    """Take old values where new ones are as good as equal, or both beyond what can be told apart."""
    kept = {}
    for name, value in new.photographs.items():
        before = old.photographs.get(name)
        both_fine = metric == VS_FLOAT and before is not None and min(before, value) >= INDISTINGUISHABLE_DB
        is_still = before is not None and abs(before - value) <= 2 * 10**-DECIMALS
        kept[name] = before if before is not None and (both_fine or is_still) else value
    return kept
