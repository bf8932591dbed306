"""Runs a file compiled for Qualcomm's NPU in ONNX Runtime with Qualcomm's emulator and nothing else.

`_worker.learn` loads this file, which may import nothing of ours.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

MODULE = "onnxruntime_qnn"


def on_npu(runtime: Any, path: str, options: Any) -> Any:
    """Start a session in which nothing may run on the CPU, unless its file was compiled so."""
    qnn = importlib.import_module(MODULE)
    runtime.register_execution_provider_library(qnn.EP_NAME, qnn.get_library_path())
    strict = os.environ.get("VIEWFINDER_QNN_STRICT", "1")
    options.add_session_config_entry("session.disable_cpu_ep_fallback", strict)
    device = next(one for one in runtime.get_ep_devices() if one.ep_name == qnn.EP_NAME)
    options.add_provider_for_devices([device], {"backend_type": "htp"})
    return runtime.InferenceSession(path, options)


def extend(worker: Any) -> None:
    """Add this runtime to a worker's."""
    worker.SESSIONS[MODULE], worker.MODELS[MODULE] = on_npu, worker.Onnx
