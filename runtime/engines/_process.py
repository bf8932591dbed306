"""Run a graph in another interpreter: starts `_worker` and talks to it over a pipe."""

from __future__ import annotations

import math
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.errors import MissingToolError, NotVerifiedError
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _worker
from viewfinder.runtime.engines._tensors import by_name_or_order, checked, damaged, require_match
from viewfinder.task import TensorSpec

_IDENTIFIER = b"TFL3"
_SCRIPTS = {
    module: (Path(__file__).resolve().with_name(name),)
    for module, name in {
        "coremltools": "_coreml_worker.py",
        "coreai": "_coreai_worker.py",
        "ncnn": "_ncnn_worker.py",
        "onnxruntime_qnn": "_qnn_worker.py",
        "rknn": "_rknn_worker.py",
        "tosa": "_tosa_worker.py",
        "ai_edge_litert.compiled_model": "_gpu_worker.py",
    }.items()
}
"""Scripts that add a runtime to the worker's."""


PROFILER = "operators"
"""In a module's place: has a native runner start with its profiler on, which slows every run down."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that has the runtime's package.

    Attributes:
        argv: the words that start it, up to the script's name.
        environment: every variable that it sees; None hands on ours.
        where: for messages, as `` on arm64:cortex-a76``.
        timeout_s: for loading a file and for one run; None waits for ever.
        place: brings a file to where the interpreter sees it and returns its name there; None: it sees ours.
        native: it is a runner that speaks as the script does, and does not get it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] | None = None
    where: str = ""
    timeout_s: float | None = None
    place: Callable[[Path], str] | None = None
    native: bool = False


def open_tflite(python: Path | None, module: str, path: Path, graph: GraphFile, threads: int) -> WorkerRunner:
    """Load a ``.tflite`` file with the ``Interpreter`` of `module` in the interpreter `python`.

    Raises:
        BadArtifactError: it is not a TFLite file, or does not match `graph`.
        NotVerifiedError: this runtime does not load or run the file, or crashes on it.
        MissingToolError: the environment cannot be started.
    """
    return open_in(Interpreter((str(python), "-I")), module, path, graph, threads)


def open_in(interpreter: Interpreter, module: str, path: Path, graph: GraphFile, threads: int) -> WorkerRunner:
    """Load a file with the runtime `module`: ``onnxruntime``, its plug-in for an NPU, or a TFLite ``Interpreter``'s.

    Raises:
        BadArtifactError: it is not a file of this format, or does not match `graph`.
        NotVerifiedError: this runtime does not load or run the file, crashes or hangs on it, or answers garbage.
        MissingToolError: the interpreter cannot be started.
    """
    if module not in {*_worker.MODELS, *_SCRIPTS}:
        with path.open("rb") as stream:
            if stream.read(8)[4:] != _IDENTIFIER:
                raise damaged(path, "it is not a TFLite file")
    place = interpreter.place or str
    scripts = [] if interpreter.native else [Path(_worker.__file__).resolve(), *_SCRIPTS.get(module, ())]
    words = [*map(place, scripts), module, place(path.resolve()), str(threads)]
    return WorkerRunner(interpreter, words, path, graph)


class WorkerRunner:
    """A worker with a file loaded. The worker ends when the runner is forgotten."""

    def __init__(self, interpreter: Interpreter, words: list[str], path: Path, graph: GraphFile) -> None:
        """Start the worker and wait until it has the file; it is gone when nobody refers to the runner."""
        self._name = words[-3].partition(".")[0].replace("_", "-") + interpreter.where
        self._path, self._graph, self._timeout_s = path, graph, interpreter.timeout_s
        # No element is longer; what answers may lie about shapes, and memory is taken before they are checked.
        self._most_bytes = sum(8 * math.prod(spec.shape) for spec in graph.outputs)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 closed with the worker
        environment = None if interpreter.environment is None else dict(interpreter.environment)
        try:
            self._worker = subprocess.Popen(
                [*interpreter.argv, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=cast("IO[bytes]", self._log), env=environment,
            )  # fmt: skip
        except OSError as error:
            raise MissingToolError(
                f"{interpreter.argv[0]} cannot be started: {error.strerror}",
                "viewfinder doctor --install NAME makes it again",
            ) from error
        self._end = weakref.finalize(self, _stop, self._worker, self._log)
        with self._watched("load"):
            header, _ = self._answer("load")
        try:
            self.version, inputs, outputs = str(header["version"]), dict(header["inputs"]), dict(header["outputs"])
        except (KeyError, TypeError, ValueError):
            self._crashed("load")
        self._inputs = self._match(graph.inputs, inputs, "input")
        self._outputs = self._match(graph.outputs, outputs, "output")

    def _match(self, specs: tuple[TensorSpec, ...], shapes: dict[str, list[int]], kind: str) -> list[str]:
        """Return the file's names of the manifest's tensors; shapes must agree."""
        ordered = sorted(shapes, key=lambda name: (len(name), name))
        names = [ordered[at] for at in by_name_or_order(specs, ordered) if at < len(ordered)]
        require_match(self._path, specs, {s.name: shapes[n] for s, n in zip(specs, names, strict=False)}, kind)
        return names

    def __call__(self, feeds: engines.Arrays) -> dict[str, NDArray[Any]]:
        """Send the inputs, wait for the outputs."""
        return self._run(feeds, {})[1]

    def marked(self, feeds: engines.Arrays, times: int) -> None:
        """Compute `times` times, each between two marker system calls, for a plug-in that counts instructions."""
        self._run(feeds, {"marked": times})

    def timed(self, feeds: engines.Arrays, schedule: Mapping[str, Any]) -> dict[str, Any]:
        """Time runs in the worker itself, so that the way there does not count; once per worker, for the first run."""
        header, _ = self._run(feeds, {"timed": dict(schedule)}, schedule.get("sustain_s") or 0.0)
        found = header.get("timed")
        if not isinstance(found, dict) or not (found.get("warm_ms") or found.get("sustained")):
            self._crashed("run")
        return cast("dict[str, Any]", found)

    def operators(self, feeds: engines.Arrays, runs: int) -> list[Any]:
        """Return what the runner's profiler told of each of `runs` inferences; the runner is one of `PROFILER`."""
        told = self._run(feeds, {"operators": runs})[0].get("operators")
        if not isinstance(told, list):
            self._crashed("run")
        return told

    def _run(
        self, feeds: engines.Arrays, ask: dict[str, Any], longer_s: float = 0.0
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Send a message, read the answer, and believe no shape that it has; it may take `longer_s` more than usual."""
        arrays = checked(feeds, self._graph)
        with self._watched("run", longer_s):
            try:
                _worker.send(cast("Any", self._worker.stdin), ask, dict(zip(self._inputs, arrays, strict=True)))
            except OSError:
                self._crashed("run")
            header, results = self._answer("run")
        found = {}
        for spec, name in zip(self._graph.outputs, self._outputs, strict=True):
            if name not in results or results[name].shape != spec.shape:
                self._crashed("run")
            found[spec.name] = results[name].astype(np.float32, copy=False)
        return header, found

    @contextmanager
    def _watched(self, step: str, longer_s: float = 0.0) -> Iterator[None]:
        """Kill a worker that does not answer in time; reading then ends."""
        if self._timeout_s is None:
            yield
            return
        late = threading.Event()

        def kill() -> None:
            """End the wait."""
            late.set()
            self._worker.kill()

        most_s = self._timeout_s + longer_s
        timer = threading.Timer(most_s, kill)
        timer.start()
        try:
            yield
        except NotVerifiedError as error:
            if not late.is_set():
                raise
            raise NotVerifiedError(
                f"{self._name} did not {step} {self._path} within {most_s:g} s and was killed",
                "close other programs and repeat the command; a model this large may need a real device",
                code="timeout",
            ) from error
        finally:
            timer.cancel()

    def _answer(self, step: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read one message; an error, garbage or the worker's end becomes a sentence."""
        try:
            message = _worker.receive(cast("Any", self._worker.stdout), self._most_bytes)
        except (EOFError, ValueError, KeyError, TypeError, AttributeError, MemoryError):
            message = None
        if message is None:
            self._crashed(step)
        header, arrays = message
        if "error" in header:
            raise NotVerifiedError(
                f"{self._name} does not {step} {self._path}: {header['error']}",
                "an app with this runtime would fail too; export or quantize the model another way for it",
            )
        return header, arrays

    def _crashed(self, step: str) -> NoReturn:
        """Say how the worker ended and what it printed last; one that answers garbage is ended."""
        with suppress(OSError):
            cast("IO[bytes]", self._worker.stdin).close()
        try:
            code = self._worker.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._worker.kill()
            self._worker.wait()
            code = None
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        said = lines[-1][-500:] if lines else "no message"
        how = f"ended with code {code}" if code else "gave an answer that cannot be read"
        raise NotVerifiedError(
            f"{self._name} {how} while it should {step} {self._path}: {said}",
            "an app with this runtime may fail too; viewfinder doctor shows whether the environment is sound",
        )


def _stop(worker: subprocess.Popen[bytes], log: Any) -> None:
    """End the worker and close what it wrote to."""
    for stream in (worker.stdin, worker.stdout):
        with suppress(OSError):  # what could not be sent to a dead worker is of no use any more
            cast("IO[bytes]", stream).close()
    worker.terminate()
    worker.wait()
    log.close()
