"""What Vela prints, read; and Vela itself where its toolchain is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tests import npu
from tests.runtime.bisect import nets
from tests.runtime.ethos import integers

from viewfinder.devices import toolchains
from viewfinder.errors import MissingToolError
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.ethos import compiler, trying
from viewfinder.runtime.htp.compiler import CompileError, FallbackError

# Vela 5.2.0 on the coefficient network of HDRNet with float ends, shortened.
SAID = """\
Warning (supported operators) operator: DEQUANTIZE, ofm: 'serving_default_grid_output_dequant'
Reason: Unsupported opType

Warning (supported operators) operator: QUANTIZE, ofm: 'serving_default_lowres_quantized'
Reason: Operation has tensor with unsupported DataType Float32 (serving_default_lowres)
Feature-map dataTypes must be one of {"BOOL", "INT16", "INT32", "INT64", "INT8", "UINT8"}

CPU operators = 2 (5.4%)
   CPU: Passthrough = serving_default_lowres_quantized (outputs [1, 256, 3, 256])
   CPU: Passthrough = serving_default_grid_output_dequant (outputs [1, 16, 96, 16])
NPU operators = 35 (94.6%)
   NPU: Conv2D = a/b;1 (outputs [1, 16, 16, 96])
   NPU: Conv2D = a/c (outputs [1, 16, 16, 96])
   NPU: Relu = a/d (outputs [1, 16, 16, 96])
"""
SUMMARY = (
    "core_clock,inference_time,sram_memory_used,dram_memory_used,dram_total_bytes,nn_macs,cycles_npu,cycles_total\n"
    "1000000000.0,0.000645792,326.78125,1483.359375,3361235,41843913,349987,645792\n"
)
LAYERS = (
    "Original Operator,Target,Op Cycles,SRAM AC,DRAM AC,MAC Count,Name\n"
    "Relu,NPU,10,1,2,0,a/d\nConv2D,NPU,216562,12800,216562,3538944,a/b;1\n"
)


def test_what_stays_on_the_cpu_has_its_reason():
    """Operators are named as in the file, with Vela's own words; those on the NPU are counted by type."""
    on_npu, fallen = compiler.placement(SAID)
    assert on_npu == {"Conv2D": 2, "Relu": 1}
    assert [(one.operator, one.node) for one in fallen] == [
        ("QUANTIZE", "serving_default_lowres_quantized"),
        ("DEQUANTIZE", "serving_default_grid_output_dequant"),
    ]
    assert fallen[0].reason.startswith("Operation has tensor with unsupported DataType Float32")
    assert fallen[1].reason == "Unsupported opType"


def test_the_estimate_is_read_in_its_units():
    """Seconds become microseconds, KiB bytes, hertz megahertz; layers come with the costly ones first."""
    facts = compiler.facts_of(SUMMARY)
    assert (facts["cycles"], facts["us"], facts["clock_mhz"]) == (645792, pytest.approx(645.792), 1000)
    assert (facts["sram_bytes"], facts["dram_bytes"]) == (326.78125 * 1024, 1483.359375 * 1024)
    assert [(row["operator"], row["name"]) for row in compiler.layers_of(LAYERS)] == [("Conv2D", "b;1"), ("Relu", "d")]
    assert compiler.layers_of("") == []


def test_without_vela(tmp_path):
    """A Python without Vela, and one that is not there, are different sentences."""
    source = tmp_path / "four.tflite"
    source.write_bytes(nets.tflite_float())
    with pytest.raises(CompileError, match=r"Vela refuses four\.tflite: .*[Nn]o module named"):
        compiler.compile_graph(Path(sys.executable), source, _folder(tmp_path, "a") / "o.tflite", "ethos-u85-1024")
    with pytest.raises(MissingToolError, match="cannot be started"):
        compiler.compile_graph(tmp_path / "python", source, _folder(tmp_path, "b") / "o.tflite", "ethos-u85-1024")


def _folder(where, name):
    """Make a folder."""
    (where / name).mkdir()
    return where / name


@pytest.mark.npu
def test_integers_land_whole_and_float_does_not(tmp_path, own_cache):
    """The real compiler: w8a8 is one piece with nothing on the CPU; of float, every operator is named."""
    npu.lend(own_cache, "vela")
    python = toolchains.python("vela")
    given = integers.write(tmp_path / "export")
    target = _folder(tmp_path, "made") / "four.tflite"
    made = compiler.compile_graph(python, given.path(given.graphs[0]), target, "ethos-u85-256")
    assert (made.fallen, made.partitions, made.dropped) == ((), 1, {"quantize": 1, "dequantize": 1})
    assert made.operators["Conv2D"] == len(nets.NAMES)
    assert made.facts["cycles"] > 0
    assert made.layers[0]["operator"] == "Conv2D"
    assert sorted(path.name for path in target.parent.iterdir()) == ["four.tflite"]
    source = tmp_path / "four.tflite"
    source.write_bytes(nets.tflite_float())
    with pytest.raises(FallbackError, match="would run on the CPU beside ethos-u85-256: RELU") as error:
        compiler.compile_graph(python, source, _folder(tmp_path, "no") / "four.tflite", "ethos-u85-256")
    assert {one.operator for one in error.value.refused} == {"RELU", "CONV_2D"}
    assert all("DataType" in one.reason for one in error.value.refused)


@pytest.mark.npu
def test_one_addition_is_tried(own_cache):
    """Vela and the reference model are asked for one sum before either is believed; another Python is no Vela."""
    npu.lend(own_cache, "vela")
    npu.lend(own_cache, "tosa")
    assert trying.vela(npu.INSTALLED["vela"] / "bin" / "python") is None
    assert engines.load("tosa", npu.INSTALLED["tosa"] / "bin" / "python").probe() is None


def test_an_interpreter_without_vela_is_told():
    """The reason says that one addition was not compiled, and why."""
    assert "ethosu" in str(trying.vela(Path(sys.executable)))
    assert "one addition" in str(engines.load("tosa", Path(sys.executable)).probe())


def test_the_addition_is_one_of_integers(tmp_path):
    """In LiteRT, too, the file adds in 8 bits and is right."""
    interpreter = Interpreter(str(trying.write(tmp_path)))
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        name = "left" if detail["name"] == "left" else "right"
        interpreter.set_tensor(detail["index"], np.rint(tiny.FEEDS[name] * 8).astype(np.int8))
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(found / 8, tiny.EXPECTED)
