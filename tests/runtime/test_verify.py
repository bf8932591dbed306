"""Verification: what the numbers are, which limits bind, and what happens when something cannot be measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, NotVerifiedError, UsageError
from viewfinder.golden import GoldenPhoto
from viewfinder.measurement import Evidence, Measurement, Report, Verdict
from viewfinder.runtime.limits import gated, gates_for
from viewfinder.runtime.metrics import Comparison
from viewfinder.runtime.verify import Setup, verify
from viewfinder.task import BURST, Limit

Picture = np.ndarray


@dataclass(frozen=True)
class FakeGolden:
    """Stand-in for a golden file."""

    photos: tuple[GoldenPhoto, ...]
    task: str = "invert"
    weights_sha256: str = "abc"
    sha256: str = "g" * 64


@dataclass
class FakeEngine:
    """An engine that runs, unless it has a reason not to."""

    EVIDENCE: Evidence = Evidence.MEASURED
    reason: str | None = None

    def probe(self) -> str | None:
        """Return the reason."""
        return self.reason


@dataclass
class FakeRunner:
    """A pipeline that inverts pictures and then spoils them."""

    spoil: Callable[[Picture], Picture] = field(default=lambda picture: picture)

    def enhance(self, pixels: Picture) -> Picture:
        """Invert."""
        return self.spoil((1 - pixels).astype(np.float32))


ARTIFACT = Artifact(Path("export/onnx-float"), "invert", "onnx", "float", "tiles", {}, (), weights_sha256="abc")


@pytest.fixture(scope="module")
def golden() -> FakeGolden:
    """Two photographs; PyTorch's output is the inverse, the truth is a little brighter than that."""
    pixels = {"astronaut": data.astronaut()[::4, ::4], "coffee": data.coffee()[::4, ::4]}
    photos = []
    for name, picture in pixels.items():
        expected = (1 - picture.astype(np.float32) / np.float32(255)).astype(np.float32)
        photos.append(GoldenPhoto(name, picture, expected, np.clip(expected + np.float32(0.02), 0, 1)))
    return FakeGolden(tuple(photos))


def run(
    golden: FakeGolden, spoil: Any = lambda picture: picture, *, precision: str = "float", **changes: Any
) -> Report:
    """Verify the fake network on the golden photographs, with the limits of `precision`."""
    engine = changes.pop("engine", FakeEngine())
    setup = Setup("fake", engine, lambda artifact, engine, threads: FakeRunner(spoil), **changes)
    artifact = replace(ARTIFACT, precision=precision)
    return gated(verify(artifact, golden, setup), gates_for(precision))  # type: ignore[arg-type]


def named(report: Report) -> dict[str, Measurement]:
    """Return the measurements by name."""
    return {one.metric: one for one in report.measurements}


def test_an_exact_artifact_passes_every_gate(golden: FakeGolden) -> None:
    """The same picture gives 120 dB, no difference, no drop against the truth, and a pass with its evidence."""
    report = run(golden)
    found = named(report)
    assert report.verdict is Verdict.PASS
    assert report.evidence is Evidence.MEASURED
    assert found["psnr_vs_float_worst_db"].value == pytest.approx(120)
    assert found["psnr_drop_vs_truth_worst_db"].value == pytest.approx(0)
    assert found["values_not_finite"].verdict is Verdict.PASS
    assert report.notes["golden_sha256"] == golden.sha256


def test_numbers_are_per_photograph_with_mean_and_worst(golden: FakeGolden) -> None:
    """An error in one photograph alone: the mean lies between, the worst is that photograph's own number."""
    height = golden.photos[1].pixels.shape[0]

    def spoil(picture: Picture) -> Picture:
        """Move the second photograph (told by its height) by 0.01."""
        return picture + np.float32(0.01) if picture.shape[0] == height else picture + np.float32(0.001)

    found = named(run(golden, spoil))
    worst = found["psnr_vs_float_worst_db"]
    assert worst.worst == "coffee"
    assert worst.value == pytest.approx(40, abs=1e-3)
    assert worst.per_sample == pytest.approx({"astronaut": 60, "coffee": 40}, abs=0.01)
    assert found["psnr_vs_float_db"].value == pytest.approx(50, abs=0.01)
    assert found["max_abs_vs_float_worst"].value == pytest.approx(0.01, abs=1e-5)
    assert "worst of 2 photographs" in worst.definition


def test_a_drop_against_the_truth_is_the_difference_of_two_psnrs(golden: FakeGolden) -> None:
    """Moving away from a truth that is 0.02 brighter costs what the formula says, and moving towards it gains."""
    away = named(run(golden, lambda picture: picture - np.float32(0.002)))
    towards = named(run(golden, lambda picture: picture + np.float32(0.002)))
    drop = away["psnr_drop_vs_truth_db"].value
    own = away["psnr_of_float_vs_truth_db"].value
    assert own is not None
    assert drop == pytest.approx(own - (away["psnr_vs_truth_db"].value or 0), abs=1e-9)
    assert drop == pytest.approx(20 * np.log10(0.022 / 0.02), abs=0.1)
    assert away["psnr_drop_vs_truth_db"].verdict is Verdict.FAIL
    assert towards["psnr_drop_vs_truth_db"].verdict is Verdict.PASS


@pytest.mark.parametrize(("precision", "error", "verdict"), [
    ("float", 1e-5, Verdict.PASS),
    ("float", 3e-4, Verdict.FAIL),
    ("fp16", 3e-4, Verdict.PASS),
    ("fp16", 5e-3, Verdict.FAIL),
    ("w8a8", 5e-3, Verdict.PASS),
    ("w8a8", 4e-2, Verdict.FAIL),
])  # fmt: skip
def test_limits_go_by_precision(golden: FakeGolden, precision: str, error: float, verdict: Verdict) -> None:
    """The same error passes or fails by what the precision promises; every limit that binds has a reason."""
    photos = tuple(replace(photo, truth=None) for photo in golden.photos)
    report = run(replace(golden, photos=photos), lambda picture: picture + np.float32(error), precision=precision)
    assert report.verdict is verdict
    for one in report.measurements:
        assert bool(one.limit_reason) == (one.verdict is not Verdict.INFO)


def test_an_engine_that_cannot_run_is_not_run_and_says_why(golden: FakeGolden) -> None:
    """The reason of `probe`, or of a program the engine does not know, stands in every measurement; never a pass."""
    absent = run(golden, engine=FakeEngine(reason="ai-edge-litert is not installed"))

    def unknown(picture: Picture) -> Picture:
        """Meet an operator that the reference evaluator does not know."""
        raise NotVerifiedError("op wibble")

    refused = run(golden, unknown)
    for report, reason in ((absent, "ai-edge-litert is not installed"), (refused, "op wibble")):
        assert report.verdict is Verdict.NOT_RUN
        assert report.evidence is Evidence.NOT_RUN
        assert {one.reason for one in report.measurements} == {reason}
        assert {one.value for one in report.measurements} == {None}


def test_nan_in_the_output_fails_and_leaves_the_photograph_out(golden: FakeGolden) -> None:
    """One NaN is counted and fails, whatever the other photograph says."""
    height = golden.photos[1].pixels.shape[0]

    def spoil(picture: Picture) -> Picture:
        """Put one NaN into the second photograph."""
        if picture.shape[0] == height:
            picture[2, 3, 1] = np.nan
        return picture

    report = run(golden, spoil)
    found = named(report)
    assert report.verdict is Verdict.FAIL
    assert found["values_not_finite"].value == 1
    assert found["values_not_finite"].per_sample == {"astronaut": 0, "coffee": 1}
    assert list(found["psnr_vs_float_db"].per_sample) == ["astronaut"]


def test_without_a_truth_nothing_is_said_about_it(golden: FakeGolden) -> None:
    """The built-in limits against the truth are passed over; one that the user set is a not-run with its reason."""
    bare = replace(golden, photos=tuple(replace(photo, truth=None) for photo in golden.photos))
    report = run(bare)
    assert report.verdict is Verdict.PASS
    assert not [one for one in report.measurements if "truth" in one.metric]
    asked = gated(report, gates_for("float", user=[Limit("psnr_vs_truth_db", minimum=30)]))
    assert asked.verdict is Verdict.NOT_RUN
    assert named(asked)["psnr_vs_truth_db"].reason == "the golden file has no truth"


def test_task_and_user_limits_go_on_top(golden: FakeGolden) -> None:
    """A later limit replaces an earlier on the same side, and says who set it; unknown names are refused."""
    report = run(golden, lambda picture: picture + np.float32(1e-5))
    strict = gated(report, gates_for("float", [Limit("psnr_vs_float_worst_db", minimum=130)]))
    assert strict.verdict is Verdict.FAIL
    loose = gated(
        report,
        gates_for(
            "float", [Limit("psnr_vs_float_worst_db", minimum=130)], [Limit("psnr_vs_float_worst_db", minimum=20)]
        ),
    )
    bound = named(loose)["psnr_vs_float_worst_db"]
    assert (bound.minimum, bound.limit_reason, bound.verdict) == (20, "set on the command line", Verdict.PASS)
    with pytest.raises(UsageError, match=r"no metric 'psnr'(.|\n)*psnr_vs_float_db"):
        gated(report, gates_for("float", user=[Limit("psnr", minimum=1)]))


@pytest.mark.parametrize("kind", [{"parameters": {"samples": "noisy"}}, {"pipeline": BURST}])
@pytest.mark.parametrize(("scale", "verdict"), [(0.2, Verdict.PASS), (0.4, Verdict.FAIL)])
def test_colours_of_denoised_pictures_are_seen_beside_what_noise_leaves(
    golden: FakeGolden, scale: float, verdict: Verdict, kind: dict[str, Any]
) -> None:
    """An error of a fifth of float's own passes though it is above 1 dE00, one of two fifths does not."""
    rng = np.random.default_rng(1)
    photos = []
    for photo in golden.photos:
        noise = rng.normal(0, 0.02, photo.expected.shape).astype(np.float32)
        photos.append(replace(photo, truth=(photo.expected + noise).clip(0, 1)))

    def spoil(picture: Picture) -> Picture:
        """Add an error of `scale` times float's own, independent of it."""
        return picture + rng.normal(0, 0.02 * scale, picture.shape).astype(np.float32)

    denoiser = replace(ARTIFACT, precision="w8a8", **kind)
    setup = Setup("fake", FakeEngine(), lambda artifact, engine, threads: FakeRunner(spoil))
    report = verify(denoiser, replace(golden, photos=tuple(photos)), setup)  # type: ignore[arg-type]
    found = named(gated(report, gates_for("w8a8")))
    share = found["delta_e_2000_p99_share_worst"]
    assert share.value == pytest.approx(scale, rel=0.15)
    assert share.verdict is verdict
    assert found["delta_e_2000_p99_vs_float_worst"].value > 1
    assert found["delta_e_2000_p99_vs_float_worst"].verdict is Verdict.INFO
    asked = gated(report, gates_for("w8a8", user=[Limit("delta_e_2000_p99_vs_float_worst", maximum=1)]))
    assert named(asked)["delta_e_2000_p99_vs_float_worst"].verdict is Verdict.FAIL


def test_photographs_keep_their_limit_on_colours(golden: FakeGolden) -> None:
    """Where nothing takes noise away, 1 dE00 against float is the limit, and no share of anything is told."""
    found = named(run(golden, lambda picture: picture + np.float32(0.02), precision="w8a8"))
    assert found["delta_e_2000_p99_vs_float_worst"].verdict is Verdict.FAIL
    assert "delta_e_2000_p99_share_worst" not in found


@pytest.mark.parametrize("change", [{"task": "other"}, {"weights_sha256": "def"}])
def test_golden_and_artifact_must_belong_together(golden: FakeGolden, change: dict[str, str]) -> None:
    """Another task or other weights are refused before anything runs."""
    with pytest.raises(BadArtifactError, match="golden file"):
        run(replace(golden, **change))


def test_a_golden_file_without_photographs_is_refused(golden: FakeGolden) -> None:
    """Nothing to measure is an error, not a pass."""
    with pytest.raises(UsageError, match="no photographs"):
        run(replace(golden, photos=()))


def test_sixteen_bit_photographs_are_scaled_by_their_own_maximum(golden: FakeGolden) -> None:
    """The same picture with 16 bits gives the same output as with 8."""
    photo = golden.photos[0]
    deep = replace(photo, pixels=photo.pixels.astype(np.uint16) * 257)
    assert named(run(replace(golden, photos=(deep,))))["psnr_vs_float_db"].value == pytest.approx(120)


def test_a_watcher_sees_every_photograph_with_its_comparison(golden: FakeGolden) -> None:
    """The report draws from what verify measured, without running anything again; the truth's where there is one."""
    seen = []
    setup = Setup("fake", FakeEngine(), lambda artifact, engine, threads: FakeRunner())

    def watch(photo: GoldenPhoto, pair: Comparison, truth: Comparison | None) -> None:
        """Note what is shown."""
        seen.append((photo.name, pair.test.shape, None if truth is None else truth.reference.shape))

    first, second = golden.photos
    shape = first.pixels.shape
    verify(ARTIFACT, replace(golden, photos=(first, replace(second, truth=None))), setup, watch)  # type: ignore[arg-type]
    assert seen == [(first.name, shape, shape), (second.name, second.pixels.shape, None)]


def test_each_stratum_has_its_own_mean() -> None:
    """What a mean hides stands apart: the dark photograph alone is spoiled, and its stratum says so."""
    bright = np.clip(data.coffee()[::8, ::8].astype(np.float32) * 1.6, 0, 255).astype(np.uint8)
    dark = (bright * np.float32(0.2)).astype(np.uint8)

    def spoil(picture: Picture) -> Picture:
        """Add an error where the inverted picture is bright, that is, to the dark photograph."""
        return picture + np.float32(0.01) * (picture.mean() > 0.6)

    shots = tuple(GoldenPhoto(n, p, 1 - p.astype(np.float32) / 255) for n, p in (("night", dark), ("beach", bright)))
    report = run(FakeGolden(shots), spoil)
    psnr = named(report)["psnr_vs_float_db"]
    assert psnr.per_stratum["exposure=dark"] == pytest.approx(40, abs=0.1)
    assert psnr.per_stratum["exposure=bright"] > 100
    assert report.notes["strata"] == {"night": "exposure=dark", "beach": "exposure=bright"}
    assert "0.25" in report.notes["strata_definitions"]["exposure"]
