"""Evaluate an ML program with numpy: what the ``.mlpackage`` computes, on a system that cannot run Core ML.

Every operation is computed in float32 and rounded to the type that the program declares for its result. It is a
reference for the numbers, not an imitation of a device: the Neural Engine and the GPU may keep other intermediate
precisions, and no time measured here means anything for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder.errors import BadArtifactError, ViewfinderError
from viewfinder.runtime.coreml import program, registry
from viewfinder.runtime.coreml.package import Package
from viewfinder.runtime.coreml.program import Constant, Operation, Tensor
from viewfinder.runtime.coreml.registry import Array, Kernel, Node
from viewfinder.runtime.coreml.values import held, rounded

_AGAIN = "the package is damaged, or uses a form that is not known here: export it again, or verify it on macOS"

Watcher = Callable[[str, Array], None]


@dataclass(frozen=True)
class _Step:
    """One operation, ready to run. ``done`` lists the tensors that nothing reads afterwards."""

    type: str
    kernel: Kernel
    exact: bool
    constants: Mapping[str, Any]
    variables: tuple[tuple[str, str], ...]
    lists: tuple[tuple[str, tuple[Any, ...]], ...]
    outputs: tuple[Tensor, ...]
    done: tuple[str, ...]

    def __call__(self, tensors: dict[str, Array]) -> list[Array]:
        """Compute the outputs from the tensors at hand."""
        inputs = dict(self.constants)
        for key, name in self.variables:
            inputs[key] = tensors[name]
        for key, values in self.lists:
            inputs[key] = [tensors[value] if isinstance(value, str) else value for value in values]
        result = self.kernel(inputs)
        found = result if isinstance(result, list) else [result]
        if self.exact:
            return [held(array, tensor.dtype) for array, tensor in zip(found, self.outputs, strict=True)]
        return [rounded(array, tensor.dtype) for array, tensor in zip(found, self.outputs, strict=True)]


@dataclass(frozen=True)
class Described:
    """An operation that runs, for those who only look.

    Attributes:
        kind: as in the program, e.g. ``conv``.
        inputs: names of the tensors that it reads, constants left out.
        weight: shape of its weights, () without.
    """

    kind: str
    output: Tensor
    inputs: tuple[str, ...]
    weight: tuple[int, ...]


class Evaluator:
    """An ML program, planned once: constants folded, dead tensors freed as soon as nothing reads them."""

    def __init__(self, folder: Path) -> None:
        """Read and plan the program.

        Raises:
            BadArtifactError: the package is damaged.
            NotVerifiedError: an operation is unknown; the message names it.
        """
        self.folder = folder
        function = program.load(Package(folder))
        self.inputs, self.output_names = function.inputs, function.outputs
        self.operations = Counter(operation.type for operation in function.operations if operation.type != "const")
        self._constants: dict[str, Any] = {}
        try:
            self._steps = self._plan(function.operations)
            self._check_outputs()
        except ViewfinderError:
            raise
        except Exception as error:  # a damaged constant can upset a builder in any way
            raise BadArtifactError(f"{folder} cannot be planned: {type(error).__name__} {error}", _AGAIN) from error

    def described(self) -> tuple[Described, ...]:
        """List the operations that run, in their order, each by its first output."""
        return tuple(
            Described(
                step.type,
                step.outputs[0],
                (*(name for _, name in step.variables), *_names(step.lists)),
                np.shape(step.constants.get("weight", ())) if "weight" in step.constants else (),
            )
            for step in self._steps
            if step.outputs
        )

    def _check_outputs(self) -> None:
        """Refuse a program whose outputs nothing computes."""
        made = {tensor.name for step in self._steps for tensor in step.outputs}
        missing = set(self.output_names) - made - {tensor.name for tensor in self.inputs} - set(self._constants)
        if missing:
            raise BadArtifactError(f"{self.folder} never computes its output {', '.join(sorted(missing))}", _AGAIN)

    def _plan(self, operations: Iterable[Operation]) -> list[_Step]:
        """Fold what is constant and make a step of everything else."""
        pending = []
        for operation in operations:
            if operation.type == "const":
                self._constants[operation.name] = operation.attributes["val"].value
                continue
            step = self._step(operation)
            if step.variables or step.lists:
                pending.append(step)
            else:
                self._fold(step)
        return self._with_lifetimes(pending)

    def _step(self, operation: Operation) -> _Step:
        """Sort the inputs of an operation into constants and variables, and build its kernel."""
        constants: dict[str, Any] = {key: item.value for key, item in operation.attributes.items()}
        variables, lists = [], []
        for key, bound in operation.inputs.items():
            values = [self._resolve(item) for item in bound]
            names = [isinstance(value, _Variable) for value in values]
            plain = tuple(value.name if isinstance(value, _Variable) else value for value in values)
            if key == "values" or len(values) > 1:
                (lists.append((key, plain)) if any(names) else constants.update({key: list(plain)}))
            elif names and names[0]:
                variables.append((key, plain[0]))
            elif values:
                constants[key] = plain[0]
        kernel, exact = registry.build(Node(operation.type, constants, operation.outputs))
        return _Step(operation.type, kernel, exact, constants, tuple(variables), tuple(lists), operation.outputs, ())

    def _resolve(self, item: str | Constant) -> Any:
        """Return the value of a constant, or the name of a tensor that is computed."""
        if isinstance(item, Constant):
            return item.value
        return self._constants[item] if item in self._constants else _Variable(item)

    def _fold(self, step: _Step) -> None:
        """Compute an operation on constants now."""
        with self._explained(step):
            for tensor, array in zip(step.outputs, step({}), strict=True):
                self._constants[tensor.name] = array

    def _with_lifetimes(self, steps: list[_Step]) -> list[_Step]:
        """Note after which step each tensor is read for the last time."""
        last = {}
        for position, step in enumerate(steps):
            made = [tensor.name for tensor in step.outputs]
            for name in [*(name for _, name in step.variables), *_names(step.lists), *made]:
                last[name] = position
        keep = set(self.output_names)
        ending: dict[int, list[str]] = {}
        for name, position in last.items():
            if name not in keep:
                ending.setdefault(position, []).append(name)
        return [_Step(**{**vars(step), "done": tuple(ending.get(position, ()))}) for position, step in enumerate(steps)]

    def __call__(self, feeds: Mapping[str, Array], watch: Watcher | None = None) -> dict[str, Array]:
        """Compute the outputs, float32 by name; `feeds` has every input, in any float type.

        `watch` is shown every input and every tensor that is computed, by name.
        """
        tensors = {}
        for tensor in self.inputs:
            tensors[tensor.name] = rounded(np.asarray(feeds[tensor.name]), tensor.dtype)
            if watch is not None:
                watch(tensor.name, tensors[tensor.name])
        with np.errstate(all="ignore"):
            for step in self._steps:
                self._run(step, tensors, watch)
        outputs = {name: tensors[name] if name in tensors else self._constants[name] for name in self.output_names}
        # A copy: an output may be a view of an input or of a constant.
        return {name: np.array(array, np.float32, order="C") for name, array in outputs.items()}

    def _run(self, step: _Step, tensors: dict[str, Array], watch: Watcher | None) -> None:
        """Compute one step and forget what it read last."""
        with self._explained(step):
            for tensor, array in zip(step.outputs, step(tensors), strict=True):
                if len(tensor.shape) != array.ndim or any(
                    want not in (-1, have) for want, have in zip(tensor.shape, array.shape, strict=True)
                ):
                    raise ValueError(f"the result has the shape {array.shape}, the program declares {tensor.shape}")
                tensors[tensor.name] = array
                if watch is not None:
                    watch(tensor.name, array)
        for name in step.done:
            tensors.pop(name, None)

    def _explained(self, step: _Step) -> _Explained:
        """Name the operation when its kernel fails."""
        return _Explained(self.folder, step)


@dataclass(frozen=True)
class _Variable:
    """The name of a tensor that is computed, as opposed to a constant text."""

    name: str


def _names(lists: Iterable[tuple[str, tuple[Any, ...]]]) -> list[str]:
    """Return the names of tensors in lists of inputs."""
    return [value for _, values in lists for value in values if isinstance(value, str)]


class _Explained:
    """Turns a kernel's complaint into a sentence that names package and operation."""

    def __init__(self, folder: Path, step: _Step) -> None:
        """Remember what runs."""
        self.folder, self.step = folder, step

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Let errors of our own pass, explain the others."""
        if isinstance(error, ViewfinderError) or not isinstance(error, Exception):
            return
        name = self.step.outputs[0].name if self.step.outputs else ""
        raise BadArtifactError(
            f"{self.folder}: op {self.step.type} ({name}) cannot be computed: {error}",
            _AGAIN,
        ) from error
