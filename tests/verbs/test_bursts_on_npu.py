"""Burst networks on NPUs: whole, in one piece, and as good as elsewhere, in fp16 and in 8 bits."""

from __future__ import annotations

import pytest
from tests import npu

from viewfinder import demo
from viewfinder.measurement import Evidence
from viewfinder.verbs.verify import VerifyRequest, verify


@pytest.mark.npu
def test_kpn_lite_is_whole_and_good_on_snapdragon(own_cache):
    """Bursts at gains 1 and 4, a tile of each: one piece, nothing on the CPU; 60 dB in fp16, 45 dB in w8a8."""
    npu.lend(own_cache)
    request = VerifyRequest("kpn-lite", npus=("snapdragon-8-elite",), photos=tuple(demo.photos()[:1]))
    sections = verify(request).document.sections
    assert {section.report.precision for section in sections} == {"fp16", "w8a8"}
    for section in sections:
        found = {one.metric: one for one in section.report.measurements}
        assert (found["npu_fallback_ops"].value, found["npu_partitions"].value) == (0, 1)
        worst = found["psnr_vs_float_worst_db"]
        assert worst.evidence is Evidence.EMULATED
        assert len(worst.per_sample) == 2
        assert worst.value >= {"fp16": 60, "w8a8": 45}[section.report.precision]
        assert section.report.notes["rows"].startswith("1 tile of 128 x 128")


@pytest.mark.npu
def test_kpn_lite_is_whole_and_good_on_ethos(own_cache):
    """Roots, powers and quotients in tables: one piece, nothing on the CPU; 45 dB in Arm's TOSA model."""
    npu.lend(own_cache, "vela")
    npu.lend(own_cache, "tosa")
    request = VerifyRequest("kpn-lite", npus=("ethos-u85",), photos=tuple(demo.photos()[:1]))
    (section,) = verify(request).document.sections
    found = {one.metric: one for one in section.report.measurements}
    assert (found["npu_fallback_ops"].value, found["npu_partitions"].value) == (0, 1)
    assert found["psnr_vs_float_worst_db"].value >= 45
    assert "TOSA" in section.report.notes["computed_by"]
