"""Compare what was measured of one artifact at two times: better, same, worse, or incomparable, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from viewfinder.runtime.gate.bootstrap import Answer, Judgement, Test, judge
from viewfinder.runtime.gate.measured import VS_FLOAT, VS_TRUTH, Measured

INDISTINGUISHABLE_DB = 60.0
"""An error below the rounding to 8 bits (58.9 dB) is none: PSNR against the float output is compared up to here."""


class Word(StrEnum):
    """What a comparison answers."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True)
class Compared:
    """An answer for one artifact.

    Attributes:
        why: in one sentence, with the interval, or what differs.
        changed: what else is not the same: files, weights, tools.
        judgement: the statistics, if it came to them.
    """

    key: str
    word: Word
    why: str
    changed: tuple[str, ...] = ()
    judgement: Judgement | None = None


def losses(old: Measured, new: Measured, metric: str) -> dict[str, float]:
    """Return by how much each photograph lost, in dB; above 0 is worse. Empty if one side lacks the metric."""
    if metric not in old.numbers or metric not in new.numbers:
        return {}
    before, after = old.numbers[metric].photographs, new.numbers[metric].photographs
    top = INDISTINGUISHABLE_DB if metric == VS_FLOAT else float("inf")
    return {name: min(before[name], top) - min(after[name], top) for name in before if name in after}


def obstacle(old: Measured, new: Measured, metric: str, *, same_engine_version: bool = True) -> str:
    """Say why numbers of two measurements may not be compared, or return ""."""
    if different := _definitions(old, new, metric) or _photographs(old, new, metric):
        return different
    if old.evidence != new.evidence:
        return f"the numbers were obtained differently: {old.evidence}, then {new.evidence}"
    if same_engine_version and old.engine_version != new.engine_version:
        versions = f"{old.engine_version or 'unknown'}, then {new.engine_version or 'unknown'}"
        return f"other versions of the engine {new.engine}: {versions}"
    return ""


def _definitions(old: Measured, new: Measured, metric: str) -> str:
    """Say why the values themselves are no match."""
    if metric not in old.numbers or metric not in new.numbers:
        side = "the first" if metric not in old.numbers else "the second"
        return f"{side} has no {metric}"
    one, other = old.numbers[metric], new.numbers[metric]
    if one.definition != other.definition or one.unit != other.unit:
        return f"{metric} is defined differently"
    values = [*one.photographs.values(), *other.photographs.values()]
    return "" if all(map(math.isfinite, values)) else f"{metric} has values that are no numbers"


def _photographs(old: Measured, new: Measured, metric: str) -> str:
    """Say which photographs are not the same on both sides."""
    before, after = old.numbers[metric].photographs, new.numbers[metric].photographs
    if gone := sorted(set(before) ^ set(after)):
        where = "only in the first" if gone[0] in before else "only in the second"
        more = f" and {len(gone) - 1} more differ" if len(gone) > 1 else ""
        return f"other photographs: {gone[0]} is {where}{more}"
    hashed = [name for name in before if name in old.photographs or name in new.photographs]
    changed = [name for name in sorted(hashed) if old.photographs.get(name) != new.photographs.get(name)]
    if changed:
        more = f" and of {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"other photographs: the pixels of {changed[0]}{more} differ"
    return ""


def changes(old: Measured, new: Measured) -> tuple[str, ...]:
    """Say what the two artifacts were made from differently; files come last, because the rest explains them."""
    before, after = old.made, new.made
    told = []
    if before.weights_sha256 != after.weights_sha256:
        told.append(f"other weights: {_short(before.weights_sha256)}, now {_short(after.weights_sha256)}")
    if before.recipe != after.recipe:
        told.append("another quantization recipe or calibration set")
    if before.parameters != after.parameters:
        told.append("other sizes of the graphs")
    told += _versions(before.tools, after.tools)
    told += [f"the file {name} differs" for name in changed_files(old, new)]
    return tuple(told)


def is_explained(old: Measured, new: Measured) -> bool:
    """Tell whether the record of what the artifacts were made from names a difference."""
    one, other = old.made, new.made
    return (one.weights_sha256, one.recipe, one.parameters, dict(one.tools)) != (
        other.weights_sha256,
        other.recipe,
        other.parameters,
        dict(other.tools),
    )


def changed_files(old: Measured, new: Measured) -> list[str]:
    """List the files that are not the same."""
    before, after = old.made.files, new.made.files
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _versions(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """List the tools that changed."""
    names = sorted({*before, *after})
    return [
        f"{name} {before.get(name, 'absent')}, now {after.get(name, 'absent')}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _short(digest: str) -> str:
    """Return the first digits of a hash."""
    return f"{digest[:12]}..." if digest else "none"


def compare(old: Measured, new: Measured, test: Test) -> Compared:
    """Compare two measurements of an artifact by PSNR against the truth or, without one, against the float output."""
    metric = VS_TRUTH if VS_TRUTH in old.numbers and VS_TRUTH in new.numbers else VS_FLOAT
    changed = changes(old, new)
    if why := obstacle(old, new, metric):
        return Compared(new.key, Word.INCOMPARABLE, why, changed)
    judged = judge(losses(old, new, metric), test)
    words = {
        Answer.WORSE: Word.WORSE,
        Answer.GAINED: Word.BETTER,
        Answer.KEPT: Word.SAME,
        Answer.TOO_FEW: Word.INCOMPARABLE,
    }
    return Compared(new.key, words[judged.answer], f"{metric}: {judged.why}", changed, judged)
