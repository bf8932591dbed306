"""Inner values read from the emulated NPU, and the bisection that holds them against the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from tests import npu
from tests.runtime.htp import planted

from viewfinder import presets
from viewfinder.errors import Exit, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import bisect
from viewfinder.runtime.htp import recording
from viewfinder.verbs import bisect as verb
from viewfinder.verbs.bisect import BisectRequest

ELITE = "snapdragon-8-elite"


@pytest.mark.npu
def test_every_inner_value_comes_from_the_npu(tmp_path, own_cache):
    """Slicing in 16 bits, value by value: none parts from ONNX Runtime's, but they are not the same bits either."""
    npu.lend(own_cache)
    made = planted.write(tmp_path)
    result = verb.bisect(BisectRequest(made.folder, target=ELITE))
    assert result.exit_code is Exit.PASS
    (found,) = result.partings
    names = {one.other.name for one in found.compared}
    assert {"guide", "clip", "apply", *(f"away_{step}" for step in range(planted.BINS))} <= names | {"clip"}
    assert all(one.sums.sqnr_db > 40 for one in found.compared)
    assert any(one.sums.error > 0 for one in found.compared)
    report = result.document.sections[0].report
    assert (report.engine, report.evidence) == (f"qnn@{ELITE}", Evidence.EMULATED)


class Spoiled:
    """Stands for an NPU that computes one operator wrong, and what follows from it."""

    def __init__(self, path, graph, _place):
        self._inner = bisect.open(path, graph, "onnx")
        self.ops = self._inner.ops

    def record(self, feeds):
        """Run on the CPU, then subtract the wrong scalar, as the NPU did in 16 bits."""
        values = self._inner.record(feeds)
        wrong = {name for name in values if name.endswith("_3") and name != "step_3"}
        return {name: np.zeros_like(one) + 7 if name in wrong else one for name, one in values.items()}


def test_a_wrong_subtraction_is_named(tmp_path, monkeypatch):
    """Of the chain that it spoils, the first operator is named: the subtraction of a scalar. Exit 1."""
    made = planted.write(tmp_path)
    monkeypatch.setattr(recording, "OnNpu", Spoiled)
    monkeypatch.setattr("viewfinder.verbs.compile.interpreter", lambda: tmp_path / "python")
    result = verb.bisect(BisectRequest(made.folder, target=ELITE))
    assert result.exit_code is Exit.CHECK_FAILED
    first = result.partings[0].first
    assert (first.other.kind, first.other.name) == ("Sub", "away_3")
    assert "Sub away_3" in result.partings[0].sentence


def test_what_cannot_be_bisected_on_a_target(tmp_path):
    """A second artifact beside a target, a misspelled processor, and another format are refused."""
    with pytest.raises(UsageError, match="beside a second artifact"):
        BisectRequest(tmp_path, tmp_path, target=ELITE)
    made = planted.write(tmp_path)
    with pytest.raises(UsageError, match="there is no processor"):
        verb.bisect(BisectRequest(made.folder, target="snapdragon-9"))
    assert presets.npu(ELITE).htp_arch == 79
