"""Lengths of time as people write them."""

from __future__ import annotations

import re

from viewfinder.errors import UsageError

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_FORM = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?")


def seconds(text: str) -> float:
    """Read ``10m``, ``1h30m``, ``45s`` or ``45`` as seconds.

    Raises:
        UsageError: it is no length of time, or nought.
    """
    found = _FORM.fullmatch(text.strip())
    total = sum(float(found[unit] or 0) * size for unit, size in _SECONDS.items()) if found else 0.0
    if not 0 < total < float("inf"):
        raise UsageError(f"{text!r} is no length of time", "write 10m, 45s or 1h30m")
    return total
