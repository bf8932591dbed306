"""Integer ends of TFLite files: the same integers come out, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tests.runtime.bisect import nets
from tests.runtime.ethos import integers

from viewfinder.errors import BadArtifactError
from viewfinder.runtime.ethos import boundary


def run(path, fed):
    """Run a file on one input; return its output and the scale and zero point of both ends."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    start, end = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(start["index"], fed(start) if callable(fed) else fed)
    interpreter.invoke()
    return interpreter.get_tensor(end["index"]), start, end


def test_the_integers_stay_the_same(tmp_path):
    """What the caller rounds and scales back by hand is what the file with float ends gives, but for ties."""
    made, target = integers.write(tmp_path), tmp_path / "integer_ends.tflite"
    source = made.path(made.graphs[0])
    assert boundary.write(source, target) == {"quantize": 1, "dequantize": 1}
    picture = np.ascontiguousarray(nets.pictures()[0].transpose(0, 2, 3, 1))
    expected, *_ = run(source, picture)

    def rounded(detail):
        """Quantize by hand."""
        scale, zero = detail["quantization"]
        return np.clip(np.round(picture / np.float32(scale)) + zero, -128, 127).astype(np.int8)

    found, start, end = run(target, rounded)
    assert start["dtype"] == end["dtype"] == np.int8
    scale, zero = end["quantization"]
    steps = np.abs((found.astype(np.float32) - zero) * np.float32(scale) - expected) / np.float32(scale)
    # Another rounding of ties at the input moves a few results by one or two steps of int8.
    assert steps.max() < 2.01
    assert (steps > 0.01).mean() < 0.03


def test_a_float_file_keeps_its_ends(tmp_path):
    """Where nothing is converted, nothing is taken off."""
    source, target = tmp_path / "float.tflite", tmp_path / "same.tflite"
    source.write_bytes(nets.tflite_float())
    assert boundary.write(source, target) == {"quantize": 0, "dequantize": 0}
    picture = np.ascontiguousarray(nets.pictures()[0].transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(run(target, picture)[0], run(source, picture)[0])


def test_something_else_is_refused(tmp_path):
    """A damaged file is a sentence."""
    (tmp_path / "a.tflite").write_bytes(b"no tables")
    with pytest.raises(BadArtifactError, match="is no TFLite file"):
        boundary.write(tmp_path / "a.tflite", tmp_path / "b.tflite")
