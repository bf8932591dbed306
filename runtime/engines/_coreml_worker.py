"""Runs a Core ML package in a Mac's own Python with coremltools.

`_worker.learn` loads this file, which may import nothing of ours. With the timings comes Core ML's
plan: the compute unit that it prefers for each operation, and its estimate of the cost.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Any


class Coreml:
    """A package in Core ML, on every compute unit that Core ML likes."""

    def __init__(self, _module: str, path: str, _threads: int) -> None:
        """Compile and load it; Core ML chooses its threads itself."""
        import coremltools

        try:
            self._model = coremltools.models.MLModel(path)
        except Exception as error:  # its exceptions share no base class but this one
            raise RuntimeError(str(error)) from error
        description = self._model.get_spec().description
        self._inputs, self._outputs = (
            {item.name: [int(side) for side in item.type.multiArrayType.shape] for item in side}
            for side in (description.input, description.output)
        )
        self._arrays: dict[str, Any] = {}
        self._results: dict[str, Any] = {}

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        return [self._inputs, self._outputs]

    def set(self, arrays: dict[str, Any]) -> None:
        """Keep the inputs."""
        self._arrays = arrays

    def invoke(self) -> None:
        """Predict."""
        try:
            self._results = self._model.predict(self._arrays)
        except Exception as error:  # as above
            raise RuntimeError(str(error)) from error

    def results(self) -> dict[str, Any]:
        """Return the outputs; Core ML may leave the shape of one out of its description."""
        return {name: self._results[name] for name in self._outputs}

    def plan(self) -> list[dict[str, Any]]:
        """Return the plan of the main function: operator, compute unit and share of the cost of each operation."""
        from coremltools.models.compute_plan import MLComputePlan

        found = MLComputePlan.load_from_path(self._model.get_compiled_model_path())
        program = found.model_structure.program
        operations = [] if program is None else program.functions["main"].block.operations
        planned = []
        for one in operations:
            usage = found.get_compute_device_usage_for_mlprogram_operation(one)
            cost = found.get_estimated_cost_for_mlprogram_operation(one)
            if usage is not None:  # constants are placed nowhere
                unit = type(usage.preferred_compute_device).__name__
                planned.append({"op": one.operator_name, "unit": unit, "cost": None if cost is None else cost.weight})
        return planned


def memory_bytes(_name: str) -> int:
    """Return the largest resident size so far: macOS tells it in bytes, and has no ``/proc`` for the size now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def planned(model: Coreml) -> list[dict[str, Any]]:
    """Return the plan, or nothing where macOS is older than 14.4 and makes none."""
    with suppress(Exception):
        return model.plan()
    return []


def extend(worker: Any) -> None:
    """Add this runtime to a worker's, and the plan to its timings."""
    worker.MODELS["coremltools"] = Coreml
    worker.memory_bytes, measured = memory_bytes, worker.timed
    worker.timed = lambda model, schedule: {**measured(model, schedule), "plan": planned(model)}
