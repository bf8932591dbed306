"""How much others disturbed a measurement, as the kernel counted it meanwhile; no load average of the last minute.

Two numbers: for how long threads of ours were ready to run and had to wait for a core, and how much of all cores other
programs (or, on a virtual machine, other machines) took. The first makes a timing wrong; the second may, through the
clock that cores share, their cache and their memory. Neither depends on how a scheduler hands out its turns: a median
may not show any of it, when most inferences fit between two of them. A kernel that keeps no account of waiting is asked
how much processor time one thread got of the time that passed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_WAITED, MOST_OTHERS = 0.02, 0.5
"""Share of the time, and number of cores, beyond which timings are not compared."""
_PROC = Path("/proc")


@dataclass(frozen=True)
class Snapshot:
    """What the kernel has counted so far, in seconds; None for what it does not tell.

    Attributes:
        busy: of all cores, by anybody.
        own: of all cores, by this process and its children.
        waited: by their threads, ready and without a core.
    """

    time: float
    busy: float | None
    own: float
    waited: float | None


def snapshot() -> Snapshot:
    """Read the kernel's clocks."""
    members = [_PROC / "self", *_children(_PROC / "self")]
    waited = [seconds for member in members if (seconds := _waited(member)) is not None]
    return Snapshot(time.perf_counter(), _busy(), sum(map(_own, members)), sum(waited) if waited else None)


def between(old: Snapshot, new: Snapshot, threads: int) -> dict[str, float | None]:
    """Return ``waited_share`` (of the time of `threads` threads) and ``others_cores``; None where nothing is told."""
    seconds = max(new.time - old.time, 1e-9)
    waited = None if old.waited is None or new.waited is None else (new.waited - old.waited) / (seconds * threads)
    if waited is None and threads == 1 and new.own > old.own:
        waited = 1 - (new.own - old.own) / seconds  # one thread that computes has no reason of its own to pause
    others = None if old.busy is None or new.busy is None else (new.busy - old.busy - new.own + old.own) / seconds
    return {
        "waited_share": None if waited is None else max(waited, 0.0),
        "others_cores": None if others is None else max(others, 0.0),
    }


def _fields(path: Path) -> list[str]:
    """Return the words of a file of the kernel; none if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _busy() -> float | None:
    """Add user, nice, system, interrupts and what the hypervisor took."""
    words = _fields(_PROC / "stat")[1:9]
    if len(words) < 8:
        return None
    return sum(int(words[place]) for place in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")


def _own(process: Path) -> float:
    """Return the processor time of a process."""
    try:
        words = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _waited(process: Path) -> float | None:
    """Return for how long the threads of a process waited for a core."""
    told = [_fields(task / "schedstat") for task in _tasks(process)]
    times = [int(words[1]) / 1e9 for words in told if len(words) == 3]
    return sum(times) if times else None


def _children(process: Path) -> Iterator[Path]:
    """Yield the processes that a process has started: engines of other environments run in one."""
    for task in _tasks(process):
        yield from (_PROC / child for child in _fields(task / "children"))


def _tasks(process: Path) -> list[Path]:
    """List the threads of a process."""
    try:
        return list((process / "task").iterdir())
    except OSError:
        return []
