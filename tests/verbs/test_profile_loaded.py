"""The verb `profile` on a computer that others use: no ratio is better than a wrong one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tests.verbs.test_profile import QUICK, numbers, write

from viewfinder.cli import main
from viewfinder.runtime.gate.comparison import Word
from viewfinder.runtime.profile import comparison, contention, context
from viewfinder.runtime.report import document as documents
from viewfinder.verbs.profile import ProfileRequest, profile

BUSY = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"
HOGS = 10


@pytest.fixture
def crowd():
    """Return a function that starts ten programs on the core that measurements are pinned to.

    Each has a session of its own: Linux shares a core between sessions first (sched_autogroup), so ten programs of one
    session would leave half of it to the measured process.
    """
    started = []

    def start():
        argv = ["taskset", "-c", str(context.pinned(1)[0]), sys.executable, "-c", BUSY]
        started.extend(subprocess.Popen(argv, start_new_session=True) for _ in range(HOGS))

    yield start
    for one in started:
        one.kill()
        one.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins, and tells who waits")
def test_a_loaded_machine_makes_slower_incomparable(tmp_path, capfd, crowd):
    """Ten programs on our core make the same artifact slower: no answer, exit 3, and the reason is other programs."""
    build = write(tmp_path / "onnx-float")
    profile(ProfileRequest(str(build), output=tmp_path / "before", **QUICK | {"runs": 40, "seconds": 0.5}))
    crowd()
    loaded = profile(ProfileRequest(str(build), output=tmp_path / "loaded", **QUICK | {"runs": 40, "seconds": 1.0}))
    assert any("other programs were at work" in text for text in loaded.warnings)
    assert numbers(loaded)["model_waited_share"] > 10 * contention.MOST_WAITED
    assert main(["compare", str(tmp_path / "before"), str(tmp_path / "loaded")]) == 3
    said = capfd.readouterr().out
    assert "incomparable: " in said
    assert "other programs" in said  # at work meanwhile, or the drift that they make
    assert _without_disturbance(tmp_path / "before", tmp_path / "loaded") is Word.WORSE


def _without_disturbance(quiet, loaded):
    """Compare the means of two profiles with nothing said about others: what a naive comparison would answer.

    Means, because a median may not show a crowd at all: an inference that fits into one turn takes as long as ever.
    """
    sides = []
    for folder in (quiet, loaded):
        report = documents.read(folder / "report.json").sections[0].report
        warm = next(one for one in report.measurements if one.metric == "model_warm_p50_ms")
        sides.append(float(np.mean(list(warm.per_sample.values()))))
    return Word.WORSE if sides[1] > sides[0] * (1 + comparison.LEAST_NOISE) else Word.SAME
