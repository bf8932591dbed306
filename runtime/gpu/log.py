"""What LiteRT's GPU accelerator prints: who takes which operator, on which driver, and which shaders were refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

from viewfinder.runtime.htp.compiler import Refused

_DRIVER = re.compile(r"Selected adapter: (?P<driver>[^,\n]+(?:, [^,\n=]+)*?), arch=")
_REFUSED = re.compile(r"not supported by GPU delegate:\n(?P<lines>(?:[A-Z0-9_]+: .*\n)+)")
_SHARES = re.compile(r"(?P<gpu>\d+) operations will run on the GPU, and the remaining (?P<cpu>\d+) operations")
_INVALID = re.compile(r"(?:Validation error|Uncaptured error|Device lost): (?P<what>.*)")
_MOST = 3
"""Errors of shaders that a reason quotes."""


@dataclass(frozen=True)
class Said:
    """One file's part of the log, or what another runtime says in its place.

    Attributes:
        driver: its name, as ``llvmpipe (LLVM 15.0.6, 256 bits)``; "" if none was chosen.
        fallen: operators that would run on the CPU; those that the accelerator names, and the rest of them by number,
            because it takes one piece of the graph and leaves what lies behind.
        on_cpu: how many they are.
        errors: what the driver found wrong with the generated shaders. A run goes on without them and gives garbage.
        on_gpu: how many operators it takes, where that is known.
    """

    driver: str
    fallen: tuple[Refused, ...]
    on_cpu: int
    errors: tuple[str, ...]
    on_gpu: int = 0


def read(text: str) -> Said:
    """Read a log."""
    driver, shares = _DRIVER.search(text), _SHARES.search(text)
    named = {line for found in _REFUSED.finditer(text) for line in found["lines"].splitlines()}
    fallen = tuple(
        Refused(operator, "any of them", why) for operator, _, why in (line.partition(": ") for line in sorted(named))
    )
    errors = tuple(dict.fromkeys(one["what"].strip() for one in _INVALID.finditer(text)))
    on_cpu = int(shares["cpu"]) if shares else len(fallen)
    return Said(driver["driver"] if driver else "", fallen, on_cpu, errors[:_MOST])
