"""The cases that a policy names: model, target, precision, and where the artifact of each is or will be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from viewfinder import models
from viewfinder.errors import UsageError
from viewfinder.recipe import PRECISIONS
from viewfinder.runtime import engines
from viewfinder.runtime.gate.policy import Gate
from viewfinder.runtime.gate.policyfile import BadPolicyError, Place, PolicyFile
from viewfinder.runtime.report import panels
from viewfinder.verbs.building import FORMATS

BUILT = ("float", *PRECISIONS)
"""Precisions that a gate can build."""


@dataclass(frozen=True)
class Order:
    """How to go about a policy.

    Attributes:
        artifacts: folder with ``FORMAT-PRECISION/`` for every gate, in place of the policy's; None takes the policy's.
        rebuild: make the artifacts even where the policy says where they are.
        reports: further report.json files: probes, results of devices.
        work: folder for what is built and drawn.
        draw: whether to draw pictures.
    """

    work: Path
    artifacts: Path | None = None
    rebuild: bool = False
    reports: tuple[Path, ...] = ()
    threads: int = 1
    use_cache: bool = True
    draw: bool = False
    command: str = ""


@dataclass(frozen=True)
class Wanted:
    """One case that a policy names.

    Attributes:
        gate: number in the policy.
        engine: as asked for, None for the format's own.
        folder: where the artifact is, or will be.
    """

    gate: int
    model: str
    weights: str | None
    format: str
    engine: str | None
    precision: str
    folder: Path
    is_built: bool

    @property
    def target(self) -> str:
        """Format and engine, as outputs name them."""
        return f"{self.format}@{engines.load(self.engine or self.format).NAME}"


def wanted(file: PolicyFile, order: Order) -> list[Wanted]:
    """List the cases of a policy.

    Raises:
        BadPolicyError: a target that is no format or engine, a precision that nothing builds, or a case that stands
            twice; with its line.
    """
    cases = [case for number, gate, _ in file.gates() for case in _of_gate(file, number, gate, order)]
    seen: dict[tuple[str, str | None, str, str], Wanted] = {}
    for case in cases:
        key = (case.model, case.weights, case.target, case.precision)
        if key in seen:
            raise BadPolicyError(
                f"{file.path}:{file.line(('gates', case.gate))}: {case.model} {case.target} {case.precision} stands "
                f"twice, first in line {file.line(('gates', seen[key].gate))}",
                "keep one of them",
            )
        seen[key] = case
    return cases


def _of_gate(file: PolicyFile, number: int, gate: Gate, order: Order) -> Iterator[Wanted]:
    """List the cases of one gate."""
    taken = order.artifacts or (file.folder / gate.artifacts if gate.artifacts else None)
    is_built = taken is None or order.rebuild
    if is_built and not is_file(gate.model) and gate.model not in models.names():
        line = file.line(("gates", number, "model"))
        hint = f"choose one of {', '.join(models.names())}, or your own as path/to/file.py:TASK"
        raise BadPolicyError(f"{file.path}:{line}: no model is called {gate.model!r}", hint)
    if is_built:
        _refuse_precisions(file, number, gate)
    for position, target in enumerate(gate.targets):
        kind, engine = _target(file, ("gates", number, "targets", position), target)
        for precision in gate.precisions:
            base = order.work / "built" / f"{panels.slug(gate.model)}-{gate.weights or 'default'}"
            folder = (base if taken is None or is_built else taken) / f"{kind}-{precision}"
            yield Wanted(number, gate.model, gate.weights, kind, engine, precision, folder, is_built)


def _refuse_precisions(file: PolicyFile, number: int, gate: Gate) -> None:
    """Refuse precisions that nothing can be built in; a folder of the user's own may hold others."""
    for position, precision in enumerate(gate.precisions):
        if precision not in BUILT:
            line = file.line(("gates", number, "precisions", position))
            raise BadPolicyError(
                f"{file.path}:{line}: there is no precision {precision!r}", f"choose one of: {', '.join(BUILT)}"
            )


def _target(file: PolicyFile, place: Place, target: str) -> tuple[str, str | None]:
    """Read ``FORMAT`` or ``FORMAT@ENGINE``; the engine is None where the format's own is meant."""
    kind, _, engine = target.partition("@")
    known = ", ".join(FORMATS)
    try:
        fits = kind in FORMATS and kind == engines.load(engine or kind).FORMAT
        problem, hint = f"{target!r} is no target", f"write one of {known}, or FORMAT@ENGINE"
    except UsageError as error:
        fits, problem, hint = False, error.message, error.hint
    if not fits:
        raise BadPolicyError(f"{file.path}:{file.line(place)}: {problem}", hint)
    return kind, engine or None


def is_file(model: str) -> bool:
    """Tell a model in a file of the user's."""
    return model.partition(":")[0].endswith(".py")
