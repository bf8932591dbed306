"""Runs a Core AI model in the toolchain's Python: ``SCRIPT WORKER coreai MODEL THREADS``.

It answers as `_worker` does, whose file is the first word: neither file may import anything of ours by name.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from typing import Any

MAIN = "main"
"""The function that the converter writes."""


class Coreai:
    """A model in the interpreter that coreai-core has for systems without Core AI."""

    def __init__(self, _module: str, path: str, _threads: int) -> None:
        """Lower and load it; the interpreter chooses its threads itself."""
        from coreai.authoring.asset import AIModelAsset

        self._loop = asyncio.new_event_loop()
        try:
            self._opened = AIModelAsset.load(path).executable()
            model = self._loop.run_until_complete(self._opened.__aenter__())  # the lowered files live as long
            self._function = model.load_function(MAIN)
        except Exception as error:  # its exceptions share no base class but this one
            raise RuntimeError(str(error)) from error
        if self._function is None:
            raise RuntimeError(f"it has no function {MAIN!r}")
        self._arrays: dict[str, Any] = {}
        self._results: dict[str, Any] = {}

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        described = self._function.desc
        sides = (
            (described.input_names, described.input_descriptor),
            (described.output_names, described.output_descriptor),
        )
        return [{name: [int(one) for one in describe(name).shape] for name in names} for names, describe in sides]

    def set(self, arrays: dict[str, Any]) -> None:
        """Keep the inputs."""
        from coreai.runtime import NDArray

        self._arrays = {name: NDArray(array) for name, array in arrays.items()}

    def invoke(self) -> None:
        """Compute."""
        try:
            self._results = self._loop.run_until_complete(self._function(inputs=self._arrays))
        except Exception as error:  # as above
            raise RuntimeError(str(error)) from error

    def results(self) -> dict[str, Any]:
        """Copy the outputs out."""
        return {name: one.numpy().copy() for name, one in self._results.items()}


def main(worker_path: str, words: list[str]) -> None:
    """Answer until the pipe ends."""
    found = importlib.util.spec_from_file_location("viewfinder_worker", worker_path)
    if found is None or found.loader is None:
        sys.exit(f"{worker_path} is no module")
    worker: Any = importlib.util.module_from_spec(found)
    sys.modules[found.name] = worker
    found.loader.exec_module(worker)
    worker.MODELS["coreai"] = Coreai
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker.main(words[0], words[1], int(words[2]), pipe)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
