"""Runs a TFLite file inside an isolated environment: started as a script, it answers over a pipe.

It may import nothing but the standard library, numpy (1 or 2) and the interpreter's package. Every message, in both
directions, is: 4 bytes length and a JSON header, then the bytes of the arrays that the header lists, in order.
Standard output is the pipe; what libraries print goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import sys
from typing import Any, BinaryIO

import numpy as np

LENGTH = struct.Struct("<I")
LONGEST_HEADER = 1 << 24


def send(stream: BinaryIO, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write one message; `arrays` are described in the header."""
    described = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    text = json.dumps({**header, "arrays": described}).encode()
    stream.write(LENGTH.pack(len(text)) + text)
    stream.writelines(bytes_of(np.ascontiguousarray(array)) for array in arrays.values())
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Read one message: its header and arrays. None at the end of the stream."""
    start = stream.read(LENGTH.size)
    if len(start) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(start)
    if length > LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(_exactly(stream, length))
    arrays = {}
    for name, (dtype, shape) in header.pop("arrays").items():
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


def main(module: str, path: str, threads: int, answers: BinaryIO) -> None:
    """Load the file, say what it has, then run it for every message."""
    try:
        interpreter = importlib.import_module(module).Interpreter(path, num_threads=threads)
        interpreter.allocate_tensors()
        inputs, outputs = details(interpreter)
    except (ValueError, RuntimeError) as error:
        send(answers, {"error": str(error)}, {})
        return
    shapes = [{name: detail["shape"].tolist() for name, detail in side.items()} for side in (inputs, outputs)]
    send(answers, {"version": version(module), "inputs": shapes[0], "outputs": shapes[1]}, {})
    while message := receive(sys.stdin.buffer):
        try:
            for name, array in message[1].items():
                interpreter.set_tensor(inputs[name]["index"], array)
            interpreter.invoke()
            results = {name: interpreter.get_tensor(detail["index"]) for name, detail in outputs.items()}
            send(answers, {}, results)
        except (ValueError, RuntimeError) as error:
            send(answers, {"error": str(error)}, {})


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
    """Return the version of the interpreter's package."""
    return str(getattr(importlib.import_module(module.partition(".")[0]), "__version__", "?"))


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), pipe)
