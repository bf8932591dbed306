"""Run functions in processes of their own, a few at a time: one that crashes takes nothing else with it.

A job is named by its module and function, so that a script which calls the library needs no ``__main__`` guard; a
child that is stopped unwinds like ctrl-C, so that what it was writing goes away.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from viewfinder import errors
from viewfinder.errors import MissingToolError, ViewfinderError

_CALL, _ANSWER = "call.pickle", "answer.pickle"
_POLL_S = 0.02
_GRACE_S = 10.0
"""How long a stopped child may take to tidy up before it is killed."""


class CrashedError(ViewfinderError):
    """A process ended without an answer, or its function raised something unforeseen."""

    code = "crashed"


@dataclass(frozen=True)
class Job:
    """One call.

    Attributes:
        name: unique; what others wait for.
        target: ``package.module:function``.
        arguments: by name; anything that pickle takes.
        after: names of jobs that have to end well first; if one does not, this one is not started.
    """

    name: str
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a job ended: with a value, or with an error."""

    name: str
    value: Any = None
    error: ViewfinderError | None = None
    seconds: float = 0.0


@dataclass
class _Running:
    """A child at work."""

    job: Job
    process: subprocess.Popen[bytes]
    folder: Path
    started: float


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    jobs: Sequence[Job], on_end: Callable[[Ended], None] | None = None, slots: int | None = None
) -> dict[str, Ended]:
    """Run all jobs, at most `slots` (the cores) at a time, in their order; return how each ended, by name.

    On ctrl-C, or any other exception in `on_end`, the children are stopped before it goes on.
    """
    unknown = {name for job in jobs for name in job.after} - {job.name for job in jobs}
    if unknown:
        raise ValueError(f"jobs wait for {', '.join(sorted(unknown))}, which nobody runs")
    ended: dict[str, Ended] = {}
    waiting = list(jobs)
    running: list[_Running] = []
    with tempfile.TemporaryDirectory(prefix="viewfinder-jobs-") as work, _stopping(running):
        while waiting or running:
            for result in [*_drop_orphans(waiting, ended), *_collect(running)]:
                ended[result.name] = result
                if on_end is not None:
                    on_end(result)
            while len(running) < (slots or cores()) and (job := _next(waiting, ended)) is not None:
                waiting.remove(job)
                running.append(_start(job, Path(work)))
            time.sleep(_POLL_S if running else 0)
    return ended


class Pool:
    """Jobs that are started one by one; those that still run are stopped when the block is left."""

    def __enter__(self) -> Self:
        """Make a folder for calls and answers."""
        self._running: list[_Running] = []
        with ExitStack() as stack:
            self._work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="viewfinder-jobs-")))
            stack.enter_context(_stopping(self._running))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what runs, and clean up."""
        self._stack.close()

    def start(self, job: Job) -> None:
        """Start a job now; what it waits for is the caller's business."""
        self._running.append(_start(job, self._work))

    def ended(self, wait_s: float = 0.0) -> list[Ended]:
        """Return the jobs that have ended since the last call; if there are none, wait a little for one."""
        deadline = time.monotonic() + wait_s
        while not (found := _collect(self._running)) and self._running and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return found


def _next(waiting: Sequence[Job], ended: Mapping[str, Ended]) -> Job | None:
    """Return the first job that has all it waits for, ended well."""

    def is_ready(job: Job) -> bool:
        """Look at what the job waits for."""
        return all(name in ended and ended[name].error is None for name in job.after)

    return next((job for job in waiting if is_ready(job)), None)


def _drop_orphans(waiting: list[Job], ended: Mapping[str, Ended]) -> list[Ended]:
    """End the jobs that wait for one that failed, with its error."""
    dropped = []
    for job in list(waiting):
        failed = next((ended[name].error for name in job.after if name in ended and ended[name].error), None)
        if failed is not None:
            waiting.remove(job)
            dropped.append(Ended(job.name, error=failed))
    return dropped


def _start(job: Job, work: Path) -> _Running:
    """Start a child for one job; its answer comes as a file, because libraries print on both streams."""
    folder = work / f"{len(list(work.iterdir())):04d}"
    folder.mkdir()
    (folder / _CALL).write_bytes(pickle.dumps((job.target, dict(job.arguments))))
    # -P keeps the current folder, where a user's onnx/ may lie, out of the import path.
    command = [sys.executable, "-P", "-c", "from viewfinder import jobs; jobs.answer()", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.setdefault("OMP_NUM_THREADS", "1")  # the jobs side by side fill the cores
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    return _Running(job, process, folder, time.perf_counter())


def _collect(running: list[_Running]) -> list[Ended]:
    """Take the children that have ended off the list."""
    done = [one for one in running if one.process.poll() is not None]
    for one in done:
        running.remove(one)
    return [_result(one) for one in done]


def _result(one: _Running) -> Ended:
    """Read the answer of a child."""
    seconds = time.perf_counter() - one.started
    try:
        value, error = pickle.loads((one.folder / _ANSWER).read_bytes())  # noqa: S301 written by our own child
    except (OSError, EOFError, pickle.UnpicklingError):
        code = one.process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        hint = "look at the lines above; SIGKILL usually means that memory ran out"
        return Ended(one.job.name, error=CrashedError(f"the process of {one.job.name} {how}", hint), seconds=seconds)
    return Ended(one.job.name, value, _error_from(error) if error else None, seconds)


@contextmanager
def _stopping(running: list[_Running]) -> Iterator[None]:
    """Stop what still runs when the block is left."""
    try:
        yield
    finally:
        for one in running:
            one.process.terminate()
        for one in running:
            try:
                one.process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()


def answer() -> None:
    """Be the child: read the call from the folder named on the command line, run it, write the answer."""
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        target, arguments = pickle.loads((folder / _CALL).read_bytes())  # noqa: S301 written by our own parent
        module, _, function = target.partition(":")
        import importlib

        value, error = getattr(importlib.import_module(module), function)(**arguments), None
    except KeyboardInterrupt:
        sys.exit(130)
    except ViewfinderError as raised:
        value, error = None, _error_data(raised)
    except ImportError as raised:
        missing = f"{target.rpartition(':')[2].replace('_', ' ')} needs {raised.name or raised}, which is not installed"
        value, error = None, _error_data(MissingToolError(missing, "python -m pip install 'viewfinder[export]'"))
    except Exception as raised:  # noqa: BLE001 whatever it is, the parent has to hear of it
        value, error = (
            None,
            {"type": "", "message": f"{type(raised).__name__}: {raised}", "hint": traceback.format_exc()},
        )
    partial = folder / f"{_ANSWER}.partial"
    partial.write_bytes(pickle.dumps((value, error)))
    partial.replace(folder / _ANSWER)


def _interrupt(_signal: int, _frame: Any) -> None:
    """Make a polite kill unwind like ctrl-C."""
    raise KeyboardInterrupt


def _error_data(error: ViewfinderError) -> dict[str, Any]:
    """Take an error apart: its constructor does not fit pickle's way of making exceptions."""
    known = next((kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__)), "")
    return {"type": known, "message": error.message, "hint": error.hint, "code": error.code}


def _error_from(data: Mapping[str, Any]) -> ViewfinderError:
    """Put an error together again, as the nearest class of the tree in `viewfinder.errors`."""
    if not data["type"]:
        return CrashedError(data["message"], data["hint"])
    kind: type[ViewfinderError] = getattr(errors, data["type"])
    return kind(data["message"], data["hint"], code=data["code"])
