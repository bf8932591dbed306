"""Two profiles: what may be compared, and what a difference means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime.gate.comparison import Word
from viewfinder.runtime.profile import comparison, counts, latency

STATE = {"protocol": 2, "processor": "p", "system": "s", "cores": [3], "governor": {3: "performance"}}


def timed(factor=1.0, *, jitter=0.01, state=None, slower=1.0, load=0.2, told=None, processes=4):
    """Return a profile in time: `factor` times as slow as another, with what the kernel `told` about others."""
    results = [
        {"load_ms": 9, "first_ms": 5, "memory_before_bytes": 1, "memory_loaded_bytes": 2, "memory_peak_bytes": 3,
         "warm_ms": [factor * (1 + place * jitter)] * 20 + [slower * factor * (1 + place * jitter)] * 20}
        for place in range(processes)
    ]  # fmt: skip
    results = [one | (told or {}) for one in results]
    found = latency.measurements("strip", results, "1 thread")
    about = {**STATE, "load_average": load, **(state or {})}
    notes = {"device": "host", "threads": 1, "before": about, "after": about}
    return report(found, Evidence.MEASURED, notes)


def counted(instructions=1_000_000, **notes):
    """Return a profile in instructions."""
    run = {"instructions": instructions, "load_store": instructions * 2, "dram_lines_read": 1, "dram_lines_written": 1}
    found = counts.measurements("strip", counts.Counts((run, run, run)), ((64, 4),))
    facts = {"device": "arm64:cortex-a76", "emulator": "qemu 7.2", "wheels": "litert 2", "plugin_sha256": "ab"}
    return report(found, Evidence.EMULATED, facts | notes)


def report(found, evidence, notes):
    """Put a report together."""
    return Report("t", "onnx-float", "0" * 64, "onnx", "float", "onnxruntime", evidence, tuple(found), 1, notes)


@pytest.mark.parametrize(
    ("after", "word"), [(1_004_000, Word.SAME), (1_006_000, Word.WORSE), (994_000, Word.BETTER), (996_000, Word.SAME)]
)
def test_counts_are_compared_to_half_a_percent(after, word):
    """Classes of instructions do not count twice: only the total decides."""
    assert comparison.compare("k", counted(), counted(after)).word is word


@pytest.mark.parametrize("key", ["device", "target", "emulator", "processor", "wheels", "plugin_sha256"])
def test_counts_of_other_boards_or_runtimes(key):
    """What differs is named."""
    answer = comparison.compare("k", counted(), counted(**{key: "other"}))
    assert answer.word is Word.INCOMPARABLE
    assert f"{key.removesuffix('_sha256')} differs: " in answer.why


@pytest.mark.parametrize(
    ("factor", "jitter", "word"),
    [(1.02, 0.0, Word.SAME), (1.05, 0.0, Word.WORSE), (0.9, 0.0, Word.BETTER), (1.05, 0.04, Word.SAME)],
)
def test_timings_have_to_leave_their_own_noise(factor, jitter, word):
    """The noise floor is what A/A runs of one artifact differ by, and 3 % at least."""
    assert comparison.compare("k", timed(jitter=jitter), timed(factor, jitter=jitter)).word is word


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (
            timed(2.0, state={"governor": {3: "powersave"}}),
            "governor differs: {'3': 'performance'}, then {'3': 'powersave'}",
        ),
        (timed(2.0, state={"processor": "q"}), "processor differs"),
        (timed(2.0, state={"protocol": 1}), "protocol differs"),
        (timed(2.0, load=7.0), "the load average was 7.0"),
        (timed(2.0, told={"waited_share": 0.4, "others_cores": 0.1}), "40% of the time was spent waiting for a core"),
        (timed(2.0, told={"waited_share": 0.0, "others_cores": 1.7}), "they kept 1.7 cores busy"),
        (timed(2.0, processes=1), "there are no A/A runs"),
        (timed(2.0, slower=1.4), "became 1.40 times slower while it ran"),
        (timed(2.0, jitter=0.2), "A/A runs of one and the same artifact differ by 36%"),
        (replace(timed(2.0), evidence=Evidence.NOT_RUN), "not run"),
        (counted(), "obtained differently"),
    ],
)
def test_what_may_not_be_compared_gets_no_ratio(other, why):
    """Twice as slow, but under other conditions, is no answer; nor is it in the other order."""
    for pair in ((timed(), other), (other, timed())):
        answer = comparison.compare("k", *pair)
        assert answer.word is Word.INCOMPARABLE
        assert "%" not in answer.why or "differ by" in answer.why or "waiting for a core" in answer.why
    assert why in comparison.compare("k", timed(), other).why


@pytest.mark.parametrize("key", ["device", "target", "threads", "processor", "system", "wheels", "governor", "runtime"])
def test_timings_of_other_places(key):
    """Another phone or board, runtime or number of threads is named, whatever the times are."""
    before = timed()
    after = replace(before, notes={**before.notes, key: "other"})
    answer = comparison.compare("k", before, after)
    assert answer.word is Word.INCOMPARABLE
    assert f"{key} differs: " in answer.why


def test_two_engines_may_be_compared():
    """Their versions are no likeness that is missing: what is asked is which of the two is faster."""
    before = replace(timed(), notes={**timed().notes, "runtime": "onnxruntime==1"})
    after = replace(timed(2.0), engine="litert", notes={**timed().notes, "runtime": "ai-edge-litert==2"})
    assert comparison.compare("k", before, after).word is Word.WORSE


@pytest.mark.parametrize("key", ["protocol", "processor", "system", "cores", "governor"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_timings_in_another_state(key, when):
    """Before or after, of the first or of the second profile: a computer that changed is not the same."""
    before = timed()
    after = replace(before, notes={**before.notes, when: {**before.notes[when], key: "other"}})
    for pair in ((before, after), (after, before)):
        assert f"{key} differs: " in comparison.compare("k", *pair).why
        assert comparison.compare("k", *pair).word is Word.INCOMPARABLE


def test_a_throttled_device():
    """What Android, or a board, said about the run is the reason."""
    before = timed()
    after = replace(before, notes={**before.notes, "throttled": "its thermal status was 'severe' after the run"})
    answer = comparison.compare("k", before, after)
    assert answer.word is Word.INCOMPARABLE
    assert "the device was throttled: its thermal status was 'severe'" in answer.why


@pytest.mark.parametrize("made", [timed, counted])
def test_other_graphs(made):
    """The same artifact cut in another way: no sum says anything."""
    before = made()
    renamed = [replace(one, metric=one.metric.replace("strip", "model")) for one in before.measurements]
    answer = comparison.compare("k", before, replace(before, measurements=tuple(renamed)))
    assert answer.word is Word.INCOMPARABLE
    assert "other graphs" in answer.why


def test_what_the_kernel_tells_counts_more_than_a_load_average():
    """A load of the last minute may be our own last profile; waiting for a core is not."""
    quiet = {"waited_share": 0.001, "others_cores": 0.05}
    assert comparison.compare("k", timed(), timed(1.2, load=7.0, told=quiet)).word is Word.WORSE


def test_a_sustained_run_is_not_compared():
    """It is a single process: nobody knows what another one would differ by."""
    edge = {"runs": 5, "p50_ms": 1.0, "p90_ms": 2.0}
    curve = {"edge_s": 1.0, "windows": [{"from_s": 0.0, "to_s": 2.0, **edge}], "first": edge, "last": edge}
    sizes = {"memory_loaded_bytes": 2, "memory_peak_bytes": 3}
    found = latency.measurements("strip", [{"sustained": curve, **sizes}], "1 thread")
    made = report(found, Evidence.MEASURED, timed().notes)
    assert comparison.is_profile(made)
    assert "no A/A runs" in comparison.compare("k", made, made).why


def test_profiles_are_told_from_verifications():
    """Also one that could not be run."""
    gone = Measurement("profile", None, "1", Evidence.NOT_RUN, reason="x")
    psnr = Measurement("psnr_vs_float_db", 90.0, "dB", Evidence.MEASURED)
    assert comparison.is_profile(timed())
    assert comparison.is_profile(counted())
    assert comparison.is_profile(report([gone], Evidence.NOT_RUN, {}))
    assert not comparison.is_profile(report([psnr], Evidence.MEASURED, {}))


def test_a_report_that_was_read_again_compares_the_same():
    """JSON turns core numbers into texts; that is no difference."""
    import json

    again = Report.from_dict(json.loads(json.dumps(timed().to_dict())))
    assert comparison.compare("k", timed(), again).word is Word.SAME
