"""A compiled file: an ONNX file with one ``EPContext`` node that holds Qualcomm's binary, made for one processor.

The emulator runs a binary of any processor, whichever one it is told, so nobody else would notice the wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder import presets
from viewfinder.errors import BadArtifactError

COMPATIBILITY = "ep_compatibility_info.QNNExecutionProvider"
_FACTS = re.compile(r"v2:\d+:(?P<sdk>[\d.]+):[\d.]+:(?P<arch>\d{1,3}):(?P<soc>\d{1,4})(:\d+)*")
"""Format version, backend, version of the SDK, of its library, architecture, number of the processor, further ones."""
_COMPILED = "com.microsoft.EPContext"
_AGAIN = "compile the ONNX artifact again with `viewfinder compile`"


@dataclass(frozen=True)
class Binary:
    """What a compiled file says about itself.

    Attributes:
        sdk: version of Qualcomm's SDK.
        htp_arch: generation of the NPU.
        soc_model: number of the processor in Qualcomm's compiler.
        size_bytes: of Qualcomm's binary inside the file.
    """

    sdk: str
    htp_arch: int
    soc_model: int
    size_bytes: int

    @property
    def processor(self) -> str:
        """Name the processor that it was made for."""
        known = presets.of_soc(self.soc_model)
        return known.name if known else f"soc_model {self.soc_model} (v{self.htp_arch})"


def read(path: Path, *, mixed: bool = False) -> Binary:
    """Look into a compiled file; a `mixed` one may hold operators for the CPU between compiled pieces.

    Raises:
        BadArtifactError: it is no such file, holds other nodes too, or points to a file elsewhere.
    """
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's exceptions share no base class but this one
        raise BadArtifactError(f"{path} is no ONNX file", _AGAIN) from error
    node = _main_node(path, model, mixed=mixed)
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    found = _FACTS.fullmatch(_compatibility(model))
    if found is None:
        raise BadArtifactError(f"{path} does not say which processor it was compiled for", _AGAIN)
    # A path in place of the binary could lead anywhere.
    if attributes.get("embed_mode", 1) != 1 or not isinstance(attributes.get("ep_cache_context"), bytes):
        raise BadArtifactError(f"{path} does not hold its binary but points to another file", _AGAIN)
    size = len(attributes["ep_cache_context"])
    return Binary(found["sdk"], int(found["arch"]), int(found["soc"]), size)


def _main_node(path: Path, model: Any, *, mixed: bool) -> Any:
    """Return the one compiled node of a model; of a mixed one, the first, which holds the binary of all."""
    nodes = model.graph.node
    kinds = [f"{node.domain or 'ai.onnx'}.{node.op_type}" for node in nodes]
    if mixed and _COMPILED in kinds:
        return nodes[kinds.index(_COMPILED)]
    if kinds != [_COMPILED]:
        few = ", ".join(kinds[:5]) or "none"
        raise BadArtifactError(f"{path} is not one compiled graph; its operators are: {few}", _AGAIN)
    return nodes[0]


def _compatibility(model: Any) -> str:
    """Return what the compiler wrote for those who load the file."""
    return next((str(item.value) for item in model.metadata_props if item.key == COMPATIBILITY), "")


def require_for(path: Path, notes: Mapping[str, Any]) -> Binary:
    """Read a compiled file and compare it with the notes of its manifest.

    Raises:
        BadArtifactError: it was compiled for another processor than the manifest says.
    """
    found = read(path, mixed=bool(notes.get("not_delegated")))
    stated = (notes.get("soc_model"), notes.get("htp_arch"))
    if stated != (found.soc_model, found.htp_arch):
        raise BadArtifactError(
            f"{path} was compiled for {found.processor}, its manifest says soc_model {stated[0]}, v{stated[1]}", _AGAIN
        )
    return found
