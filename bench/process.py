"""Run a measurement in a process of its own, so that neither memory nor threads of another one count."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    wall_s: float
    cpu_s: float


def command(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Spent:
    """Run ``python ARGUMENTS`` and measure it."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def worker(case: str, **parameters: Any) -> dict[str, Any]:
    """Run a case of `bench.worker` and return what it prints last."""
    line = json.dumps({"case": case, **parameters})
    done = subprocess.run(
        [sys.executable, "-m", "bench.worker", line],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(parameters.get("threads", 1))},
    )
    if done.returncode:
        raise SystemExit(f"{line} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
