from __future__ import annotations

import pytest

from viewfinder.errors import Exit, UsageError
from viewfinder.target import Target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("tflite+xnnpack@arm64:cortex-a76", Target("tflite", "xnnpack", "arm64:cortex-a76")),
        ("tflite@arm64", Target("tflite", "xnnpack", "arm64")),
        ("tflite@ssh:pi@board:22", Target("tflite", "xnnpack", "ssh:pi@board:22")),
        ("onnx", Target("onnx", "cpu", "host")),
        ("coreml@host", Target("coreml", "", "host")),
        ("tflite@fake:/tmp/a b+c.json", Target("tflite", "xnnpack", "fake:/tmp/a b+c.json")),
    ],
)
def test_targets_are_read(text, target):
    """What is left out is the format's own delegate and the host; what is written again reads the same."""
    assert Target.parse(text) == target
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize("text", ["", "@arm64", "tflite+@arm64", "tflite@", "tflite@@a", "TFLITE@arm64", "a b@arm64"])
def test_what_is_no_target(text):
    """The hint shows how to write one."""
    with pytest.raises(UsageError, match="is no target") as error:
        Target.parse(text)
    assert "tflite+xnnpack@arm64:cortex-a76" in error.value.hint
    assert error.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    "text", ["tflite+gpu@arm64", "onnx+xnnpack", "coreml+ane", "tflite+tflite-runtime", "onnx+tflite-runtime@arm64"]
)
def test_an_unknown_delegate(text):
    """Nothing else than what was asked for runs in its place."""
    with pytest.raises(UsageError, match="does not run through") as error:
        Target.parse(text)
    assert "tflite+xnnpack" in error.value.hint


def test_the_old_runtime_on_an_emulated_board():
    """It stands in the delegate's place, and only where it is installed."""
    target = Target.parse("tflite+tflite-runtime@arm64:cortex-a53")
    assert (target.delegate, target.device) == ("tflite-runtime", "arm64:cortex-a53")
    assert str(target) == "tflite+tflite-runtime@arm64:cortex-a53"
