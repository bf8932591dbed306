"""What the timings of a Linux board depend on: clocks, temperatures, load, and what a Raspberry Pi says of its supply.

Everything here is the board's own word and is read as such: a number that is none is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from viewfinder.devices import _clocks

PROTOCOL = 1
_ZONE = "/sys/class/thermal/thermal_zone"
ASK = (
    f"echo @cpus; {_clocks.ASK}; echo @zones; for z in {_ZONE}[0-9] {_ZONE}[0-9][0-9]; do "
    'test -r $z/temp && echo "${z##*zone} $(cat $z/temp)"; done; echo @load; cat /proc/loadavg; '
    "echo @cores; nproc; echo @firmware; command -v vcgencmd >/dev/null && vcgencmd get_throttled; true"
)
FIRMWARE = ("its voltage is too low", "its clock is capped", "it is throttled", "it is at its soft temperature limit")
"""The lowest bits of ``vcgencmd get_throttled``, as Raspberry Pi documents them; higher ones tell of the past."""


def parsed(text: str) -> dict[str, Any]:
    """Read what a board prints about its state, of the line `ASK`.

    Returns:
        ``cores``, ``load_average`` of the last minute, by zone ``temperature_mc``, by core ``governor``,
        ``frequencies_khz`` and ``most_khz``, and ``firmware``, sentences on a Raspberry Pi. What the board does not
        tell is None or empty.
    """
    parts = re.split(r"^@(cpus|zones|load|cores|firmware)$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=False))
    zones = re.findall(r"^(\d{1,2}) (-?\d{1,7})$", sections.get("zones", ""), flags=re.MULTILINE)
    load = re.match(r"\s*(\d{1,5}\.\d{1,2}) ", sections.get("load", ""))
    cores = re.fullmatch(r"\s*(\d{1,4})\s*", sections.get("cores", ""))
    bits = re.search(r"^throttled=0x([0-9a-fA-F]{1,8})$", sections.get("firmware", ""), flags=re.MULTILINE)
    told = int(bits[1], 16) if bits else 0
    return {
        "protocol": PROTOCOL,
        "cores": list(range(int(cores[1]))) if cores else [],
        "load_average": float(load[1]) if load else None,
        "temperature_mc": {zone: int(value) for zone, value in zones},
        "firmware": [text for bit, text in enumerate(FIRMWARE) if told >> bit & 1],
        **_clocks.parsed(sections.get("cpus", "")),
    }


def throttled(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return why a run does not show what the board can do, or ""."""
    reasons = [
        f"the firmware says {when} the run: {text}"
        for state, when in ((before, "before"), (after, "after"))
        for text in state["firmware"]
    ]
    if lowered := _clocks.lowered(before, after):
        reasons.append(f"the highest clock was lowered of {lowered}")
    return "; ".join(reasons)
