from __future__ import annotations

import pytest

from viewfinder import presets
from viewfinder.runtime.htp import estimates

# Rows of the profile of HDRNet's strip model, 12 x 1920, compiled by onnxruntime-qnn 2.7.0 for SA8255.
PROFILE = """Msg Timestamp,Message,Time,Unit of Measurement,Timing Source,Event Level,Event Identifier
0,FINALIZE,2149321,US,BACKEND,ROOT,QNN (finalize) time
0,BACKEND,0,US,BACKEND,ROOT,Performance Estimates
0,BACKEND,990004,CYCLES,BACKEND,SUB-EVENT,Simulated (Accelerator exec cycles)
0,BACKEND,863984,CYCLES,BACKEND,SUB-EVENT,Simulated (Accelerator exec cycles (lower estimate))
0,BACKEND,1149004,CYCLES,BACKEND,SUB-EVENT,Simulated (Accelerator exec cycles (upper estimate))
0,BACKEND,661,US,BACKEND,SUB-EVENT,Simulated (Accelerator exec time us)
0,BACKEND,576,US,BACKEND,SUB-EVENT,Simulated (Accelerator exec time us (lower estimate))
0,BACKEND,767,US,BACKEND,SUB-EVENT,Simulated (Accelerator exec time us (upper estimate))
0,BACKEND,0,US,BACKEND,SUB-EVENT,Bandwidth Stats
0,BACKEND,729088,BYTES,BACKEND,SUB-EVENT,Input Fill
0,BACKEND,0,BYTES,BACKEND,SUB-EVENT,Intermediate Fill
0,BACKEND,16384,BYTES,BACKEND,SUB-EVENT,Intermediate Spill
0,BACKEND,0,BYTES,BACKEND,SUB-EVENT,Inter HTP Fill
0,BACKEND,276480,BYTES,BACKEND,SUB-EVENT,Output Spill
0,BACKEND,3,US,BACKEND,SUB-EVENT,Missing Ops (Number of Ops with no Costs associated)
"""


def test_an_estimate_is_read_with_its_bounds_and_its_label():
    """The label names the automotive processor: nobody may take it for a phone's latency."""
    found = estimates.parse(PROFILE, presets.WITH_ESTIMATES)
    assert found == estimates.Estimate(
        "compiler-estimate (SA8255, v73)", 990004, 661, 576, 767, fill_bytes=0, spill_bytes=16384,
        operators_without_cost=3,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "Msg\n", PROFILE.replace("Performance Estimates", "Execute"), PROFILE.replace("661,US", "x,US"), "\0,,,\n"],
)
def test_a_profile_without_an_estimate_gives_none(text):
    """The emulator's own cycles, which stand in the same file, are never taken for an estimate."""
    assert estimates.parse(text, presets.WITH_ESTIMATES) is None
