"""ExecuTorch: the program names the operators it calls itself and the delegates that took the rest whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from viewfinder.errors import BadArtifactError, MissingToolError
from viewfinder.runtime.graphs import Contents, Tensor

SUFFIX = ".pte"
IDENTIFIER = b"ET"


def read(path: Path) -> Contents:
    """Read the first method of a ``.pte`` program; what is inside a delegate's own blob is not looked into."""
    data = path.read_bytes()
    if data[4:6] != IDENTIFIER:
        raise BadArtifactError(f"{path} does not begin like an ExecuTorch program", "export the model again")
    try:
        from executorch.exir._serialize._program import deserialize_pte_binary
    except ImportError as error:
        raise MissingToolError("the package executorch is not installed", "python -m pip install executorch") from error
    program = deserialize_pte_binary(data).program
    plan = program.execution_plan[0]
    operators = Counter(_calls(plan))
    kernels = {name: number for name, number in operators.items() if not name.startswith("delegate:")}
    transposes = sum(number for name, number in kernels.items() if "permute" in name or "transpose" in name)
    delegates = [delegate.id for delegate in plan.delegates]
    return Contents(
        inputs=tuple(_tensor(plan, index, f"input_{place}") for place, index in enumerate(plan.inputs)),
        outputs=tuple(_tensor(plan, index, f"output_{place}") for place, index in enumerate(plan.outputs)),
        operators=dict(operators.most_common()),
        macs=None,
        transposes=None if delegates else transposes,
        weights_bytes=None,
        notes={"method": plan.name, "delegates": delegates, "not_delegated": kernels},
    )


def _calls(plan: Any) -> Iterator[str]:
    """Name what every instruction calls; jumps, moves and frees call nothing."""
    for chain in plan.chains:
        for instruction in chain.instructions:
            call = instruction.instr_args
            if hasattr(call, "op_index"):
                yield plan.operators[call.op_index].name
            elif hasattr(call, "delegate_index"):
                yield f"delegate:{plan.delegates[call.delegate_index].id}"


def _tensor(plan: Any, index: int, name: str) -> Tensor:
    """Describe a value of the plan; programs keep no names."""
    value = plan.values[index].val
    kind = type(value).__name__
    if kind != "Tensor":
        return Tensor(name, (), kind.lower())
    return Tensor(name, tuple(int(size) for size in value.sizes), value.scalar_type.name.lower())
