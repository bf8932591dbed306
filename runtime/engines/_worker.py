"""Runs a TFLite or ONNX file in another Python: started as a script, it answers over a pipe.

The other Python is that of an isolated environment or of an emulated board. This file may import nothing but the
standard library, numpy (1 or 2) and the runtime's package. Every message, in both directions, is: 4 bytes length and a
JSON header, then the bytes of the arrays that the header lists, in order. Standard output is the pipe; what libraries
print goes to standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import struct
import sys
import time
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

LENGTH = struct.Struct("<I")
LONGEST_HEADER = 1 << 24
MARKER = 0x7E57
"""A system call that Linux does not have; the plug-in that counts instructions sees it (``devices/userland``)."""
EDGE_S, WINDOWS = 30.0, 60
"""Of a sustained run: the first and the last seconds that are told apart, and the points of its curve."""
STATE = {
    "khz": "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq",
    "millidegrees": "/sys/class/thermal/thermal_zone*/temp",
}


def send(stream: BinaryIO, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write one message; `arrays` are described in the header."""
    described = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    text = json.dumps({**header, "arrays": described}).encode()
    stream.write(LENGTH.pack(len(text)) + text)
    stream.writelines(bytes_of(np.ascontiguousarray(array)) for array in arrays.values())
    stream.flush()


def receive(stream: BinaryIO, most_bytes: int = 1 << 40) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Read one message: its header and arrays, of `most_bytes` together. None at the end of the stream."""
    start = stream.read(LENGTH.size)
    if len(start) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(start)
    if length > LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(_exactly(stream, length))
    arrays = {}
    for name, (dtype, shape) in header.pop("arrays").items():
        most_bytes -= int(np.dtype(dtype).itemsize * np.prod([max(int(side), 0) for side in shape], dtype=float))
        if most_bytes < 0:
            raise ValueError(f"arrays that are too large, {name} of the shape {shape}")
        array = np.empty(shape, dtype)
        target, filled = bytes_of(array), 0
        while filled < array.nbytes:
            count = stream.readinto(target[filled:])  # type: ignore[attr-defined]
            if not count:
                raise EOFError("the other side ended in the middle of an array")
            filled += count
        arrays[name] = array
    return header, arrays


def bytes_of(array: Any) -> Any:
    """View a contiguous array as bytes."""
    return array.reshape(-1).view(np.uint8).data


def _exactly(stream: BinaryIO, count: int) -> bytes:
    """Read a given number of bytes."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side ended in the middle of a message")
    return data


class Tflite:
    """A file in the ``Interpreter`` of a module."""

    def __init__(self, module: str, path: str, threads: int) -> None:
        """Load it."""
        self._interpreter = importlib.import_module(module).Interpreter(path, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._inputs, self._outputs = details(self._interpreter)

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        sides = (self._inputs, self._outputs)
        return [{name: detail["shape"].tolist() for name, detail in side.items()} for side in sides]

    def set(self, arrays: dict[str, Any]) -> None:
        """Copy the inputs in."""
        for name, array in arrays.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], array)

    def invoke(self) -> None:
        """Compute."""
        self._interpreter.invoke()

    def results(self) -> dict[str, Any]:
        """Copy the outputs out."""
        return {name: self._interpreter.get_tensor(detail["index"]) for name, detail in self._outputs.items()}


def on_cpu(runtime: Any, path: str, options: Any) -> Any:
    """Start a session of ONNX Runtime on the CPU."""
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


SESSIONS: dict[str, Any] = {}
"""What starts a session of a plug-in, by its module."""


class Onnx:
    """A file in ONNX Runtime."""

    def __init__(self, module: str, path: str, threads: int) -> None:
        """Load it."""
        runtime = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
        try:
            self._session = SESSIONS.get(module, on_cpu)(runtime, path, options)
        except Exception as error:  # its exceptions share no base class but this one
            raise RuntimeError(str(error)) from error
        self._outputs = [item.name for item in self._session.get_outputs()]
        self._arrays: dict[str, Any] = {}
        self._results: list[Any] = []

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        sides = (self._session.get_inputs(), self._session.get_outputs())
        return [{item.name: list(item.shape) for item in side} for side in sides]

    def set(self, arrays: dict[str, Any]) -> None:
        """Keep the inputs."""
        self._arrays = arrays

    def invoke(self) -> None:
        """Compute."""
        self._results = self._session.run(self._outputs, self._arrays)

    def results(self) -> dict[str, Any]:
        """Return the outputs."""
        return dict(zip(self._outputs, self._results))  # noqa: B905 the runtime gives one result per name


MODELS: dict[str, Any] = {"onnxruntime": Onnx}
"""What loads a file, by the module that is asked for; every other has a TFLite ``Interpreter``."""


def main(module: str, path: str, threads: int, answers: BinaryIO) -> None:
    """Load the file, say what it has, then run it for every message."""
    before, start = memory_bytes("VmRSS"), time.perf_counter()
    try:
        model = MODELS.get(module, Tflite)(module, path, threads)
        shapes = model.shapes()
    except (ValueError, RuntimeError) as error:
        send(answers, {"error": str(error)}, {})
        return
    loaded = {
        "load_ms": 1e3 * (time.perf_counter() - start),
        "memory_before_bytes": before,
        "memory_loaded_bytes": memory_bytes("VmRSS"),
    }
    send(answers, {"version": version(module), "inputs": shapes[0], "outputs": shapes[1]}, {})
    while message := receive(sys.stdin.buffer):
        header: dict[str, Any] = {}
        try:
            model.set(message[1])
            if "marked" in message[0]:
                marked(model, message[0]["marked"])
            elif "timed" in message[0]:
                header = {"timed": {**loaded, **timed(model, message[0]["timed"])}}
            else:
                model.invoke()
            send(answers, header, model.results())
        except (ValueError, RuntimeError) as error:
            send(answers, {"error": str(error)}, {})


def marked(model: Any, times: int) -> None:
    """Compute several times, each between a marker of even and one of odd number."""
    call = ctypes.CDLL(None).syscall
    for number in range(times):
        call(MARKER, 2 * number)
        model.invoke()
        call(MARKER, 2 * number + 1)


def timed(model: Any, schedule: dict[str, Any]) -> dict[str, Any]:
    """Time a first run, then warm ones; see `viewfinder.runtime.profile.latency.Schedule`."""
    first = repeated(model, 1, 0.0, schedule["most_s"])[0]
    if schedule.get("sustain_s"):
        curve = sustained(lambda: (model.invoke(), model.results()), schedule["sustain_s"])
        return {"first_ms": first, "sustained": curve, "memory_peak_bytes": memory_bytes("VmHWM")}
    repeated(model, schedule["warm_up_runs"], schedule["warm_up_s"], schedule["most_s"])
    warm = repeated(model, schedule["runs"], schedule["seconds"], schedule["most_s"])
    return {"first_ms": first, "warm_ms": warm, "memory_peak_bytes": memory_bytes("VmHWM")}


def repeated(model: Any, runs: int, seconds: float, most_s: float) -> list[float]:
    """Return the milliseconds of every run, copying out included: both bounds at least, but not beyond `most_s`."""
    samples, start = list[float](), time.perf_counter()
    while (elapsed := time.perf_counter() - start) < most_s or not samples:
        if len(samples) >= runs and elapsed >= seconds:
            break
        begin = time.perf_counter()
        model.invoke()
        model.results()
        samples.append(1e3 * (time.perf_counter() - begin))
    return samples


def sustained(run: Any, seconds: float) -> dict[str, Any]:
    """Run without a pause; say how long runs took, in windows, at first, at last; keeps one window and the edges."""
    edge, first, last = min(EDGE_S, seconds / 2), list[float](), list[float]()
    windows, samples, opened = list[dict[str, Any]](), list[float](), 0.0
    start = time.perf_counter()
    while not windows or opened < seconds:
        begin = time.perf_counter()
        run()
        now = time.perf_counter()
        samples.append(1e3 * (now - begin))
        if now - start <= edge or not first:
            first.append(samples[-1])
        if now - start <= seconds - edge:
            last.clear()
        last.append(samples[-1])
        if now - start >= min(opened + seconds / WINDOWS, seconds):
            windows.append({"from_s": opened, "to_s": now - start, **middle(samples), **state()})
            opened, samples = now - start, []
    return {"edge_s": edge, "windows": windows, "first": middle(first), "last": middle(last)}


def middle(samples: list[float]) -> dict[str, float]:
    """Return how many there are, their median and their 90th percentile."""
    p50, p90 = (float(one) for one in np.percentile(samples, (50, 90)))
    return {"runs": len(samples), "p50_ms": p50, "p90_ms": p90}


def state() -> dict[str, int]:
    """Return the memory in use, and where the system tells: highest frequency of a core, highest temperature."""
    found = {"memory_bytes": memory_bytes("VmRSS")}
    for name, pattern in STATE.items():
        values = []
        for path in importlib.import_module("glob").glob(pattern):
            with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:  # noqa: PTH123 as below
                values.append(int(file.read()))
        found |= {name: max(values)} if values else {}
    return found


def memory_bytes(name: str) -> int:
    """Return a size that Linux keeps for this process: ``VmRSS`` now, ``VmHWM`` at its peak; 0 if unknown."""
    try:
        with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123 pathlib would be loaded for this alone
            return next(1024 * int(line.split()[1]) for line in status if line.startswith(f"{name}:"))
    except (OSError, StopIteration, ValueError):
        return 0


def details(interpreter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return inputs and outputs by name: those of the signature if the file has one.

    The signature's runner must be gone before the first call: tflite-runtime 2.14 refuses to run beside it.
    """
    signatures = interpreter.get_signature_list()
    if signatures:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        return runner.get_input_details(), runner.get_output_details()
    sides = interpreter.get_input_details(), interpreter.get_output_details()
    return {item["name"]: item for item in sides[0]}, {item["name"]: item for item in sides[1]}


def version(module: str) -> str:
    """Return the version of the runtime's package."""
    return str(getattr(importlib.import_module(module.partition(".")[0]), "__version__", "?"))


def learn(script: str) -> None:
    """Let a script beside this one add its runtime: it has a function ``extend``, which is given this module."""
    module: Any = ModuleType("viewfinder_runtime")
    SourceFileLoader(module.__name__, script).exec_module(module)
    module.extend(sys.modules[__name__])


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for further in sys.argv[1:-3]:
        learn(further)
    main(sys.argv[-3], sys.argv[-2], int(sys.argv[-1]), pipe)
