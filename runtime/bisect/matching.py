"""Which operator of one graph is which of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from viewfinder.runtime.bisect import Op


def pairs(own: Sequence[Op], other: Sequence[Op]) -> list[tuple[Op, Op]]:
    """Pair the operators of the float graph with those of the other, in float's order.

    By the name of what they make, where both have it in one shape; what is left, by kind and shape in the order of the
    files, so that a converter that renames tensors does not hide them.
    """
    by_name = {op.output: op for op in other}
    found = {op.output: by_name[op.output] for op in own if _fits(op, by_name.get(op.output))}
    taken = {op.output for op in found.values()}
    left, right = [op for op in own if op.output not in found], [op for op in other if op.output not in taken]
    found |= _aligned(left, right)
    return [(op, found[op.output]) for op in own if op.output in found]


def _fits(op: Op, candidate: Op | None) -> bool:
    """Tell whether a candidate makes a tensor of the same shape."""
    return candidate is not None and candidate.shape == op.shape


def _aligned(left: Sequence[Op], right: Sequence[Op]) -> dict[str, Op]:
    """Align two lists of operators by kind and shape."""
    own, other = ([(op.kind, op.shape) for op in ops] for ops in (left, right))
    blocks = SequenceMatcher(a=own, b=other, autojunk=False).get_matching_blocks()
    return {left[a + i].output: right[b + i] for a, b, size in blocks for i in range(size)}


def nearest(inputs: Sequence[str], ops: Mapping[str, Op], known: Mapping[str, float]) -> float | None:
    """Return the least of `known` among the inputs; one that is unknown stands for its own inputs.

    None where every path leads to the graph's own inputs.
    """
    found: list[float] = []
    waiting, seen = list(inputs), set[str]()
    while waiting:
        name = waiting.pop()
        if name in known:
            found.append(known[name])
        elif name in ops and name not in seen:
            seen.add(name)
            waiting += ops[name].inputs
    return min(found, default=None)
