"""Compiles one ONNX file with onnxruntime-qnn: started as a script in the toolchain's Python.

It may import nothing but the standard library and the toolchain's packages. The only argument is a JSON file: what to
compile and where the answer goes. What the libraries print on standard error explains a refusal and is read by the
caller (`runtime.htp.compiler`).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

CPU = "CPUExecutionProvider"
_WARNINGS = 2


def options(ort: Any, order: dict[str, Any], *, fallback: bool) -> Any:
    """Return the options of a session that writes a compiled file, or, with `fallback`, only looks who takes what."""
    chosen = ort.SessionOptions()
    chosen.log_severity_level = _WARNINGS
    chosen.intra_op_num_threads = chosen.inter_op_num_threads = 1
    chosen.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if not (fallback or order.get("fallback")):
        chosen.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if not fallback:
        chosen.add_session_config_entry("ep.context_enable", "1")
        chosen.add_session_config_entry("ep.context_file_path", order["target"])
        chosen.add_session_config_entry("ep.context_embed_mode", "1")
    return chosen


def session(ort: Any, qnn: Any, order: dict[str, Any], *, fallback: bool) -> Any:
    """Compile."""
    chosen = options(ort, order, fallback=fallback)
    device = next(one for one in ort.get_ep_devices() if one.ep_name == qnn.EP_NAME)
    chosen.add_provider_for_devices([device], order["provider"])
    return ort.InferenceSession(order["source"], chosen)


def placement(compiled: Any) -> dict[str, list[list[list[str]]]]:
    """List the parts that each provider took, each as pairs of operator and node."""
    parts: dict[str, list[list[list[str]]]] = {}
    for part in compiled.get_provider_graph_assignment_info():
        nodes = [[node.op_type, node.name] for node in part.get_nodes()]
        parts.setdefault(part.ep_name, []).append(nodes)
    return parts


def main(order_file: str) -> None:
    """Compile, and write what happened; the reason of a failure is in ``error``."""
    import onnxruntime as ort
    import onnxruntime_qnn as qnn

    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    ort.register_execution_provider_library(qnn.EP_NAME, qnn.get_library_path())
    answer: dict[str, Any] = {"versions": {"onnxruntime": ort.__version__, "onnxruntime-qnn": qnn.__version__}}
    start = time.perf_counter()
    try:
        answer["placement"] = placement(session(ort, qnn, order, fallback=False))
    except Exception as error:  # noqa: BLE001 its exceptions share no base class but this one
        answer["error"] = str(error)
        try:
            answer["placement"] = placement(session(ort, qnn, order, fallback=True))
        except Exception as second:  # noqa: BLE001 then the log alone has to tell
            answer["second_error"] = str(second)
    answer["seconds"] = time.perf_counter() - start
    Path(order["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
