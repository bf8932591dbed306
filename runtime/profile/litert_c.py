"""LiteRT's profiler, which its Python interpreter does not have: the C library of the same wheel, through ctypes.

The wheel has no headers. The declarations are those of ``litert/c`` of version 2.3, and no other version is asked: an
event of another size would be read as nonsense. XNNPACK's own operators are told one by one, in whole microseconds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.errors import NotVerifiedError
from viewfinder.runtime.engines._tensors import by_name_or_order, checked

VERSION = "2.3."
OWN, INSIDE = 2, 8
"""Types of events: an operator of the file in LiteRT's own kernels, one of a delegate's operators."""
_CPU, _WRITE = 1, 1
_MOST_DIMENSIONS = 8
_LONGEST_NAME = 200
_Handle = ctypes.c_void_p


class _Ranked(ctypes.Structure):
    """``LiteRtRankedTensorType``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("rank", ctypes.c_uint32),
        ("dims", ctypes.c_int32 * _MOST_DIMENSIONS),
        ("strides", ctypes.c_uint32 * _MOST_DIMENSIONS),
    )


class _Event(ctypes.Structure):
    """``ProfiledEventData``, with three sizes of memory before and after."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_int64 * 6),
        ("index", ctypes.c_uint64),
        ("more", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


@dataclass(frozen=True)
class Event:
    """One operator in one inference.

    Attributes:
        type: `OWN` or `INSIDE`.
        index: of the operator in the file, or in its part of the delegate, which counts from 0 again.
    """

    name: str
    type: int
    index: int
    microseconds: int


def problem() -> str:
    """Return why the profiler cannot be asked, or ""."""
    try:
        installed = version("ai-edge-litert")
    except PackageNotFoundError:
        return "ai-edge-litert is not installed"
    if not installed.startswith(VERSION):
        return f"its profiler is known of version {VERSION}x, and {installed} is installed"
    return "" if _library().is_file() else f"the wheel has no {_library().name} on this system"


def _library() -> Path:
    """Return the C library's file."""
    spec = find_spec("ai_edge_litert")
    return Path((spec.origin if spec else None) or "").with_name("libLiteRt.so")


def events(path: Path, graph: GraphFile, feeds: Mapping[str, NDArray[Any]], runs: int) -> list[list[Event]]:
    """Run a ``.tflite`` file with one thread and return the operators of each of `runs` inferences, in their order.

    Raises:
        NotVerifiedError: the library refuses the file, or has no profiler for it.
        UsageError: an input is missing or does not fit.
    """
    session = _Session(path)
    session.fill(graph, checked(feeds, graph))
    return [session.run() for _ in range(runs)]


class _Session:
    """A compiled model with its buffers. Its process ends soon, and everything with it: nothing is handed back."""

    def __init__(self, path: Path) -> None:
        """Compile the model for the CPU with the profiler on."""
        self._library, self._libc = ctypes.CDLL(str(_library())), ctypes.CDLL(None)
        self._libc.strdup.restype, self._libc.strdup.argtypes = _Handle, [ctypes.c_char_p]
        self._environment, options, model, self._compiled, self._profiler = (_Handle() for _ in range(5))
        self._call("CreateEnvironment", 0, None, ctypes.byref(self._environment))
        self._call("CreateOptions", ctypes.byref(options))
        self._call("SetOptionsHardwareAccelerators", options, _CPU)
        self._add(options, b"xnnpack", b"num_threads = 1\n")
        self._add(options, b"runtime_options_string", b"enable_profiling = true\n")
        self._call("CreateModelFromFile", self._environment, str(path).encode(), ctypes.byref(model))
        self._call("CreateCompiledModel", self._environment, model, options, ctypes.byref(self._compiled))
        self._call("CompiledModelGetProfiler", self._compiled, ctypes.byref(self._profiler))
        if self._profiler.value is None:
            raise NotVerifiedError("LiteRT has no profiler for this file", "leave --operators out")
        signature = _Handle()
        self._call("GetModelSignature", model, _size(0), ctypes.byref(signature))
        self._names, self._inputs = self._buffers(signature, "Input")
        self._outputs = self._buffers(signature, "Output")[1]

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a function of the library."""
        function = getattr(self._library, f"LiteRt{name}")
        function.restype = ctypes.c_int
        if status := function(*arguments):
            raise NotVerifiedError(f"LiteRT's {name} ends with status {status}", "viewfinder verify says more")

    def _add(self, options: _Handle, kind: bytes, text: bytes) -> None:
        """Add options as text, which the library frees."""
        opaque = _Handle()
        owned = _Handle(self._libc.strdup(text))
        self._call("CreateOpaqueOptions", kind, owned, self._libc.free, ctypes.byref(opaque))
        self._call("AddOpaqueOptions", options, opaque)

    def _buffers(self, signature: _Handle, side: str) -> tuple[list[str], Any]:
        """Return the names of a side's tensors, and a buffer for each."""
        count, names = ctypes.c_size_t(), list[str]()
        self._call(f"GetNumSignature{side}s", signature, ctypes.byref(count))
        buffers = (_Handle * count.value)()
        for at in range(count.value):
            name, tensor, needs, buffer, kind = ctypes.c_char_p(), _Handle(), _Handle(), _Handle(), _Ranked()
            self._call(f"GetSignature{side}Name", signature, _size(at), ctypes.byref(name))
            self._call(f"GetSignature{side}TensorByIndex", signature, _size(at), ctypes.byref(tensor))
            self._call("GetRankedTensorType", tensor, ctypes.byref(kind))
            self._call(
                f"GetCompiledModel{side}BufferRequirements", self._compiled, _size(0), _size(at), ctypes.byref(needs)
            )
            where = ctypes.byref(buffer)
            self._call("CreateManagedTensorBufferFromRequirements", self._environment, ctypes.byref(kind), needs, where)
            names.append((name.value or b"").decode())
            buffers[at] = buffer.value
        return names, buffers

    def fill(self, graph: GraphFile, arrays: Sequence[NDArray[Any]]) -> None:
        """Copy the inputs, which come in the order of the manifest."""
        ordered = sorted(self._names, key=lambda name: (len(name), name))
        for array, at in zip(arrays, by_name_or_order(graph.inputs, ordered), strict=True):
            buffer = _Handle(self._inputs[self._names.index(ordered[at])])
            room, place = ctypes.c_size_t(), _Handle()
            self._call("GetTensorBufferSize", buffer, ctypes.byref(room))
            if room.value < array.nbytes:
                raise NotVerifiedError(
                    f"LiteRT has {room.value} bytes for an input of {array.nbytes}", "export it again"
                )
            self._call("LockTensorBuffer", buffer, ctypes.byref(place), _WRITE)
            ctypes.memmove(place, array.ctypes.data, array.nbytes)
            self._call("UnlockTensorBuffer", buffer)

    def run(self) -> list[Event]:
        """Run once and read what the profiler kept."""
        self._call("ResetProfiler", self._profiler)
        self._call("StartProfiler", self._profiler)
        self._call(
            "RunCompiledModel",
            *(self._compiled, _size(0), _size(len(self._inputs)), self._inputs),
            *(_size(len(self._outputs)), self._outputs),
        )
        self._call("StopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("GetNumProfilerEvents", self._profiler, ctypes.byref(count))
        found = (_Event * max(count.value, 1))()
        if count.value > 0:
            self._call("GetProfilerEvents", self._profiler, count, found)
        return told(found[: count.value])


def told(found: Sequence[Any]) -> list[Event]:
    """Keep the operators among the events; the whole run, what surrounds it and telemetry are no operators."""
    return [
        Event((one.tag or b"").decode(errors="replace"), one.type, one.index, one.elapsed_us)
        for one in found
        if one.type in {OWN, INSIDE}
    ]


def read(answer: list[Any]) -> list[list[Event]]:
    """Read what a phone's runner tells of each inference: lists of name, type, index and microseconds.

    Raises:
        NotVerifiedError: it tells something else.
    """
    try:
        return [
            [
                Event(str(name)[:_LONGEST_NAME], int(kind), int(index), max(int(cost), 0))
                for name, kind, index, cost in run
            ]
            for run in answer
        ]
    except (TypeError, ValueError) as error:
        raise NotVerifiedError("the phone tells of its operators what cannot be read", "repeat the command") from error


def _size(value: int) -> ctypes.c_size_t:
    """Pass a number as the library's index."""
    return ctypes.c_size_t(value)
