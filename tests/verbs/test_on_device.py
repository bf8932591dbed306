"""`verify --target`: the same artifact, through the host's pipeline, on another device."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.verbs import made

from viewfinder import artifact, demo, devices, photos
from viewfinder.devices import userland
from viewfinder.devices.userland import emulator, packages
from viewfinder.errors import Exit, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines, graphs
from viewfinder.runtime.profile import counts
from viewfinder.runtime.profile.comparison import COUNT_MARGIN
from viewfinder.runtime.profile.feeds import first_feeds
from viewfinder.target import Target
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.profile import ProfileRequest, profile
from viewfinder.verbs.verify import VerifyRequest, verify

BOARDS = ("cortex-a53", "cortex-a72", "cortex-a76", "armv8.6")
TABLE = json.loads((Path(__file__).parents[2] / "docs" / "boards.json").read_text())
"""What the README's table was made of: `scripts/write_boards.py --measure FOLDER` measures it again."""


@pytest.fixture
def build(tmp_path):
    """A folder with an artifact and golden pictures beside it."""
    made.write_artifact(tmp_path / "onnx-float")
    made.write_golden(tmp_path / "golden.npz")
    return tmp_path


def request(build, target, **changes):
    """Ask for a verification on a target."""
    return VerifyRequest(str(build), target=Target.parse(target), use_cache=False, **changes)


def test_a_board_that_is_not_set_up_is_never_a_pass(build, monkeypatch):
    """The report says not-run with the command that mends it, exit 3."""
    monkeypatch.setattr(emulator, "find", lambda: "/usr/bin/qemu-aarch64")
    monkeypatch.setattr(packages, "missing_tools", list)
    assert userland.installed() is None
    result = verify(request(build, "onnx@arm64:cortex-a53"))
    assert result.exit_code is Exit.NOT_VERIFIED
    (section,) = result.document.sections
    assert section.report.engine == "onnxruntime@arm64:cortex-a53"
    assert "viewfinder devices setup arm64" in section.report.measurements[0].reason


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("onnx@arm64:m3", "no processor profile"),
        ("onnx@pixel", "no device"),
        ("tflite@arm64", "no artifact for the engine tflite; it has onnx"),
    ],
)
def test_targets_that_do_not_fit_are_refused(build, target, said):
    """The error comes before anything runs."""
    with pytest.raises(UsageError, match=said):
        verify(request(build, target))


def test_an_engine_and_a_target_are_too_much(build):
    """Two answers to one question are refused."""
    with pytest.raises(UsageError, match="--engine and --target were both given"):
        request(build, "onnx@arm64", engine="onnx")


@pytest.fixture(scope="module")
def hdrnet(tmp_path_factory):
    """Export HDRNet, with a corner of a photograph as the golden picture: 240 rows are ten strips."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("hdrnet")
    pixels = photos.read(demo.photos()[0]).pixels[300:540, 600:920]
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / "corner.png")
    options = ExportOptions(
        "hdrnet",
        ("tflite", "onnx"),
        output=folder / "export",
        width=480,
        photos=(folder / "corner.png",),
        use_cache=False,
    )
    return {one.format: one.folder for one in export(options).artifacts}


@pytest.mark.arm64
@pytest.mark.parametrize("artifact_format", ["tflite", "onnx"])
@pytest.mark.parametrize("board", BOARDS)
def test_hdrnet_is_right_on_every_board(arm64, hdrnet, board, artifact_format):
    """HDRNet float passes with the NEON kernels of four processors; its numbers are called emulated."""
    result = verify(request(hdrnet[artifact_format], f"{artifact_format}@arm64:{board}"))
    (section,) = result.document.sections
    numbers = {one.metric: one.value for one in section.report.measurements}
    assert result.exit_code is Exit.PASS
    assert numbers["psnr_vs_float_worst_db"] > 100
    assert section.report.evidence is Evidence.EMULATED
    assert {one.evidence for one in section.report.measurements} == {Evidence.EMULATED}
    assert section.report.notes["target"].endswith(f"@arm64:{board}")
    assert "qemu-aarch64" in section.report.notes["emulator"]


@pytest.mark.arm64
def test_counts_are_those_of_the_arithmetic(arm64, hdrnet):
    """HDRNet's coefficient network multiplies as often as its file says, four at a time, and repeats exactly."""
    subject, target = hdrnet["tflite"], Target.parse("tflite+xnnpack@arm64:cortex-a76")
    both = [profile(ProfileRequest(str(subject), target)).document.sections[0].report for _ in range(2)]
    first, second = ({one.metric: one.value for one in report.measurements} for report in both)
    macs = graphs.read(subject / "coefficients.tflite").macs
    assert 0.95 * macs < 4 * first["coefficients_fmla_fp32_instructions"] < 1.2 * macs
    for name in ("coefficients_instructions", "strip_instructions", "strip_simd_fp_instructions"):
        assert second[name] == pytest.approx(first[name], rel=1e-3)
    assert second["strip_dram_bytes"] == pytest.approx(first["strip_dram_bytes"], rel=1e-2)
    assert first["coefficients_dot_int8_instructions"] == 0
    recorded = TABLE["hdrnet"]["instructions"]["coefficients float"]["cortex-a76"]
    assert first["coefficients_instructions"] == pytest.approx(recorded, rel=COUNT_MARGIN)


KERNELS = {"cortex-a53": "mlal_int", "cortex-a72": "mlal_int", "cortex-a76": "dot_int8", "armv8.6": "mmla_int8"}
"""The instructions that XNNPACK's int8 kernels multiply with on each board."""


@pytest.fixture(scope="module")
def quantized(hdrnet):
    """Quantize HDRNet's coefficient network to int8."""
    quantizing = pytest.importorskip("viewfinder.verbs.quantize")
    request = quantizing.QuantizeRequest(str(hdrnet["tflite"]), "w8a8", samples=6, use_cache=False)
    return artifact.load(quantizing.quantize(request).artifact.folder)


@pytest.mark.arm64
@pytest.mark.parametrize("board", BOARDS)
def test_int8_is_bit_identical_to_this_computer(arm64, quantized, board, tmp_path):
    """The same bytes come out of each board's own int8 kernels, and each uses what its processor has for them."""
    (graph,) = [one for one in quantized.graphs if one.name == "coefficients"]
    here, device = engines.for_format("tflite"), devices.load(f"arm64:{board}")
    feeds = first_feeds(quantized, here, photos.read(demo.photos()[0]).pixels)["coefficients"]
    there = engines.on(device, "tflite", Evidence.EMULATED, tmp_path / "counts").open(quantized.path(graph), graph, 1)
    expected = here.open(quantized.path(graph), graph, 1)(feeds)["grid"]
    assert np.ptp(expected) > 0.1
    np.testing.assert_array_equal(there(feeds)["grid"], expected)
    there.marked(feeds, counts.RUNS + 1)
    found = counts.read(tmp_path / "counts", counts.RUNS)
    assert max(KERNELS.values(), key=found.middle) == KERNELS[board]
    assert found.middle(KERNELS[board]) > 1_000_000
    recorded = TABLE["hdrnet"]["instructions"]["coefficients w8a8"][board]
    assert found.middle("instructions") == pytest.approx(recorded, rel=COUNT_MARGIN)


@pytest.fixture(scope="module")
def kpn_lite(tmp_path_factory):
    """Export KPN-lite with its weights, a small tile and bursts of 32 x 32 at two gains; quantize it."""
    pytest.importorskip("torch")
    quantizing = pytest.importorskip("viewfinder.verbs.quantize")
    folder = tmp_path_factory.mktemp("kpn")
    pixels = photos.read(demo.photos()[0]).pixels[300:428, 600:728]
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / "corner.png")
    sizes = {"width": 128, "strip_rows": 128, "photos": (folder / "corner.png",), "use_cache": False}
    (made,) = export(ExportOptions("kpn-lite", ("tflite",), output=folder / "export", **sizes)).artifacts
    request = quantizing.QuantizeRequest(str(made.folder), "w8a8", use_cache=False)
    return {"float": made.folder, "w8a8": quantizing.quantize(request).artifact.folder}


@pytest.mark.arm64
@pytest.mark.parametrize(("precision", "least_db"), [("float", 100), ("w8a8", 40)])
@pytest.mark.parametrize("board", BOARDS)
def test_kpn_lite_is_right_on_every_board(arm64, kpn_lite, board, precision, least_db):
    """KPN-lite with its own weights merges bursts with the NEON kernels of four processors as PyTorch does."""
    result = verify(request(kpn_lite[precision], f"tflite@arm64:{board}"))
    (section,) = result.document.sections
    numbers = {one.metric: one.value for one in section.report.measurements}
    assert result.exit_code is Exit.PASS
    assert numbers["psnr_vs_float_worst_db"] > least_db
    assert {one.evidence for one in section.report.measurements} == {Evidence.EMULATED}
    assert section.report.notes["target"].endswith(f"@arm64:{board}")
