"""An engine on a device, with this computer's Python in the part of the device's: no emulator is needed."""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.engines import blend

from viewfinder.errors import BadArtifactError, Exit, MissingToolError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines._elsewhere import Elsewhere
from viewfinder.runtime.profile.latency import Schedule, is_complete


@dataclass
class Launch:
    """Starts this Python, or a script in its place."""

    argv: tuple[str, ...] = (sys.executable, "-I")
    environment: dict[str, str] | None = None
    native: bool = False


class Board:
    """A device whose Python is ours, or a script in its place."""

    name = "board"

    def __init__(self, script: str = "", reason: str = "") -> None:
        """Be usable, unless there is a reason."""
        self.reason = reason
        self.launch = Launch((sys.executable, "-c", script)) if script else Launch()

    def problem(self):
        """Return the reason."""
        return self.reason

    def place(self, path):
        """Say that the board sees our files."""
        return str(path)

    def python(self, counts=None):
        """Return how to start it."""
        return self.launch


def opened(tmp_path: Path, script: str, timeout_s: float = 60.0):
    """Open the tiny graph on a board that runs `script`."""
    engine = Elsewhere(Board(script), "tflite", Evidence.EMULATED, timeout_s=timeout_s)
    return engine.open(blend.write("tflite", tmp_path), blend.GRAPH, 1)


def message(header: str) -> str:
    """Return code that sends one message."""
    data = struct.pack("<I", len(header)) + header.encode()
    return f"import sys; sys.stdout.buffer.write({data!r}); sys.stdout.flush();"


LOADED = message(
    '{"version": "1", "inputs": {"image": [1, 3, 4, 6], "weight": [1, 1, 4, 6]}, "outputs": {"blended": [1, 3, 4, 6]}, '
    '"arrays": {}}'
)


@pytest.mark.parametrize("artifact_format", ["tflite", "onnx"])
def test_it_computes(artifact_format, tmp_path):
    """Both formats give the same as on the host, under the device's name and evidence."""
    engine = engines.on(Board(), artifact_format, Evidence.EMULATED)
    assert engine.NAME.endswith("@board")
    assert (engine.FORMAT, engine.EVIDENCE, engine.probe()) == (artifact_format, Evidence.EMULATED, None)
    feeds = blend.feeds()
    runner = engine.open(blend.write(artifact_format, tmp_path), blend.GRAPH, 1)
    np.testing.assert_allclose(runner(feeds)["blended"], blend.expected(feeds), atol=1e-6)


def test_runs_between_markers_change_nothing(tmp_path):
    """The system call that a plug-in looks for is harmless on a real kernel, and the runner goes on."""
    runner = engines.on(Board(), "tflite", Evidence.EMULATED).open(blend.write("tflite", tmp_path), blend.GRAPH, 1)
    runner.marked(blend.feeds(), 3)
    feeds = blend.feeds()
    np.testing.assert_allclose(runner(feeds)["blended"], blend.expected(feeds), atol=1e-6)


def test_runs_are_timed_where_they_happen(tmp_path):
    """The worker's own clock is read: load, first run, warm runs, memory; the results are checked all the same."""
    runner = engines.on(Board(), "onnx", Evidence.EMULATED).open(blend.write("onnx", tmp_path), blend.GRAPH, 1)
    schedule = {"runs": 4, "seconds": 0.0, "warm_up_runs": 1, "warm_up_s": 0.0, "most_s": 10.0}
    found = runner.timed(blend.feeds(), schedule)
    assert len(found["warm_ms"]) == 4
    assert found["load_ms"] > 0 < found["first_ms"]
    assert found["memory_before_bytes"] < found["memory_loaded_bytes"] <= found["memory_peak_bytes"]


def test_files_are_brought_to_where_the_board_sees_them(tmp_path):
    """Worker and model go through the device, under the names that it gives them."""
    placed = []

    class Far(Board):
        """Sees only what was placed."""

        def place(self, path):
            """Copy it elsewhere."""
            placed.append(path.name)
            target = tmp_path / "there" / path.name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
            return str(target)

    path = blend.write("tflite", tmp_path)
    runner = engines.on(Far(), "tflite", Evidence.EMULATED).open(path, blend.GRAPH, 1)
    path.unlink()
    feeds = blend.feeds()
    np.testing.assert_allclose(runner(feeds)["blended"], blend.expected(feeds), atol=1e-6)
    assert placed == ["_worker.py", path.name]


@pytest.mark.parametrize("artifact_format", ["coreml", "executorch"])
def test_formats_that_no_device_runs(artifact_format):
    """They are refused by name."""
    with pytest.raises(UsageError, match=f"board does not run {artifact_format} artifacts"):
        engines.on(Board(), artifact_format, Evidence.EMULATED)


def test_a_device_that_cannot_be_used_says_why():
    """The reason becomes that of a not-run."""
    assert engines.on(Board(reason="unplugged"), "tflite", Evidence.EMULATED).probe() == "unplugged"


def test_a_damaged_onnx_file_is_quoted(tmp_path):
    """The runtime's words reach the user; it is no pass."""
    path = blend.write("onnx", tmp_path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(NotVerifiedError, match=r"onnxruntime on board does not load .*blend.onnx"):
        engines.on(Board(), "onnx", Evidence.EMULATED).open(path, blend.GRAPH, 1)


def test_a_manifest_that_does_not_match(tmp_path):
    """Shapes are compared with the file's before anything runs."""
    graph = replace(blend.GRAPH, outputs=(replace(blend.GRAPH.outputs[0], shape=(1, 3, 4, 8)),))
    with pytest.raises(BadArtifactError, match="output blended"):
        engines.on(Board(), "onnx", Evidence.EMULATED).open(blend.write("onnx", tmp_path), graph, 1)


@pytest.mark.parametrize(
    "script",
    [
        "print('hello from the boot loader')",
        "import sys; sys.stdout.buffer.write(b'\\xff' * 4096); sys.stdout.flush(); sys.stdin.read()",
        message("not json"),
        message("[]"),
        message('{"arrays": {"x": ["<f4", [4000000000, 4000000000]]}}'),
        message('{"arrays": {"x": ["bogus", [4]]}}'),
        message('{"arrays": {}}'),
        message('{"version": "1", "inputs": 3, "outputs": {}, "arrays": {}}'),
        "",
    ],
)
def test_garbage_is_no_answer(tmp_path, script):
    """Whatever a device sends, it is said in a sentence, and nothing hangs."""
    if not script:
        script = "import sys; sys.exit(7)"
    with pytest.raises(
        NotVerifiedError, match=r"on board (ended with code 7|gave an answer that cannot be read)"
    ) as error:
        opened(tmp_path, script)
    assert error.value.exit_code is Exit.NOT_VERIFIED


@pytest.mark.parametrize("shape", ["[1, 3, 4, 5]", "[72]"])
def test_an_output_of_another_shape_is_garbage(tmp_path, shape):
    """A result is believed only in the shape of the manifest."""
    count = int(np.prod(eval(shape))) * 4
    answer = message(f'{{"arrays": {{"blended": ["<f4", {shape}]}}}}')
    script = f"{LOADED}sys.stdin.buffer.read(100);{answer}sys.stdout.buffer.write(bytes({count})); sys.stdout.flush()"
    runner = opened(tmp_path, script)
    with pytest.raises(NotVerifiedError, match="gave an answer that cannot be read while it should run"):
        runner(blend.feeds())


def test_a_device_that_hangs_is_given_up(tmp_path):
    """At load and at a run; the process is gone afterwards."""
    with pytest.raises(NotVerifiedError, match=r"did not load .* within 0.5 s and was killed") as error:
        opened(tmp_path, "import time; time.sleep(600)", timeout_s=0.5)
    assert error.value.code == "timeout"
    runner = opened(tmp_path, f"{LOADED}import time; time.sleep(600)", timeout_s=3.0)
    with pytest.raises(NotVerifiedError, match=r"did not run .* within 3 s"):
        runner(blend.feeds())
    assert runner._worker.poll() is not None


def test_a_runner_killed_by_a_signal(tmp_path):
    """The signal is said, with the last words."""
    script = "import os, sys; print('Illegal instruction', file=sys.stderr, flush=True); os.kill(os.getpid(), 4)"
    with pytest.raises(NotVerifiedError, match=r"ended with code -4 while it should load .*: Illegal instruction"):
        opened(tmp_path, script)


def test_a_python_that_cannot_start(tmp_path):
    """A device without its Python is a missing tool."""
    board = Board()
    board.launch = Launch((str(tmp_path / "python"),))
    with pytest.raises(MissingToolError, match="cannot be started"):
        engines.on(board, "tflite", Evidence.EMULATED).open(blend.write("tflite", tmp_path), blend.GRAPH, 1)


def test_a_sustained_run_may_take_its_time(tmp_path):
    """A device that is asked to run for longer than one run may take is not taken for hung, and tells its curve."""
    runner = engines.on(Board(), "tflite", Evidence.MEASURED).open(blend.write("tflite", tmp_path), blend.GRAPH, 1)
    runner._timeout_s = 0.5
    result = runner.timed(blend.feeds(), vars(Schedule(sustain_s=1.0)))
    assert is_complete(result)
    assert result["sustained"]["windows"][-1]["to_s"] >= 1.0
