"""Activations of 16 bits on Snapdragon's NPU against ONNX Runtime on the CPU: the same file, the same rows."""

from __future__ import annotations

import math

import pytest
from PIL import Image
from tests import npu

from viewfinder import artifact, demo, golden
from viewfinder.runtime import engines, sampled
from viewfinder.runtime import verify as verifying
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.quantize import QuantizeRequest, quantize
from viewfinder.verbs.verify import VerifyRequest, verify

WORST = "psnr_vs_float_worst_db"
SIZES = {"hdrnet": {"width": 320, "form": "tent"}, "kpn-lite": {"width": 128, "strip_rows": 128}}
"""Small graphs: the emulator takes minutes for large ones."""


def on_the_cpu(folder, truth):
    """Return the worst photograph's dB against PyTorch in ONNX Runtime, of the part of it that the NPU computes."""
    made = artifact.load(folder)
    setup = verifying.Setup("onnx", engines.load("onnx"), lambda one, how, n: sampled.open(one, how, n, 1))
    report = verifying.verify(made, sampled.golden_of(truth, made, 1), setup)
    return next(one.value for one in report.measurements if one.metric == WORST)


def together(*decibels):
    """Return the dB of errors that add up without knowing of each other."""
    return -10 * math.log10(sum(10 ** (-one / 10) for one in decibels))


@pytest.mark.npu
@pytest.mark.parametrize("model", SIZES)
def test_16_bits_are_as_good_as_on_the_cpu(tmp_path, own_cache, model):
    """One piece, nothing on the CPU; what ONNX Runtime's own w8a16 loses, what fp16 loses here, and at most 1 dB more.

    Layers that stay float are computed in fp16, which ONNX Runtime does in float32.
    """
    npu.lend(own_cache)
    with Image.open(demo.photos()[0]) as photo:
        photo.convert("RGB").resize((320, 240)).save(tmp_path / "small.png")
    folder = tmp_path / "export"
    export(ExportOptions(model, ("onnx",), output=folder, photos=(tmp_path / "small.png",), **SIZES[model]))
    quantize(QuantizeRequest(str(folder / "onnx-float"), "w8a16", target="npu", samples=3, min_coverage=0.0))
    sections = verify(VerifyRequest(str(folder), npus=("snapdragon-8-elite",), bands=1)).document.sections
    worst = {}
    for section in sections:
        found = {one.metric: one.value for one in section.report.measurements}
        assert (found["npu_fallback_ops"], found["npu_partitions"]) == (0, 1)
        worst[section.report.precision] = found[WORST]
    assert worst["fp16"] >= 60
    cpu = on_the_cpu(folder / "onnx-w8a16", golden.load(folder / golden.FILE))
    assert worst["w8a16"] >= together(cpu, worst["fp16"]) - 1, f"{worst}, on the CPU {cpu}"
