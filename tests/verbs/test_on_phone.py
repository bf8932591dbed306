"""`verify` and `profile` on phones: a real adbd in the ARM64 userland, our runner, and the state of the phone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.runtime.engines import blend

from viewfinder import demo, devices, photos
from viewfinder.devices import DeviceBusyError
from viewfinder.devices.adb import payload
from viewfinder.errors import Exit, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.profile import benchmark_model
from viewfinder.runtime.profile.comparison import doubts
from viewfinder.runtime.profile.latency import Schedule, is_complete
from viewfinder.target import Target
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.profile import ProfileRequest, profile
from viewfinder.verbs.verify import VerifyRequest, verify

QUICK = {"processes": 1, "runs": 2, "seconds": 0.0}
SCHEDULE = vars(Schedule(1, 3, 0.0, 1, 0.0, 30.0))
TOOL = """#!/bin/sh
echo "$@" >>/data/phone/asked
cat <<'END'
INFO: STARTING!
INFO: Initialized session in 5.579ms.
INFO: count=1 curr=13576 p5=13576 median=13576 p95=13576

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=50 first=12499 curr=12401 min=12385 max=12525 avg=1.24027e+04 std=25 p5=12387 median=12398 p95=12474

INFO: Inference timings in us: Init: 5579, First inference: 13576, Warmup (avg): 13576, Inference (avg): 1.24027e+04
INFO: Memory footprint delta from the start of the tool (MB): init=6.5 overall=10.25
END
"""
"""In the form of public logs of benchmark_model; its numbers are of no model of ours, and no phone's."""


@pytest.fixture(scope="module")
def hdrnet(tmp_path_factory):
    """Export HDRNet to TFLite, with a corner of a photograph as the golden picture: 48 rows are two strips."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("hdrnet")
    pixels = photos.read(demo.photos()[0]).pixels[300:348, 600:920]
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / "corner.png")
    options = ExportOptions(
        "hdrnet", ("tflite",), output=folder / "export", width=480, photos=(folder / "corner.png",), use_cache=False
    )
    return export(options).artifacts[0].folder


def target(phone):
    """Name a phone as on the command line."""
    return Target.parse(f"tflite+xnnpack@android:{phone.serial}")


@pytest.mark.adb
def test_hdrnet_is_right_on_two_phones(runner, phones, hdrnet):
    """With the NEON kernels of each; the numbers are called measured, and say where."""
    for phone in phones:
        result = verify(VerifyRequest(str(hdrnet), target=target(phone), use_cache=False))
        (section,) = result.document.sections
        numbers = {one.metric: one.value for one in section.report.measurements}
        assert result.exit_code is Exit.PASS
        assert numbers["psnr_vs_float_worst_db"] > 100
        assert section.report.evidence is Evidence.MEASURED
        assert section.report.engine == f"litert@android:{phone.serial}"
        assert section.report.notes["phone"] == "Debian Userland 12"


@pytest.mark.adb
def test_two_programs_on_one_phone(runner, phone, hdrnet):
    """A second one neither verifies nor profiles there: the first one's timings would show it."""
    with devices.load(f"android:{phone.serial}").lock():
        with pytest.raises(DeviceBusyError, match="is in use by the process"):
            verify(VerifyRequest(str(hdrnet), target=target(phone), use_cache=False))
        with pytest.raises(DeviceBusyError, match="is in use by the process"):
            profile(ProfileRequest(str(hdrnet), target(phone), **QUICK))


@pytest.mark.adb
@pytest.mark.parametrize("threads", [1, 2])
def test_the_runner_speaks_as_the_worker_does(runner, phone, tmp_path, threads):
    """The same graph gives the same numbers, and the phone's own times with every sample."""
    device = devices.load(f"android:{phone.serial}")
    path = blend.write("tflite", tmp_path)
    there = engines.on(device, "tflite", Evidence.MEASURED).open(path, blend.GRAPH, threads)
    for _ in range(2):
        np.testing.assert_allclose(there(blend.feeds())["blended"], blend.expected(blend.feeds()), atol=1e-6)
    timed = there.timed(blend.feeds(), SCHEDULE)
    assert is_complete(timed)
    assert len(timed["warm_ms"]) == 3
    assert there.version == payload.version()
    assert timed["memory_peak_bytes"] >= timed["memory_loaded_bytes"] > timed["memory_before_bytes"] > 1e6


@pytest.mark.adb
def test_a_file_that_does_not_load_there(runner, phone, tmp_path):
    """The runner says so, and the error names the phone."""
    device = devices.load(f"android:{phone.serial}")
    (tmp_path / "bad.tflite").write_bytes(bytes(4) + b"TFL3" + bytes(500))
    with pytest.raises(NotVerifiedError, match=rf"on android:{phone.serial} does not load"):
        engines.on(device, "tflite", Evidence.MEASURED).open(tmp_path / "bad.tflite", blend.GRAPH, 1)


@pytest.mark.adb
def test_a_runner_killed_in_the_middle(runner, phone, tmp_path):
    """A phone that restarts between two inferences has verified nothing."""
    device = devices.load(f"android:{phone.serial}")
    there = engines.on(device, "tflite", Evidence.MEASURED).open(blend.write("tflite", tmp_path), blend.GRAPH, 1)
    phone.stop()
    with pytest.raises(NotVerifiedError, match="while it should run"):
        there(blend.feeds())


@pytest.mark.adb
def test_a_profile_says_in_what_state_the_phone_was(runner, phone, hdrnet):
    """Clocks are held and let go, state before and after is noted, a hot phone makes the run doubtful."""
    result = profile(ProfileRequest(str(hdrnet), target(phone), **QUICK))
    (section,) = result.document.sections
    notes = section.report.notes
    assert result.exit_code is Exit.PASS
    assert section.report.evidence is Evidence.MEASURED
    assert (notes["fixed_performance"], notes["throttled"]) == ("on", "")
    assert notes["before"]["battery_c"] == notes["after"]["battery_c"] == 28.7
    assert notes["after"]["charging"] == "charging"
    asked = (phone.folder / "told" / "asked").read_text().splitlines()
    assert asked == [f"power set-fixed-performance-mode-enabled {word}" for word in ("true", "false")]
    (phone.folder / "told" / "old").touch()
    phone.heat(2, 2400000)
    hot = profile(ProfileRequest(str(hdrnet), target(phone), **QUICK))
    assert hot.document.sections[0].report.notes["fixed_performance"] == "not supported by this phone"
    assert any("thermal status was 'moderate' before" in text for text in doubts(hot.document.sections[0].report))
    assert any("throttled" in text for text in hot.warnings)


@pytest.mark.adb
def test_operators_on_a_phone(runner, phone, hdrnet, tmp_path):
    """The runner's profiler tells each step inside XNNPACK and its cost, and what fell back by its name in the file."""
    request = ProfileRequest(str(hdrnet), target(phone), output=tmp_path / "out", operators=True, **QUICK)
    found = profile(request).document.sections[0].report.notes["operators"]
    assert set(found) == {"coefficients", "strip"}
    for steps in found.values():
        assert all(one["microseconds"] >= 0 for one in steps)
        assert sum(one["microseconds"] for one in steps) > 0
        assert any("Convolution" in one["kind"] or "Matrix" in one["kind"] for one in steps)
    assert all(one["name"] and one["fallback"] for one in found["strip"] if one["where"] != "XNNPACK")
    assert (tmp_path / "out" / f"{hdrnet.name}.strip.node-data.json").is_file()


@pytest.mark.adb
def test_a_sustained_run_on_a_phone(runner, phone, hdrnet, tmp_path):
    """The runner draws the curve of the worker: windows without a gap, both edges, clocks and memory."""
    device = devices.load(f"android:{phone.serial}")
    there = engines.on(device, "tflite", Evidence.MEASURED).open(blend.write("tflite", tmp_path), blend.GRAPH, 1)
    result = there.timed(blend.feeds(), SCHEDULE | {"sustain_s": 1.5})
    assert is_complete(result)
    curve = result["sustained"]
    windows = curve["windows"]
    assert [one["from_s"] for one in windows] == [0.0, *(one["to_s"] for one in windows[:-1])]
    assert 2 <= len(windows) <= 60
    assert windows[-1]["to_s"] >= 1.5
    assert curve["edge_s"] == 0.75
    assert 0 < curve["first"]["p50_ms"] <= curve["first"]["p90_ms"]
    assert curve["first"]["runs"] + curve["last"]["runs"] <= sum(one["runs"] for one in windows) + 1
    assert {one["khz"] for one in windows} == {1800000}
    assert all(one["memory_bytes"] > 1 << 20 for one in windows)
    (section,) = profile(ProfileRequest(str(hdrnet), target(phone), sustain_s=0.5)).document.sections
    found = {one.metric: one for one in section.report.measurements}
    assert section.report.evidence is Evidence.MEASURED
    assert found["strip_sustained_last_p50_ms"].value > 0
    assert found["strip_sustained_p50_ms"].per_sample
    assert found["coefficients_sustained_slowdown"].value > 0
    assert section.report.notes["throttled"] == ""


@pytest.mark.adb
def test_the_users_own_benchmark_model(runner, phone, hdrnet, tmp_path, monkeypatch):
    """It is pushed, run with the schedule, and its output is read; our runner is not used."""
    (tmp_path / "benchmark_model").write_text(TOOL)
    monkeypatch.setenv("VIEWFINDER_BENCHMARK_MODEL", str(tmp_path / "benchmark_model"))
    result = profile(ProfileRequest(str(hdrnet), target(phone), threads=2, **QUICK))
    (section,) = result.document.sections
    numbers = {one.metric: one.value for one in section.report.measurements}
    assert section.report.engine == f"benchmark_model@android:{phone.serial}"
    assert (numbers["strip_warm_p50_ms"], numbers["strip_load_ms"]) == (12.398, 5.579)
    asked = (phone.folder / "told" / "asked").read_text()
    assert "--num_threads=2 --num_runs=2 " in asked
    assert len(list(phone.pushed.glob("*/*.tflite"))) == 2
    (tmp_path / "benchmark_model").write_text("#!/bin/sh\necho FATAL >&2\nexit 1\n")
    broken = profile(ProfileRequest(str(hdrnet), target(phone), **QUICK))
    assert broken.exit_code is Exit.NOT_VERIFIED
    assert "ended with code 1 on" in broken.document.sections[0].report.measurements[0].reason


def test_what_benchmark_model_prints():
    """Both forms are read, in milliseconds; anything else is no measurement."""
    old = TOOL.replace(" p5=12387 median=12398 p95=12474", "").replace("INFO: ", "")
    for text, count in ((TOOL, 8), (old, 6)):
        found = {one.metric: one.value for one in benchmark_model.measurements("g", text, "x")}
        assert found["g_warm_avg_ms"] == pytest.approx(12.4027)
        assert found["g_first_ms"] == 13.576
        assert found["g_memory_growth_bytes"] == 10.25 * 2**20
        assert len(found) == count
    for text in ("", "Segmentation fault", TOOL.replace("Inference timings in us", "x"), "count=1e999999 first=1" * 9):
        with pytest.raises(NotVerifiedError, match="printed no timings of g"):
            benchmark_model.measurements("g", text, "x")


def test_a_benchmark_model_that_is_not_there(monkeypatch):
    """A wrong path is said at once, and not replaced by our own runner."""
    monkeypatch.setenv("VIEWFINDER_BENCHMARK_MODEL", "nowhere/benchmark_model")
    with pytest.raises(UsageError, match="names nowhere/benchmark_model, where no file is"):
        _ = devices.load("android:x").benchmark
