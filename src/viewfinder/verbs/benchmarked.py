"""What profiling on a phone adds: its state before and after, and the timings of the user's own benchmark_model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from viewfinder.artifact import Artifact
from viewfinder.errors import NotVerifiedError, UsageError
from viewfinder.measurement import Measurement
from viewfinder.runtime.profile import benchmark_model
from viewfinder.runtime.profile.latency import Schedule

Progress = Callable[[str], None]
TOOL = "benchmark_model"


@contextmanager
def watched(device: Any) -> Iterator[dict[str, Any]]:
    """Have a device hold its clocks, if it can, as long as the block lasts; yield its notes, complete afterwards."""
    if not hasattr(device, "watched"):
        yield {}
        return
    with device.watched() as notes:
        yield notes


def uses_tool(device: Any, artifact_format: str) -> bool:
    """Tell whether the user named a benchmark_model for this device, which times ``.tflite`` files.

    Raises:
        UsageError: there is none where it is said to be.
    """
    return artifact_format == "tflite" and getattr(device, "benchmark", None) is not None


def timed_by_tool(made: Artifact, device: Any, threads: int, schedule: Schedule, say: Progress) -> list[Measurement]:
    """Time every graph with the user's benchmark_model, which feeds random numbers.

    Raises:
        NotVerifiedError: it does not run there, or prints no timings.
        UsageError: it cannot run without a pause for so long.
    """
    if schedule.sustain_s:
        raise UsageError(f"{TOOL} does not tell a curve", "leave --sustain out, or take our own runner")
    program, found = device.place(device.benchmark), list[Measurement]()
    how = f"{threads} thread{'s' if threads > 1 else ''} not pinned, on {device.name}, random inputs"
    for graph in made.graphs:
        say(f"{TOOL} times {graph.name} on {device.name}")
        words = benchmark_model.arguments(device.place(made.path(graph)), threads, schedule)
        done = device.run([program, *words], schedule.timeout_s)
        if done.code:
            last = [line for line in f"{done.output}\n{done.errors}".splitlines() if line.strip()][-1:]
            raise NotVerifiedError(
                f"{TOOL} ended with code {done.code} on {graph.name}: {last[0][:200] if last else 'no message'}",
                "a binary for Android on ARM64 is wanted, of a version that knows the file's operators",
            )
        found += benchmark_model.measurements(graph.name, done.output + done.errors, how)
    return found
