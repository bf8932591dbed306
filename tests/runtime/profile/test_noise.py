"""The noise floor, and what others took while something was measured."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from viewfinder.runtime.profile import contention, noise

BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@pytest.mark.parametrize(
    ("processes", "floor"),
    [
        ([[1.0] * 5] * 4, 0.0),
        ([[1.0], [1.0], [1.1], [1.1]], 0.1),
        ([[1.0], [1.2]], 0.2),
        ([[1.0] * 3, [1.0] * 3, [2.0] * 3], 1.0),
        ([[1.0]], float("inf")),
    ],
)
def test_the_floor_is_the_largest_difference_of_two_halves(processes, floor):
    """Halved in every way: slow processes may all lie in one half."""
    assert noise.floor(processes) == pytest.approx(floor)


def test_samples_are_sorted_into_their_processes():
    """By their names; others are left out."""
    samples = {"process 1 run 1": 1.0, "process 2 run 1": 3.0, "process 1 run 2": 2.0, "total": 9.0}
    assert noise.by_process(samples) == [[1.0, 2.0], [3.0]]


def spin(seconds):
    """Compute for a while, in processor time, so that waiting makes it longer."""
    start = os.times()
    while os.times().user + os.times().system - start.user - start.system < seconds:
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells")
def test_others_on_our_core_are_noticed():
    """Two programs that want the same core: we wait for a good part of the time, and they take it."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    os.sched_setaffinity(0, {core})
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2)]
    try:
        began = contention.snapshot()
        spin(0.4)
        found = contention.between(began, contention.snapshot(), 1)
    finally:
        os.sched_setaffinity(0, allowed)
        for one in others:
            one.kill()
            one.wait()
    assert found["waited_share"] > 0.2 > contention.MOST_WAITED


def test_a_system_that_tells_nothing(tmp_path, monkeypatch):
    """Without /proc there are no numbers, and no crash."""
    monkeypatch.setattr(contention, "_PROC", tmp_path)
    began = contention.snapshot()
    assert contention.between(began, contention.snapshot(), 1) == {"waited_share": None, "others_cores": None}


def test_a_kernel_without_an_account_of_waiting():
    """One thread's processor time against the clock tells it; several threads may wait for each other."""
    old, new = (contention.Snapshot(at, None, own, None) for at, own in ((10.0, 5.0), (12.0, 6.5)))
    assert contention.between(old, new, 1) == {"waited_share": pytest.approx(0.25), "others_cores": None}
    assert contention.between(old, new, 2)["waited_share"] is None


def test_shares_are_of_the_threads_and_never_negative():
    """Clocks of the kernel have a grain; a program cannot give time back."""
    old = contention.Snapshot(10.0, 100.0, 5.0, 1.0)
    found = contention.between(old, contention.Snapshot(12.0, 103.0, 7.0, 3.0), 2)
    assert found == {"waited_share": 0.5, "others_cores": 0.5}
    assert contention.between(old, contention.Snapshot(11.0, 100.5, 6.0, 1.0), 1)["others_cores"] == 0.0
