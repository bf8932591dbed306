"""``viewfinder baseline accept``: measure what a policy names, and write it down as what is good from now on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.errors import Exit, UsageError
from viewfinder.runtime import verified
from viewfinder.runtime.gate import baseline as baselines
from viewfinder.runtime.gate import policyfile
from viewfinder.runtime.gate.baseline import Baseline
from viewfinder.verbs import gating
from viewfinder.verbs.gate_cases import Order

Progress = Callable[[str], None]


@dataclass(frozen=True)
class AcceptRequest:
    """What to accept.

    Attributes:
        policy: the policy's file; its baseline is written.
        reason: why this is good; kept beside the numbers.
        artifacts, rebuild, reports: as in `gate_cases.Order`.
        baseline: another file to write, in place of the policy's.
    """

    policy: Path
    reason: str
    artifacts: Path | None = None
    rebuild: bool = False
    reports: tuple[Path, ...] = ()
    baseline: Path | None = None
    threads: int = 1
    use_cache: bool = True
    command: str = ""


@dataclass(frozen=True)
class AcceptResult:
    """What was written.

    Attributes:
        path: of the baseline.
        changed: keys of the entries that are new or not as they were; `unchanged` counts the rest.
        left_out: cases that could not be measured, with the reason; their entries stay as they were.
    """

    path: Path
    changed: tuple[str, ...]
    unchanged: int
    left_out: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """Return 3 if something could not be measured."""
        return Exit.NOT_VERIFIED if self.left_out else Exit.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "baseline": str(self.path),
            "changed": list(self.changed),
            "unchanged": self.unchanged,
            "left_out": list(self.left_out),
        }


def accept(request: AcceptRequest, progress: Progress | None = None) -> AcceptResult:
    """Measure every case of a policy and write the baseline; entries of cases that it no longer names are kept.

    Raises:
        BadPolicyError: a policy that cannot be read; with its line.
        BadBaselineError: an existing baseline that is damaged.
        UsageError: no reason, or neither the policy nor the request names a baseline.
    """
    say = progress or (lambda _line: None)
    file = policyfile.load(request.policy)
    path = request.baseline or (file.folder / file.policy.baseline if file.policy.baseline else None)
    if path is None:
        hint = "add `baseline: baseline.json` to it, or name a file with --baseline"
        raise UsageError(f"{request.policy} names no baseline", hint)
    old = baselines.load(path) if path.exists() else Baseline()
    baselines.accept(old, (), request.reason, "")  # an empty reason is told before an hour of work, not after
    with tempfile.TemporaryDirectory(prefix="viewfinder-baseline-") as work:
        order = Order(
            Path(work), request.artifacts, request.rebuild, request.reports, request.threads, request.use_cache,
            command=request.command,
        )  # fmt: skip
        found = gating.find(file, order, say)
    good = [one.now for one in found if one.now is not None and one.now.numbers]
    left = [_left_out(one) for one in found if one.now is None or not one.now.numbers]
    new, changed = baselines.accept(old, good, request.reason, verified.now())
    if changed or not path.exists():
        baselines.write(path, new)
    return AcceptResult(path, tuple(changed), len(good) - len(changed), tuple(left))


def _left_out(one: gating.Found) -> str:
    """Say why a case has no numbers."""
    reasons = [other.reason for other in one.section.report.measurements if other.reason]
    name = f"{one.wanted.model} {one.wanted.target} {one.wanted.precision}"
    return f"{name}: {reasons[0] if reasons else 'nothing was measured'}"
