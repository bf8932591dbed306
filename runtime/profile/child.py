"""Times one graph in a process of its own: ``python -m viewfinder.runtime.profile.child REQUEST.json RESULT.json``.

The result file is written last: without it nothing counts, however the process ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from viewfinder.artifact import GraphFile

_STATUS = Path("/proc/self/status")


def main(request_path: Path, result_path: Path) -> None:
    """Follow a request of `viewfinder.runtime.profile.latency`."""
    import numpy as np

    from viewfinder.runtime import engines

    request = json.loads(request_path.read_text(encoding="utf-8"))
    if request["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, request["cores"])
    graph = GraphFile.from_dict(request["graph"])
    with np.load(request["feeds"], allow_pickle=False) as stored:
        feeds = {name: stored[name] for name in stored.files}
    engine = engines.load(request["engine"], Path(request["python"]) if request["python"] else None)
    engines.require(engine)
    before = memory_bytes("VmRSS")
    start = time.perf_counter()
    runner = engine.open(Path(request["path"]), graph, request["threads"])
    load_ms = 1e3 * (time.perf_counter() - start)
    loaded = memory_bytes("VmRSS")
    result = {
        "load_ms": load_ms,
        "first_ms": timed(lambda: runner(feeds)),
        "memory_before_bytes": before,
        "memory_loaded_bytes": loaded,
    }
    result |= repeated(lambda: runner(feeds), request)
    result["memory_peak_bytes"] = memory_bytes("VmHWM")
    partial = result_path.with_suffix(".partial")
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.replace(result_path)


def repeated(run: Callable[[], Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Run warm or without a pause, as is asked for; return the times, and what others took meanwhile."""
    from viewfinder.runtime.engines import _worker
    from viewfinder.runtime.profile import contention

    if not request["sustain_s"]:
        repeat(run, request["warm_up_runs"], request["warm_up_s"], request["most_s"])
    began = contention.snapshot()
    found: dict[str, Any] = (
        {"sustained": _worker.sustained(run, request["sustain_s"])}
        if request["sustain_s"]
        else {"warm_ms": repeat(run, request["runs"], request["seconds"], request["most_s"])}
    )
    return found | contention.between(began, contention.snapshot(), request["threads"])


def timed(run: Callable[[], Any]) -> float:
    """Return the milliseconds of one call."""
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def repeat(run: Callable[[], Any], runs: int, seconds: float, most_s: float) -> list[float]:
    """Return the milliseconds of every call: at least `runs` and for at least `seconds`, but not beyond `most_s`."""
    samples: list[float] = []
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < most_s or not samples:
        if len(samples) >= runs and elapsed >= seconds:
            break
        samples.append(timed(run))
    return samples


def memory_bytes(name: str) -> int:
    """Return a size that the kernel keeps for this process: ``VmRSS`` now, ``VmHWM`` at its peak; 0 if unknown."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
