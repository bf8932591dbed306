from __future__ import annotations

import pytest
from onnx import TensorProto, helper, save
from tests.runtime.htp import compiled

from viewfinder.errors import BadArtifactError
from viewfinder.runtime.htp import binary

NOTES = {"soc_model": 69, "htp_arch": 79}


def test_a_binary_says_what_it_was_made_for(tmp_path):
    """Processor, generation, SDK and the size of the binary inside are read from the file itself."""
    found = binary.read(compiled.write(tmp_path / "a.onnx"))
    assert found == binary.Binary("2.51.0", 79, 69, 7)
    assert found.processor == "snapdragon-8-elite"
    assert binary.require_for(tmp_path / "a.onnx", NOTES) == found


def test_a_binary_for_another_processor_is_refused(tmp_path):
    """The emulator would run it without a word; the sentence names the processor that it is for."""
    path = compiled.write(tmp_path / "a.onnx", arch=73, soc=43)
    with pytest.raises(BadArtifactError, match="was compiled for snapdragon-8-gen-2, its manifest says soc_model 69"):
        binary.require_for(path, NOTES)


def test_an_unknown_processor_has_its_number(tmp_path):
    """Binaries of processors that are not in our table are named by what is known."""
    assert binary.read(compiled.write(tmp_path / "a.onnx", soc=999)).processor == "soc_model 999 (v79)"


@pytest.mark.parametrize("facts", ["", "v1:6:2.51.0:5.51.0:79:69", "v2:6:2.51.0:5.51.0:79:x", "v2:" + "9:" * 400])
def test_a_file_that_does_not_say_is_refused(tmp_path, facts):
    """Nothing is guessed."""
    path = compiled.write(tmp_path / "a.onnx", facts=facts)
    with pytest.raises(BadArtifactError, match="does not say which processor"):
        binary.read(path)


def test_a_file_that_points_elsewhere_is_refused(tmp_path):
    """A path in place of the binary could lead out of the artifact, past its hashes."""
    path = compiled.write(tmp_path / "a.onnx", embed_mode=0, ep_cache_context="../../elsewhere.bin")
    with pytest.raises(BadArtifactError, match="points to another file"):
        binary.read(path)


def test_a_file_with_other_operators_is_refused(tmp_path):
    """What is not compiled would run on the CPU."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["x1"])], "g", [value], [value])
    save(helper.make_model(graph), str(tmp_path / "a.onnx"))
    with pytest.raises(BadArtifactError, match=r"its operators are: ai\.onnx\.Relu"):
        binary.read(tmp_path / "a.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", b"\xff" * 100])
def test_garbage_is_refused(tmp_path, content):
    """Whatever lies there, the answer is a sentence."""
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(BadArtifactError):
        binary.read(path)
