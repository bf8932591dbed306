"""What rknn-toolkit2's compiler prints is understood: operators of the processor, and errors after which it goes on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from viewfinder.runtime.engines import _rknn_worker
from viewfinder.runtime.rknn import log

# Version 2.5.0, HDRNet's strip of 12 x 1920, shortened.
SAID = """\
I rknn building ...
E RKNN: [07:37:53.860] REGTASK: The bit width of field value exceeds the limit, target: v2, offset: 0x5048, shift = 19
E RKNN: [07:37:53.861] REGTASK: The bit width of field value exceeds the limit, target: v2, offset: 0x5048, shift = 19
D RKNN: [07:37:55.233] ID   OpType             DataType Target InputShape             OutputShape   Cycles
D RKNN: [07:37:55.233] 0    InputOperator      FLOAT16  CPU    \\                      (1,96,16,16)   0/0/0
D RKNN: [07:37:55.233] 1    ConvRelu           FLOAT16  NPU    (1,3,12,1920),(10,3,1,1) (1,10,12,1920) 2/7/7
D RKNN: [07:37:55.233] 58   Reshape            FLOAT16  CPU    (12,12,1,1920),(4)     (1,1,12,23040)  0/0/0
D RKNN: [07:37:55.233] 73   OutputOperator     FLOAT16  CPU    (1,3,12,1920)          \\              0/0/0
I rknn building done.
"""


def test_operators_are_counted_by_who_takes_them():
    """The ends of the graph are the caller's work and count nowhere."""
    found = log.read(SAID)
    assert (found.on_npu, found.on_cpu) == (1, {"Reshape": 1})


def test_errors_are_found_once():
    """The compiler says 0 all the same."""
    (error,) = log.read(SAID).errors
    assert error.startswith("REGTASK: The bit width of field value exceeds the limit")
    assert not log.read("I rknn building done.\n").errors


def test_a_refusal_is_the_last_line_of_a_traceback():
    """The toolkit raises its whole traceback as one message; a code that is not 0 is told too."""
    worker = object.__new__(_rknn_worker.Rknn)

    def build():
        raise ValueError("Traceback:\n  File 'quant_utils.py', line 213\nKeyError: 'merged_conv'\n\n")

    worker._rknn = SimpleNamespace(build=build, init_runtime=lambda: -1)
    with pytest.raises(RuntimeError, match=r"^build: KeyError: 'merged_conv'$"):
        worker._step("build")
    with pytest.raises(RuntimeError, match=r"^init_runtime gave the code -1$"):
        worker._step("init_runtime")
