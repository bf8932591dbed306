"""What verifies artifacts for one kind of target: a module for each adapter that `viewfinder.accelerators` names.

`on_targets` asks an adapter what it needs of a model, shows it every artifact that it takes, and puts its sections into
the one table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from viewfinder.accelerators import Accelerator
from viewfinder.artifact import Artifact
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.recipe import Recipe
from viewfinder.runtime import sampled
from viewfinder.runtime.report.document import Section
from viewfinder.verbs.verification import VerifyRequest

Bind = Callable[[Section], Section]
"""Sets the limits of quality."""
FLOAT = "float"
CPU, NPU, INTEGERS = "cpu", "npu", "integers"


@dataclass(frozen=True)
class Order:
    """An artifact that is made of a model for a kind of target.

    Attributes:
        form: `NPU`, the form that NPUs are given, `INTEGERS`, that of NPUs without float, or `CPU`, the one that the
            format has by itself.
        recipe: makes the recipe of a precision and a pipeline; None takes the precision's own for NPUs.
    """

    format: str
    precision: str = FLOAT
    form: str = CPU
    recipe: Callable[[str, str], Recipe] | None = None


@dataclass(frozen=True)
class Case:
    """One artifact on one target.

    Attributes:
        truth: the golden file that belongs to the artifact; that they fit has been checked.
    """

    made: Artifact
    target: Accelerator
    truth: Golden
    request: VerifyRequest

    @property
    def bands(self) -> int:
        """Return how many bands of rows of each photograph, or tiles, are compared."""
        return sampled.count_of(self.made, self.request.bands)


class Adapter(Protocol):
    """A module in this folder.

    Attributes:
        NEEDS: what is made of a model.
    """

    NEEDS: Sequence[Order]

    def takes(self, made: Artifact) -> bool:
        """Tell whether an artifact of a build is for this kind of target."""

    def sections(self, case: Case, bind: Bind) -> list[Section]:
        """Verify; what cannot be run is a section too (`not_run`).

        Raises:
            ViewfinderError: something that the artifact is to blame for; it becomes a row that says why.
        """


def names() -> list[str]:
    """List the adapters, sorted."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> Adapter:
    """Import the adapter of an accelerator's word."""
    return cast("Adapter", importlib.import_module(f"{__name__}.{name}"))


def not_run(case: Case, artifact: str, reason: str, notes: Mapping[str, Any] | None = None) -> Section:
    """Write the row of an artifact that could not be verified here; it never passes."""
    measured = Measurement("psnr_vs_float_worst_db", None, "dB", Evidence.NOT_RUN, reason=reason)
    made = case.made
    report = Report(
        task=made.task, artifact=artifact, artifact_sha256=made.sha256, format=made.format, precision=made.precision,
        engine=case.target.name, evidence=Evidence.NOT_RUN, measurements=(measured,),
        notes={**(notes or {}), "target": case.target.name},
    )  # fmt: skip
    return Section(report, (), {})
