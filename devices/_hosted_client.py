"""Talks to Qualcomm AI Hub in the Python that has its client: one JSON request on standard input, one JSON answer.

Started as a script, in an environment of its own: the client's pins fit no other. It may import nothing of ours. The
client prints while it waits; only the last line of standard output is the answer.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def devices(client: Any, _request: dict[str, Any]) -> dict[str, Any]:
    """List what is offered, a device once for each version of its system."""
    found = client.get_devices()
    return {"devices": [{"name": one.name, "os": one.os, "attributes": list(one.attributes)} for one in found]}


def upload(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Upload a model file; return its number there."""
    return {"model": client.upload_model(request["path"], name=request["name"]).model_id}


INFERENCES = ("inference", "inferences")
"""With one sample, and with arrays that have an axis of samples in front."""


def _only(values: Any) -> Any:
    """Return the one sample."""
    return values[0]


def submit(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Submit a job: ``compile``, ``profile`` with inputs of the service's own, or one of `INFERENCES` with ours."""
    import qai_hub

    model, device = client.get_model(request["model"]), qai_hub.Device(request["device"])
    if request["kind"] == "compile":
        return {"job": client.submit_compile_job(model, device, options=request["options"]).job_id}
    inputs = None
    if request["kind"] in INFERENCES:
        import numpy as np

        with np.load(request["inputs"], allow_pickle=False) as stored:
            one = request["kind"] == "inference"
            inputs = {name: [stored[name]] if one else list(stored[name]) for name in stored.files}
    profiled = request["kind"] == "profile"
    job = client.submit_inference_job(model, device, inputs=inputs, profile=profiled, options=request["options"])
    return {"job": job.job_id}


def collect(client: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Wait for a job, and bring its result into a file."""
    job = client.get_job(request["job"])
    try:
        status = job.wait(timeout=request["timeout_s"])
    except TimeoutError:
        return {"late": True}
    if not status.success:
        return {"code": str(status.code), "message": str(status.message or "")}
    kind, target = request["kind"], request["target"]
    if kind == "compile":
        return {"file": job.download_target_model(target)}
    if kind == "profile":
        with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123 as small as it can be
            json.dump(job.download_profile(), file)
    else:
        import numpy as np

        joined = np.stack if kind == "inferences" else _only
        arrays: dict[str, Any] = {name: joined(values) for name, values in job.download_output_data().items()}
        np.savez(target, **arrays)
    return {"file": target}


ACTS = {"devices": devices, "upload": upload, "submit": submit, "collect": collect}


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    try:
        import qai_hub

        answer = ACTS[request["act"]](qai_hub.Client(), request)
    except Exception as error:  # noqa: BLE001 whatever it is, the other side has to hear of it
        answer = {"error": str(error) or type(error).__name__, "type": type(error).__name__}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
