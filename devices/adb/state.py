"""What a phone's timings depend on: heat, battery, frequencies, and the mode in which Android holds its clocks.

Everything here is a phone's own word and is read as such: a number that is none is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from viewfinder.devices import _clocks
from viewfinder.devices.adb import shell
from viewfinder.devices.adb.server import shown
from viewfinder.errors import ViewfinderError

THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
"""Android's ``PowerManager.THERMAL_STATUS_*``, from 0."""
CHARGING = {1: "unknown", 2: "charging", 3: "discharging", 4: "not charging", 5: "full"}
"""Android's ``BatteryManager.BATTERY_STATUS_*``."""
PROTOCOL = 1
_PROPERTIES = {
    "model": "ro.product.model",
    "maker": "ro.product.manufacturer",
    "soc": "ro.soc.model",
    "board": "ro.board.platform",
    "android": "ro.build.version.release",
    "build": "ro.build.fingerprint",
    "abis": "ro.product.cpu.abilist",
    "booted": "sys.boot_completed",
}
_ASK = (
    "echo @thermal; dumpsys thermalservice 2>/dev/null; echo @battery; dumpsys battery 2>/dev/null; echo @cpus; "
    f"{_clocks.ASK}"
)
_FIXED = "cmd power set-fixed-performance-mode-enabled"


def properties(serial: str) -> dict[str, str]:
    """Ask a phone for its properties; those that it does not have are ""."""
    line = "; ".join(f"echo {key}=$(getprop {name})" for key, name in _PROPERTIES.items())
    told = dict(one.partition("=")[::2] for one in shell.ask(serial, line).splitlines() if "=" in one)
    return {key: shown(told.get(key, "").strip()) for key in _PROPERTIES}


def read(serial: str) -> dict[str, Any]:
    """Ask a phone for its state; see `parsed`."""
    return parsed(shell.ask(serial, _ASK))


def parsed(text: str) -> dict[str, Any]:
    """Read what a phone prints about its state.

    Returns:
        ``thermal_status`` (0 is cool) with its word, ``battery_percent``, ``battery_c``, ``charging``, by core
        ``frequencies_khz``, ``most_khz`` and ``governor``. What the phone does not tell is None, or not there.
    """
    parts = re.split(r"^@(thermal|battery|cpus)$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=False))
    battery = sections.get("battery", "")
    thermal = _number(r"^\s*Thermal Status:\s*(\d{1,2})\s*$", sections.get("thermal", ""))
    tenths, status = (
        _number(r"^\s*temperature:\s*(-?\d{1,5})\s*$", battery),
        _number(r"^\s*status:\s*(\d)\s*$", battery),
    )
    powered = re.findall(r"^\s*(AC|USB|Wireless|Dock) powered:\s*true\s*$", battery, flags=re.MULTILINE)
    return {
        "protocol": PROTOCOL,
        "thermal_status": thermal,
        "thermal": THERMAL[thermal] if thermal is not None and thermal < len(THERMAL) else "unknown",
        "battery_percent": _number(r"^\s*level:\s*(\d{1,3})\s*$", battery),
        "battery_c": None if tenths is None else tenths / 10,
        "charging": CHARGING.get(status or 0, "unknown"),
        "powered_by": sorted(powered),
        **_clocks.parsed(sections.get("cpus", "")),
    }


def _number(pattern: str, text: str) -> int | None:
    """Return the number in the first line that fits."""
    found = re.search(pattern, text, flags=re.MULTILINE)
    return int(found[1]) if found else None


def throttled(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return why a run does not show what the phone can do, or ""."""
    reasons = []
    for state, when in ((before, "before"), (after, "after")):
        if (state.get("thermal_status") or 0) > 0:
            reasons.append(f"its thermal status was {state['thermal']!r} {when} the run")
    if lowered := _clocks.lowered(before, after):
        reasons.append(f"Android lowered the highest clock of {lowered}")
    return "; ".join(reasons)


@contextmanager
def fixed_performance(serial: str) -> Iterator[str]:
    """Have Android hold the clocks as long as the block lasts; yield ``on``, or why it does not.

    The mode came with Android 11; it fixes CPU and GPU clocks, neither temperature nor the choice of cores.
    """
    # A number and not the words: what the command prints differs between versions.
    said = shell.ask(serial, f"{_FIXED} true >/dev/null 2>&1; echo $?").strip()
    on = said == "0"
    try:
        yield "on" if on else "not supported by this phone"
    finally:
        if on:
            with suppress(ViewfinderError):  # a phone that has gone restarts without the mode
                shell.ask(serial, f"{_FIXED} false >/dev/null 2>&1")
