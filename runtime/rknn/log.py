"""What rknn-toolkit2's compiler prints: who takes which operator, and what it could not write into its file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

_ROW = re.compile(r"RKNN: \[[\d:.]+\] \d+ +(?P<kind>\w+) +\w+ +(?P<where>NPU|CPU|GPU) +", re.MULTILINE)
_ERROR = re.compile(r"^E (?:RKNN: \[[\d:.]+\] ?)?(?P<what>.*)$", re.MULTILINE)
_ENDS = frozenset({"InputOperator", "OutputOperator"})
_MOST = 3
"""Errors that a reason quotes."""


@dataclass(frozen=True)
class Built:
    """One graph.

    Attributes:
        on_npu: operators that the NPU takes.
        on_cpu: the others by type.
        errors: what the compiler complained about, each once. It goes on, says 0, and writes a file all the same.
    """

    on_npu: int
    on_cpu: Mapping[str, int]
    errors: tuple[str, ...]


def read(text: str) -> Built:
    """Read a log."""
    rows = [(one["kind"], one["where"]) for one in _ROW.finditer(text) if one["kind"] not in _ENDS]
    errors = tuple(dict.fromkeys(one["what"].strip() for one in _ERROR.finditer(text)))
    left = Counter(kind for kind, where in rows if where != "NPU")
    return Built(len(rows) - left.total(), dict(left), errors[:_MOST])
