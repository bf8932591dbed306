"""Operations that the reference evaluator knows: one small file per family in ``ops/``.

A family's file registers builders. A builder reads the constants of one operation once and returns its kernel; a
kernel turns the inputs of one call into the output (or the list of outputs). Kernels compute in float32; the
evaluator rounds what they return to the declared type, except for operations marked ``exact``, which only move,
select or compare values that are representable already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import NotVerifiedError
from viewfinder.runtime.coreml.program import Tensor

Array: TypeAlias = NDArray[Any]
Inputs: TypeAlias = Mapping[str, Any]
Kernel: TypeAlias = Callable[[Inputs], "Array | list[Array]"]

_HINT = "the reference evaluator does not know it; verify this artifact on macOS, or lower the operation at export"


@dataclass(frozen=True)
class Node:
    """One operation as a builder sees it: its type, its constant inputs and what it promises to return."""

    type: str
    constants: Inputs
    outputs: tuple[Tensor, ...]

    def has(self, key: str) -> bool:
        """Tell whether the input is a constant of this operation."""
        return key in self.constants

    def value(self, key: str, default: Any = None) -> Any:
        """Return a constant as Python data: a number, a text, or a list."""
        if key not in self.constants:
            return default
        found = self.constants[key]
        return found.tolist() if isinstance(found, np.ndarray) else found

    def refuse(self, what: str) -> NotVerifiedError:
        """Return the error for a form of a known operation that is not evaluated."""
        return NotVerifiedError(f"not-run: op {self.type} ({what})", _HINT)


@dataclass(frozen=True)
class _Entry:
    """A builder, and whether its results need no rounding."""

    build: Callable[[Node], Kernel]
    exact: bool


_ENTRIES: dict[str, _Entry] = {}


def op(*names: str, exact: bool = False) -> Callable[[Callable[[Node], Kernel]], Callable[[Node], Kernel]]:
    """Register a builder under the names of operations."""

    def register(build: Callable[[Node], Kernel]) -> Callable[[Node], Kernel]:
        """Put the builder into the table."""
        _ENTRIES.update({name: _Entry(build, exact) for name in names})
        return build

    return register


def kernel(*names: str, exact: bool = False) -> Callable[[Kernel], Kernel]:
    """Register one kernel for operations whose constants need no preparation."""

    def register(run: Kernel) -> Kernel:
        """Put the kernel into the table."""
        op(*names, exact=exact)(lambda _: run)
        return run

    return register


def simple(name: str, function: Callable[..., Any], *keys: str, exact: bool = False) -> None:
    """Register an operation that is one numpy function of its inputs `keys`."""
    kernel(name, exact=exact)(lambda inputs: function(*[inputs[key] for key in keys]))


@cache
def _load_families() -> None:
    """Import every file of ``ops/`` once."""
    from viewfinder.runtime.coreml import ops

    for module in iter_modules(ops.__path__):
        import_module(f"{ops.__name__}.{module.name}")


def known() -> list[str]:
    """List the operations, sorted."""
    _load_families()
    return sorted(_ENTRIES)


def build(node: Node) -> tuple[Kernel, bool]:
    """Return the kernel of an operation, and whether its results need no rounding.

    Raises:
        NotVerifiedError: the operation is unknown.
    """
    _load_families()
    if node.type not in _ENTRIES:
        raise NotVerifiedError(f"not-run: op {node.type}", _HINT)
    entry = _ENTRIES[node.type]
    return entry.build(node), entry.exact
