"""Hints about the Neural Engine: every rule blocks what it is about and nothing else, and says why."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder.cli import npus
from viewfinder.measurement import Evidence, Report
from viewfinder.runtime.coreml import ane
from viewfinder.runtime.coreml.program import Constant, Function, Operation, Tensor


def operation(kind, shape=(1, 8, 4, 4), dtype="fp16", **inputs):
    """Write one operation of a program."""
    bound = {name: (value,) for name, value in inputs.items()}
    return Operation(kind, bound, (Tensor(f"{kind}_0", dtype, shape),), {})


def hint(*operations):
    """Apply the rules to operations."""
    return ane.of(Function((), (), operations))


def blocked(one, generation="M2 and later"):
    """Return the reason against one operation, or None."""
    reasons = list(hint(one).blocked[generation])
    return reasons[0] if reasons else None


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (operation("relu"), None),
        (operation("ios17.relu"), None),
        (operation("lstm"), "the Neural Engine has no such operation"),
        (operation("resample"), None),
        (operation("my_own"), "the rules do not know the operation"),
        (operation("add", dtype="fp32"), "fp32; the Neural Engine computes fp16"),
        (operation("cast", dtype="int32"), "int32; the Neural Engine computes fp16"),
        (operation("reshape", shape=(1, 2, 3, 4, 5, 6)), "6 axes"),
        (operation("reshape", shape=(1, 2, 3, 4, 5)), None),
        (operation("matmul", shape=(1, 2, 3, 4, 5)), "5 axes"),
        (operation("matmul", shape=(1, 8, 4, 24480)), "an axis of 24480, the most is 16384"),
        (operation("add", shape=(1, 24480, 4, 4)), None),
        (operation("conv", weight=Constant(np.zeros((8, 8, 1, 17), np.float16))), "a kernel 17 wide, the most is 13"),
        (operation("conv", weight=Constant(np.zeros((8, 8, 5, 5), np.float16))), None),
        (operation("slice_by_index", begin=Constant(np.zeros(4, np.int32))), None),
        (operation("slice_by_index", begin="computed"), "a slice whose place is computed"),
    ],
)
def test_rules(one, reason):
    """One operation each, in the second generation."""
    assert blocked(one) == reason


def test_the_first_generation_lacks_resizing():
    """What later ones have is blocked there only; constants are no operations."""
    found = hint(operation("upsample_bilinear"), operation("const"), operation("relu"))
    assert found.operations == 2
    assert (found.count("M1"), found.count("M2 and later")) == (1, 0)
    assert found.to_dict()["generations"]["M1"]["eligible"] == 1


def test_a_hint_never_claims_that_something_runs_there():
    """The words are eligible and blocked, generations that agree share a line, and the source is named."""
    made = hint(operation("relu"), operation("matmul", shape=(1, 8, 4, 24480))).to_dict()
    report = Report(
        task="t", artifact="coreml-fp16", artifact_sha256="", format="coreml", precision="fp16", engine="coreml",
        evidence=Evidence.REFERENCE, measurements=(), notes={"ane_hints": {"strip": made}},
    )  # fmt: skip
    (line,) = npus.hints(report)
    assert line.startswith("strip (M1 and M2 and later): 1 of 2 operations eligible, blocked matmul: an axis of 24480")
    assert "eligible is not placed" in line
    assert "runs" not in line
