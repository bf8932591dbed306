"""``viewfinder compare``: two builds, verifications or baselines; better, same, worse or incomparable, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from viewfinder.errors import Exit, UsageError
from viewfinder.runtime.gate import baseline as baselines
from viewfinder.runtime.gate import comparison, measured
from viewfinder.runtime.gate.bootstrap import Test
from viewfinder.runtime.gate.comparison import Compared, Word
from viewfinder.runtime.gate.measured import Measured
from viewfinder.runtime.profile import comparison as profiles
from viewfinder.runtime.report import document as documents

MARGIN_DB = 0.1
"""A fifth of the 0.5 dB that papers in this field call a gain, as in `runtime/limits.py`."""
ENDS = {
    Word.WORSE: Exit.CHECK_FAILED,
    Word.INCOMPARABLE: Exit.NOT_VERIFIED,
    Word.BETTER: Exit.PASS,
    Word.SAME: Exit.PASS,
}


@dataclass(frozen=True)
class CompareRequest:
    """What to compare: two of report.json, a folder that holds one, or a baseline.

    Attributes:
        margin_db: PSNR by which something has to move to be better or worse.
    """

    first: Path
    second: Path
    margin_db: float = MARGIN_DB
    confidence: float = 0.95
    seed: int = 20_261_122

    def __post_init__(self) -> None:
        """Refuse a margin or a confidence that decides nothing."""
        if not 0 < self.margin_db <= 200:
            raise UsageError(f"a margin of {self.margin_db} dB", "give more than 0 and at most 200")
        if not 0.5 <= self.confidence < 1:
            raise UsageError(f"a confidence of {self.confidence}", "give at least 0.5 and less than 1")


@dataclass(frozen=True)
class CompareResult:
    """An answer for every artifact."""

    answers: tuple[Compared, ...]

    @property
    def word(self) -> Word:
        """Return the answer for all: worse if one is, else incomparable if one is, else better if one is."""
        words = {one.word for one in self.answers}
        order = (Word.WORSE, Word.INCOMPARABLE, Word.BETTER)
        return next((one for one in order if one in words), Word.SAME if words else Word.INCOMPARABLE)

    @property
    def exit_code(self) -> Exit:
        """Return 0 for better and same, 1 for worse, 3 for incomparable."""
        return ENDS[self.word]

    def to_dict(self) -> dict[str, Any]:
        """Return the answers as JSON data."""
        return {"answer": self.word.value, "artifacts": [asdict(one) for one in self.answers]}


def compare(request: CompareRequest) -> CompareResult:
    """Compare artifact by artifact; nothing is run.

    Raises:
        UsageError: a side that is neither a report nor a baseline, or is damaged.
    """
    if (profiled := _profiles(request)) is not None:
        return CompareResult(profiled)
    old, new = (_read(path) for path in (request.first, request.second))
    test = Test(request.margin_db, request.confidence, request.seed)
    answers = [_answer(key, old, new, request, test) for key in sorted({*old, *new})]
    if not answers:
        raise UsageError(f"neither {request.first} nor {request.second} holds a number", "compare verified artifacts")
    return CompareResult(tuple(answers))


def _profiles(request: CompareRequest) -> tuple[Compared, ...] | None:
    """Compare two profiles by their own rules; None if the two are something else."""
    sides = []
    for path in (request.first, request.second):
        if path.is_file() and baselines.is_baseline(path):
            return None
        if path.is_dir() and not (path / documents.JSON_NAME).is_file():
            return None
        reports = [section.report for section in documents.read(path).sections]
        sides.append({f"{one.task} {one.artifact} {one.engine}": one for one in reports})
    if not all(side and all(map(profiles.is_profile, side.values())) for side in sides):
        return None
    keys = sorted({key for side in sides for key in side})
    return tuple(
        profiles.compare(key, sides[0][key], sides[1][key])
        if key in sides[0] and key in sides[1]
        else Compared(key, Word.INCOMPARABLE, f"only {request.first if key in sides[0] else request.second} has it")
        for key in keys
    )


def _read(path: Path) -> Mapping[str, Measured]:
    """Read one side."""
    if path.is_file() and baselines.is_baseline(path):
        return {key: entry.measured for key, entry in baselines.load(path).entries.items()}
    if path.is_dir() and not (path / documents.JSON_NAME).is_file():
        hint = "name a folder that `viewfinder build`, `verify -o` or `gate -o` wrote, a report.json or a baseline"
        raise UsageError(f"{path} has no {documents.JSON_NAME}", hint)
    return measured.of_document(documents.read(path))


def _answer(
    key: str, old: Mapping[str, Measured], new: Mapping[str, Measured], request: CompareRequest, test: Test
) -> Compared:
    """Compare one artifact, if both sides have it."""
    if key not in old or key not in new:
        where = request.first if key in old else request.second
        return Compared(key, Word.INCOMPARABLE, f"only {where} has it")
    return comparison.compare(old[key], new[key], test)
