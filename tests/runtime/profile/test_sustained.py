"""The curve of a sustained run, drawn from nothing but the times of its inferences."""

from __future__ import annotations

import pytest

from viewfinder.runtime.profile import sustained


def test_a_device_that_becomes_slower():
    """A minute at 10 ms, then a minute at 20 ms: the edges show both, the windows follow each other without a gap."""
    curve = sustained.of_samples([10.0] * 6000 + [20.0] * 3000)
    assert sustained.is_complete(curve)
    assert curve["edge_s"] == 30.0
    assert curve["first"] == {"runs": 3000, "p50_ms": 10.0, "p90_ms": 10.0}
    assert curve["last"] == {"runs": 1500, "p50_ms": 20.0, "p90_ms": 20.0}
    windows = curve["windows"]
    assert len(windows) == 60
    assert sum(one["runs"] for one in windows) == 9000
    assert [one["from_s"] for one in windows] == [0.0, *(one["to_s"] for one in windows[:-1])]
    assert windows[-1]["to_s"] == pytest.approx(120.0)
    assert [one["p50_ms"] for one in windows] == [10.0] * 30 + [20.0] * 30


@pytest.mark.parametrize("samples", [[5.0], [5.0, 5.0], [5.0] * 59 + [9000.0]])
def test_few_or_long_inferences(samples):
    """Fewer windows than usual, none of them empty, and every inference is in one."""
    curve = sustained.of_samples(samples)
    assert sustained.is_complete(curve)
    assert sum(one["runs"] for one in curve["windows"]) == len(samples)
    assert min(one["runs"] for one in (*curve["windows"], curve["first"], curve["last"])) >= 1
    assert curve["windows"][-1]["to_s"] == pytest.approx(sum(samples) / 1e3)
