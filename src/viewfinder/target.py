"""Where an artifact runs: ``FORMAT[+DELEGATE][@DEVICE[:DETAIL]]``, as ``tflite+xnnpack@arm64:cortex-a76``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from viewfinder.errors import UsageError

HOST = "host"
DELEGATES: Mapping[str, str] = MappingProxyType({"tflite": "xnnpack", "onnx": "cpu"})
"""The one delegate (ONNX calls it an execution provider) that each format runs through so far."""
OLD_RUNTIME = "tflite-runtime"
"""In a delegate's place: the last release of the old TFLite runtime, with its own XNNPACK, on emulated boards."""
_FORM = re.compile(r"(?P<format>[a-z]+)(\+(?P<delegate>[a-z0-9-]+))?(@(?P<device>[^@].*))?")


@dataclass(frozen=True)
class Target:
    """A runtime on a device.

    Attributes:
        delegate: "" for formats that have none.
        device: as `viewfinder devices` lists it.
    """

    format: str
    delegate: str
    device: str = HOST

    def __str__(self) -> str:
        """Write it as on the command line."""
        return f"{self.format}{'+' if self.delegate else ''}{self.delegate}@{self.device}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target; what is left out is the format's own delegate, and the host.

        Raises:
            UsageError: it is no target, or the delegate is unknown.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise UsageError(
                f"{text!r} is no target",
                "write FORMAT+DELEGATE@DEVICE, as tflite+xnnpack@arm64:cortex-a76; `viewfinder devices` lists devices",
                code="no-such-target",
            )
        own = DELEGATES.get(found["format"], "")
        delegate = found["delegate"] or own
        is_old = delegate == OLD_RUNTIME and found["format"] == "tflite" and (found["device"] or "").startswith("arm64")
        if delegate != own and not is_old:
            known = ", ".join(f"{name}+{one}" for name, one in DELEGATES.items())
            raise UsageError(
                f"{found['format']} does not run through {delegate!r} here",
                f"known are: {known}",
                code="no-such-target",
            )
        return cls(found["format"], delegate, found["device"] or HOST)
