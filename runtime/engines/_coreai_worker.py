"""Runs a Core AI model in the toolchain's Python; `_worker.learn` loads this file, which may import nothing of ours."""

from __future__ import annotations

import asyncio
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


def extend(worker: Any) -> None:
    """Add this runtime to a worker's."""
    worker.MODELS["coreai"] = Coreai
