"""The clocks of a Linux or Android device, as its kernel tells them in a shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CPU = "/sys/devices/system/cpu/cpu"
ASK = (
    f"for c in {_CPU}[0-9] {_CPU}[0-9][0-9]; do for f in scaling_cur_freq scaling_max_freq scaling_governor; do "
    'test -r $c/cpufreq/$f && echo "${c##*cpu} $f $(cat $c/cpufreq/$f)"; done; done'
)
"""A line for the device's shell; `parsed` reads what it prints."""
_KEYS = {"scaling_cur_freq": "frequencies_khz", "scaling_max_freq": "most_khz", "scaling_governor": "governor"}


def parsed(text: str) -> dict[str, dict[str, Any]]:
    """Return by core ``frequencies_khz``, ``most_khz`` and ``governor``; what is no number is not there."""
    found: dict[str, dict[str, Any]] = {key: {} for key in _KEYS.values()}
    for core, file, value in re.findall(r"^(\d{1,3}) (scaling_\w+) (\w{1,32})$", text, flags=re.MULTILINE):
        if file == "scaling_governor":
            found["governor"][core] = value
        elif file in _KEYS and value.isdecimal():
            found[_KEYS[file]][core] = int(value)
    return found


def lowered(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Name the cores whose highest clock was lowered between two states; "" if there is none."""
    most = after.get("most_khz", {})
    caps = [(core, khz, most.get(core, khz)) for core, khz in before.get("most_khz", {}).items()]
    return ", ".join(
        f"core {core} from {1e-3 * was:.0f} to {1e-3 * now:.0f} MHz" for core, was, now in caps if now < was
    )
