from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.engines import blend

from viewfinder.artifact import Artifact
from viewfinder.devices import host
from viewfinder.errors import NotVerifiedError
from viewfinder.measurement import Evidence
from viewfinder.runtime.engines import _worker
from viewfinder.runtime.profile import child, context, latency

SHORT = latency.Schedule(processes=2, runs=4, seconds=0.0, warm_up_runs=1, warm_up_s=0.0, most_s=10.0)


@pytest.fixture
def made(tmp_path):
    """Return an artifact of one tiny graph."""
    path = blend.write("onnx", tmp_path)
    graph = type(blend.GRAPH)(**{**vars(blend.GRAPH), "file": path.name})
    return Artifact(tmp_path, "t", "onnx", "float", "tiles", {}, (graph,))


def place(cores=()):
    """Say what it runs in."""
    return latency.Place("onnxruntime", None, 1, cores)


def test_every_process_gives_every_sample(made, tmp_path):
    """Load, first inference and warm inferences come apart; the warm-up is not among them."""
    (tmp_path / "work").mkdir()
    feeds = {"blend": blend.feeds()}
    run = host.open("").run
    subject = latency.Subject(made, feeds, place(context.pinned(1)))
    results = latency.timings([subject], SHORT, run, tmp_path / "work")[0]["blend"]
    assert len(results) == 2
    for one in results:
        assert len(one["warm_ms"]) == 4
        assert one["load_ms"] > max(one["warm_ms"]) > 0
        assert one["memory_before_bytes"] <= one["memory_loaded_bytes"] <= one["memory_peak_bytes"]


def test_percentiles_keep_their_samples():
    """p50, p90 and p99 are those of all processes together; memory is the largest."""
    results = [
        {"load_ms": load, "first_ms": 5.0, "warm_ms": [float(value) for value in samples], "memory_before_bytes": 10,
         "memory_loaded_bytes": 20, "memory_peak_bytes": peak}
        for load, samples, peak in ((7.0, range(1, 51), 30), (9.0, range(51, 102), 40))
    ]  # fmt: skip
    made = {one.metric: one for one in latency.measurements("strip", results, "1 thread")}
    assert made["strip_warm_p50_ms"].value == 51
    assert made["strip_warm_p90_ms"].value == 91
    assert made["strip_warm_p99_ms"].value == 100
    assert len(made["strip_warm_p50_ms"].per_sample) == 101
    assert made["strip_load_ms"].value == 8
    assert made["strip_memory_peak_bytes"].value == 40
    assert made["strip_memory_peak_growth_bytes"].value == 30
    assert made["strip_memory_loaded_growth_bytes"].value == 10
    assert {one.evidence for one in made.values()} == {Evidence.MEASURED}


def test_a_run_that_became_slower_is_seen():
    """The last quarter is compared with the first, in each process."""
    steady, slower = [1.0] * 40, [1.0] * 20 + [2.0] * 20
    base = {"load_ms": 1, "first_ms": 1, "memory_before_bytes": 1, "memory_loaded_bytes": 1, "memory_peak_bytes": 1}
    for samples, drift in ((steady, 1.0), (slower, 2.0)):
        made = latency.measurements("g", [base | {"warm_ms": steady}, base | {"warm_ms": samples}], "1 thread")
        assert next(one.value for one in made if one.metric == "g_drift") == drift


@dataclass
class Ended:
    """A process that ended."""

    code: int
    errors: str = ""


WHOLE = {"load_ms": 1, "first_ms": 1, "memory_before_bytes": 1, "memory_loaded_bytes": 1, "memory_peak_bytes": 1}


@pytest.mark.parametrize("samples", [[], None, 3, ["fast"], [-1.0], [float("nan")], [1.0, float("inf")]])
def test_samples_that_are_none(samples):
    """A device may send anything in their place."""
    assert not latency.is_complete(WHOLE | {"warm_ms": samples})
    assert latency.is_complete(WHOLE | {"warm_ms": [1.0]})
    assert not latency.is_complete(WHOLE | {"warm_ms": [1.0], "first_ms": None})


@pytest.mark.parametrize("result", [None, "", "{}", "[]", '{"load_ms": 1}'])
def test_only_a_whole_result_is_proof_of_success(made, tmp_path, result):
    """A process that exits 0 without it, was killed, or wrote something else, measured nothing."""
    (tmp_path / "work").mkdir()

    def run(argv, _timeout):
        """Leave `result`."""
        if result is not None:
            Path(argv[-1]).write_text(result)
        return Ended(0 if result is None else -9, "noise\nKilled\n")

    with pytest.raises(NotVerifiedError, match=r"timing blend ended with code (0|-9) and no result: Killed"):
        latency.timings([latency.Subject(made, {"blend": blend.feeds()}, place())], SHORT, run, tmp_path / "work")


def test_graphs_and_artifacts_take_turns(tmp_path):
    """A slow minute falls on all graphs of both artifacts, and not on one."""
    graphs = tuple(type(blend.GRAPH)(**{**vars(blend.GRAPH), "name": name}) for name in ("a", "b"))
    asked = []

    def run(argv, _timeout):
        """Remember whose turn it is."""
        request = json.loads(Path(argv[-2]).read_text())
        asked.append(Path(request["path"]).parent.name + request["graph"]["name"])
        keys = ("load_ms", "first_ms", "memory_before_bytes", "memory_loaded_bytes", "memory_peak_bytes")
        Path(argv[-1]).write_text(json.dumps(dict.fromkeys(keys, 1) | {"warm_ms": [1.0 + len(asked)]}))
        return Ended(0)

    feeds = {"a": blend.feeds(), "b": blend.feeds()}
    pair = [Artifact(tmp_path / name, "t", "onnx", "float", "tiles", {}, graphs) for name in ("old", "new")]
    results = latency.timings([latency.Subject(one, feeds, place()) for one in pair], SHORT, run, tmp_path)
    assert asked == ["olda", "oldb", "newa", "newb"] * 2
    assert [one["warm_ms"] for one in results[1]["b"]] == [[5.0], [9.0]]


def test_a_sustained_run_is_one_process_with_a_curve(made, tmp_path):
    """First and last seconds, at most a point per sixtieth, memory behind the load and at the peak; no warm-up."""
    (tmp_path / "work").mkdir()
    schedule = latency.Schedule(sustain_s=0.6)
    subject = latency.Subject(made, {"blend": blend.feeds()}, place())
    (result,) = latency.timings([subject], schedule, host.open("").run, tmp_path / "work")[0]["blend"]
    found = {one.metric: one for one in latency.measurements("blend", [result], "1 thread")}
    curve = result["sustained"]
    assert 1 <= len(curve["windows"]) <= 60
    assert curve["windows"][-1]["to_s"] >= 0.6
    assert curve["edge_s"] == 0.3
    assert all(early["to_s"] == late["from_s"] for early, late in pairwise(curve["windows"]))
    total = sum(one["runs"] for one in curve["windows"])
    assert total - 1 <= curve["first"]["runs"] + curve["last"]["runs"] <= total + 1
    ratio = found["blend_sustained_last_p50_ms"].value / found["blend_sustained_first_p50_ms"].value
    assert found["blend_sustained_slowdown"].value == pytest.approx(ratio)
    assert len(found["blend_sustained_p50_ms"].per_sample) == len(curve["windows"])
    assert found["blend_memory_peak_bytes"].value >= found["blend_memory_loaded_bytes"].value > 0


def test_a_device_that_tires_is_seen():
    """The last seconds are told from the first ones, whatever lies between."""

    class Time:
        """Passes by itself; runs take longer and longer."""

        now = 0.0

        @classmethod
        def perf_counter(cls):
            """Read the clock."""
            return cls.now

    def run():
        """Take 10 ms, from the middle on 20 ms."""
        Time.now += 0.01 if Time.now < 60 else 0.02

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_worker, "time", Time)
        found = _worker.sustained(run, 120.0)
    assert found["edge_s"] == 30.0
    assert found["first"]["p50_ms"] == pytest.approx(10.0)
    assert found["last"]["p50_ms"] == pytest.approx(20.0)
    assert found["last"]["runs"] == pytest.approx(1500, abs=2)
    assert len(found["windows"]) == 60


EDGE = {"runs": 3, "p50_ms": 1.0, "p90_ms": 1.0}
CURVE = {"edge_s": 1.0, "first": EDGE, "last": EDGE, "windows": [{"from_s": 0.0, "to_s": 1.0, **EDGE}]}


@pytest.mark.parametrize(
    "changes",
    [{"windows": []}, {"windows": None}, {"windows": [3]}, {"windows": [EDGE]}, {"first": None}, {"last": {}},
     {"last": EDGE | {"p50_ms": float("nan")}}, {"first": EDGE | {"runs": -1}}, {"edge_s": "long"}],
)  # fmt: skip
def test_curves_that_are_none(changes):
    """A board may send anything in its place."""
    assert latency.is_complete(WHOLE | {"sustained": CURVE})
    assert not latency.is_complete(WHOLE | {"sustained": CURVE | changes})


def test_a_phase_has_both_bounds_and_an_end():
    """At least so many runs, at least so long, and never for ever."""
    calls = []
    assert len(child.repeat(lambda: calls.append(1), 7, 0.0, 10.0)) == 7
    assert len(child.repeat(lambda: calls.append(1), 1, 0.02, 10.0)) > 7
    assert len(child.repeat(lambda: None, 10**9, 10.0, 0.02)) < 10**9
    assert len(child.repeat(lambda: None, 5, 1.0, 0.0)) == 1


def test_the_context_says_what_the_system_tells(monkeypatch, tmp_path):
    """Governor and frequency of the pinned cores; None where the kernel is silent."""
    folder = tmp_path / "cpu3" / "cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_governor").write_text("schedutil\n")
    (folder / "scaling_cur_freq").write_text("1800000\n")
    monkeypatch.setattr(context, "_CPUS", tmp_path)
    found = context.context([3, 4])
    assert found["governor"] == {3: "schedutil", 4: None}
    assert found["frequency_khz"] == {3: 1_800_000, 4: None}
    assert found["processor"]
    assert json.dumps(found)


def test_memory_is_told_in_bytes():
    """The peak is at least what is used now, and more than an interpreter's few megabytes."""
    held = np.ones(1 << 20)
    assert child.memory_bytes("VmHWM") >= child.memory_bytes("VmRSS") > 1 << 23
    assert held.size


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins")
def test_threads_are_pinned_to_the_last_cores():
    """As many cores as threads, among those that may be used."""
    import os

    allowed = sorted(os.sched_getaffinity(0))
    assert context.pinned(1) == allowed[-1:]
    assert context.pinned(len(allowed)) == allowed
