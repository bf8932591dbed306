"""A service of the tests in the shape of Qualcomm AI Hub's client 0.56: the calls that `_hosted_client` makes, on disk.

Names, arguments and results are those of `qai_hub.Client`, `Device`, `Model`, `InferenceJob`, `CompileJob` and
`JobStatus`; the profile has the keys of its ``execution_summary``. Its numbers are of no phone.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(os.environ.get("FAKE_HUB", "."))
PROFILE = {
    "execution_summary": {
        "estimated_inference_time": 1500, "estimated_inference_peak_memory": 9_000_000, "first_load_time": 250_000,
        "first_load_peak_memory": 8_000_000, "inference_memory_peak_range": [7_000_000, 9_000_000],
        "all_inference_times": [1900, 1500, 1510],
    },
    "execution_detail": [{"name": "conv", "type": "Conv2D", "compute_unit": "NPU", "execution_time": 1200}],
}  # fmt: skip


class UserError(Exception):
    """Failure in the user's input."""


@dataclass
class Device:
    """A kind of phone."""

    name: str = ""
    os: str = ""
    attributes: list = field(default_factory=list)


class Job:
    """A job; its kind and model stand in its number."""

    def __init__(self, job_id):
        self.job_id = job_id
        self._kind, self._model = job_id.split("-", 1)

    def wait(self, timeout=None):
        """Succeed, fail, or take longer than is allowed, as the model's name says."""
        print("waiting ...")
        name = self._model
        if "endless" in name:
            raise TimeoutError(f"not done after {timeout} s")
        if "bad" in name:
            return SimpleNamespace(success=False, code="FAILED", message="Conv3D is not supported")
        return SimpleNamespace(success=True, code="SUCCESS", message=None)

    def download_profile(self, filename=None):
        """Return the profile."""
        return {"execution_summary": "?"} if "garbage" in self._model else PROFILE

    def download_output_data(self, filename=None):
        """Return what an ONNX file computes, sample by sample; of any other model the inputs, doubled."""
        import numpy as np

        with np.load(ROOT / f"{self.job_id}.npz") as stored:
            samples = {name: list(stored[name]) for name in stored.files}
        if not self._model.endswith(".onnx"):
            return {name: [2 * one for one in values] for name, values in samples.items()}
        import onnxruntime

        session = onnxruntime.InferenceSession(str(ROOT / self._model), providers=["CPUExecutionProvider"])
        each = [session.run(None, dict(zip(samples, row, strict=True))) for row in zip(*samples.values(), strict=True)]
        name = session.get_outputs()[0].name
        if (ROOT / "wrong").exists():
            return {name: [0.5 * one[0] for one in each]}
        return {name: [one[0] for one in each[: 1 if (ROOT / "lazy").exists() else None]]}

    def download_target_model(self, filename):
        """Write what was compiled."""
        Path(filename).write_text("compiled")
        return filename


class Client:
    """The service."""

    def __init__(self):
        if (ROOT / "locked").exists():
            edge = 2 * "\u2500"
            raise UserError(f"Failed.\n\n\u250c{edge}\u2510\n| no API token is\n| configured |\n\u2514{edge}\u2518")

    def get_devices(self, name="", os="", attributes=None):
        """List two phones."""
        facts = ["vendor:samsung", "chipset:qualcomm-snapdragon-8gen3"]
        return [Device("Galaxy Test", "14", facts), Device("Other Test", "13", facts)]

    def upload_model(self, model, name=None, project=None):
        """Keep the model."""
        with (ROOT / "uploads").open("a") as log:
            log.write(f"{name}\n")
        shutil.copyfile(model, ROOT / f"m.{name}")
        return SimpleNamespace(model_id=f"m.{name}")

    def get_model(self, model_id):
        """Find a model."""
        return SimpleNamespace(model_id=model_id)

    def submit_inference_job(self, model, device, inputs=None, name=None, options="", retry=True, profile=True):  # noqa: PLR0917 theirs
        """Take a job; without inputs there is only a profile."""
        job = Job(f"{'profile' if profile else 'inference'}-{model.model_id}")
        if inputs is not None:
            import numpy as np

            np.savez(ROOT / f"{job.job_id}.npz", **{key: np.stack(values) for key, values in inputs.items()})
            with (ROOT / "samples").open("a") as log:
                log.write(f"{len(next(iter(inputs.values())))}\n")
        (ROOT / "last").write_text(json.dumps([device.name, options]))
        return job

    def submit_compile_job(self, model, device, name=None, input_specs=None, options=""):
        """Take a job."""
        (ROOT / "last").write_text(json.dumps([device.name, options]))
        return Job(f"compile-{model.model_id}")

    def get_job(self, job_id, job_type=None):
        """Find a job."""
        return Job(job_id)
