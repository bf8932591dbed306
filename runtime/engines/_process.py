"""Run a graph in another interpreter: starts `_worker` and talks to it over a pipe."""

from __future__ import annotations

import subprocess
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.errors import MissingToolError, NotVerifiedError
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _worker
from viewfinder.runtime.engines._tensors import by_name_or_order, checked, damaged, require_match
from viewfinder.task import TensorSpec

_IDENTIFIER = b"TFL3"


def open_tflite(python: Path | None, module: str, path: Path, graph: GraphFile, threads: int) -> engines.Runner:
    """Load a ``.tflite`` file with the ``Interpreter`` of `module` in the interpreter `python`.

    Raises:
        BadArtifactError: it is not a TFLite file, or does not match `graph`.
        NotVerifiedError: this runtime does not load or run the file, or crashes on it.
        MissingToolError: the environment cannot be started.
    """
    with path.open("rb") as stream:
        if stream.read(8)[4:] != _IDENTIFIER:
            raise damaged(path, "it is not a TFLite file")
    command = [str(python), "-I", str(Path(_worker.__file__)), module, str(path), str(threads)]
    return _Runner(command, path, graph)


class _Runner:
    """A worker with a file loaded. The worker ends when the runner is forgotten."""

    def __init__(self, command: list[str], path: Path, graph: GraphFile) -> None:
        """Start the worker and wait until it has the file; it is gone when nobody refers to the runner."""
        self._name = command[3].partition(".")[0].replace("_", "-")
        self._path, self._graph = path, graph
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 closed with the worker
        try:
            self._worker = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=cast("IO[bytes]", self._log)
            )
        except OSError as error:
            raise MissingToolError(
                f"{command[0]} cannot be started: {error.strerror}", "viewfinder doctor --install NAME makes it again"
            ) from error
        self._end = weakref.finalize(self, _stop, self._worker, self._log)
        header, _ = self._answer("load")
        self.version: str = header["version"]
        self._inputs = self._match(graph.inputs, header["inputs"], "input")
        self._outputs = self._match(graph.outputs, header["outputs"], "output")

    def _match(self, specs: tuple[TensorSpec, ...], shapes: dict[str, list[int]], kind: str) -> list[str]:
        """Return the file's names of the manifest's tensors; shapes must agree."""
        ordered = sorted(shapes, key=lambda name: (len(name), name))
        names = [ordered[at] for at in by_name_or_order(specs, ordered) if at < len(ordered)]
        require_match(self._path, specs, {s.name: shapes[n] for s, n in zip(specs, names, strict=False)}, kind)
        return names

    def __call__(self, feeds: engines.Arrays) -> dict[str, NDArray[Any]]:
        """Send the inputs, wait for the outputs."""
        arrays = checked(feeds, self._graph)
        try:
            _worker.send(cast("Any", self._worker.stdin), {}, dict(zip(self._inputs, arrays, strict=True)))
        except OSError:
            self._crashed("run")
        _, results = self._answer("run")
        pairs = zip(self._graph.outputs, self._outputs, strict=True)
        return {spec.name: results[name].astype(np.float32, copy=False) for spec, name in pairs}

    def _answer(self, step: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read one message; an error or the worker's end becomes a sentence."""
        try:
            message = _worker.receive(cast("Any", self._worker.stdout))
        except (EOFError, ValueError):
            message = None
        if message is None:
            self._crashed(step)
        header, arrays = cast("tuple[dict[str, Any], dict[str, Any]]", message)
        if "error" in header:
            raise NotVerifiedError(
                f"{self._name} does not {step} {self._path}: {header['error']}",
                "an app with this runtime would fail too; export or quantize the model another way for it",
            )
        return header, arrays

    def _crashed(self, step: str) -> None:
        """Say how the worker ended and what it printed last."""
        code = self._worker.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else "no message"
        raise NotVerifiedError(
            f"{self._name} ended with code {code} while it should {step} {self._path}: {said}",
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
