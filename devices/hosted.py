"""Phones of a service, in the shape of Qualcomm AI Hub's client: ``hosted:NAME`` as the service calls the phone.

A hosted phone runs models and no commands: what `run` takes is a job, ``profile MODEL``, ``inference MODEL INPUTS.npz``
(``inferences`` where the arrays have an axis of samples in front) or ``compile MODEL OPTION...``, and a job's result
lies in the work folder here. The account is the client's own; its package fits no other environment and is a toolchain
(``viewfinder doctor --install qai-hub``) if this Python lacks it.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from viewfinder import files
from viewfinder.devices import DeviceError, DeviceInfo, DeviceLostError, Finished, Found, Pushed, toolchains
from viewfinder.devices._folder import Store, content, folder_of, locked
from viewfinder.errors import MissingToolError, NotVerifiedError, UsageError, ViewfinderError
from viewfinder.measurement import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "hosted"
TOOLCHAIN = "qai-hub"
CLIENT = Path(__file__).with_name("_hosted_client.py")
RESULTS = {
    "profile": "profile.json",
    "inference": "outputs.npz",
    "inferences": "outputs.npz",
    "compile": "compiled.model",
}
"""Jobs, and the file in which each leaves its result."""
JOB_S = 3600.0
MOST_ITERATIONS = 1_000_000
"""Of a sustained run, which is to end by its time; the service's default are 100."""
_ASK_S = 300.0
_MOST_ANSWER_BYTES = 1 << 24
_FRAME = re.compile(r"[\s|\u2500-\u257f]+")
"""Lines and the box around them, in which the client says what to do."""
_FORM = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


def found() -> list[Found]:
    """Return how to name a hosted phone; the service is not asked."""
    missing = "" if _python() else "the client of Qualcomm AI Hub is not installed"
    return [
        Found(f"{NAME}:NAME", "a phone of Qualcomm AI Hub", missing, toolchains.remedy(TOOLCHAIN) if missing else "")
    ]


def _python() -> str | None:
    """Return the interpreter that has the client: this one, or its toolchain's."""
    if find_spec("qai_hub"):
        return sys.executable
    found = toolchains.python(TOOLCHAIN)
    return str(found) if found else None


def problem() -> str:
    """Return why the service cannot be used from here, or ""; asks it for its list, and sends nothing of the user's."""
    if _python() is None:
        return f"SDK absent: the client of Qualcomm AI Hub is not installed; {toolchains.remedy(TOOLCHAIN)}"
    try:
        Hosted("*").phones()
    except ViewfinderError as error:
        return f"{error.message}; {error.hint}"
    return ""


def open(detail: str) -> Hosted:  # noqa: A001 as the standard library's modules do
    """Return a phone of the service; it is not asked yet.

    Raises:
        UsageError: this is no name.
    """
    if _FORM.fullmatch(detail) is None:
        raise UsageError(f"{detail!r} is no hosted phone", "name one as its service does", code="no-such-device")
    return Hosted(detail)


class Hosted:
    """See `viewfinder.devices.Device`."""

    evidence = Evidence.MEASURED
    formats = ("tflite", "onnx")
    """That it runs; it times what else the service takes."""

    def __init__(self, phone: str) -> None:
        """Name its folder."""
        self.phone, self.name = phone, f"{NAME}:{phone}"
        self._store, self._uploaded = Store(self.name), folder_of(self.name) / "uploaded.json"

    def info(self) -> DeviceInfo:
        """Look the phone up in the service's list."""
        rows = self.phones()
        mine = [one for one in rows if one.get("name") == self.phone]
        if not mine:
            known = ", ".join(sorted({str(one.get("name"))[:60] for one in rows})[:10])
            raise UsageError(f"the service has no phone {self.phone!r}", f"it has: {known}", code="no-such-device")
        facts = [str(one)[:100] for one in mine[-1].get("attributes") or []]
        chip = next((one.partition(":")[2] for one in facts if one.startswith("chipset:")), "unknown")
        return DeviceInfo(self.name, chip, 1, None, f"{mine[-1].get('os')} at Qualcomm AI Hub", Evidence.MEASURED)

    def phones(self) -> list[dict[str, Any]]:
        """Ask the service for its list, a phone once for each version of its system."""
        listed = self._ask({"act": "devices"}).get("devices")
        return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

    def problem(self) -> str:
        """Return why the phone cannot be used now, or ""; asks the service."""
        try:
            self.info()
        except ViewfinderError as error:
            return f"{error.message} ({error.hint})"
        return ""

    def facts(self) -> dict[str, str]:
        """Return what numbers depend on."""
        info = self.info()
        return {"processor": info.cpu, "system": info.system, "service": "Qualcomm AI Hub"}

    def push(self, source: Path) -> Pushed:
        """Upload a model, unless its content was; its name there is the number that the service gave it."""
        sha256 = content(source)
        known = self._known()
        if sha256 in known:
            return Pushed(known[sha256], sha256, 0)
        model = self._ask({"act": "upload", "path": str(source.resolve()), "name": source.name}).get("model")
        if not isinstance(model, str) or not model:
            raise self._garbage()
        files.write_text(self._uploaded, json.dumps({**known, sha256: model}, indent=1) + "\n")
        return Pushed(model, sha256, files.size_bytes(source))

    def _known(self) -> dict[str, str]:
        """Return the numbers of the models that were uploaded, by their hash."""
        try:
            read = json.loads(self._uploaded.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def pull(self, name: str, target: Path) -> None:
        """Copy a result out of the work folder."""
        self._store.pull(name, target)

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Submit a job and wait for its result; a job that the service could not do ends with code 1 and its reason.

        Raises:
            MissingToolError: there is no job of this kind, or no client.
            DeviceError: it was not done in time; the service goes on with it.
            DeviceLostError: the service does not answer.
        """
        start, kind = time.monotonic(), argv[0]
        if kind not in RESULTS or len(argv) < 2:
            raise MissingToolError(f"{kind} cannot be started: no such file or job", f"there are: {', '.join(RESULTS)}")
        has_inputs = kind.startswith("inference")
        options = shlex.join(argv[3:] if has_inputs else argv[2:])
        order = {"kind": kind, "model": argv[1], "device": self.phone, "options": options}
        inputs = {"inputs": argv[2]} if has_inputs and len(argv) > 2 else {}
        job = self._ask({"act": "submit", **order, **inputs}).get("job")
        with files.new_file(self._store.work / RESULTS[kind]) as partial:
            wait = {"act": "collect", "kind": kind, "job": job, "target": str(partial), "timeout_s": timeout_s}
            done = self._ask(wait, timeout_s + _ASK_S)
            if done.get("late"):
                raise DeviceError(
                    f"{kind} was still running after {timeout_s:g} s and was killed",
                    "allow it more time",
                    code="timeout",
                )
        seconds = time.monotonic() - start
        if "file" not in done:
            (self._store.work / RESULTS[kind]).unlink(missing_ok=True)
            return Finished(tuple(argv), 1, "", f"{done.get('code')}: {str(done.get('message'))[:500]}", seconds)
        return Finished(tuple(argv), 0, f"{job}\n", "", seconds)

    def profile_graph(
        self, path: Path, _graph: Any, _feeds: Mapping[str, Any], schedule: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Have the service time a graph in its own way, with its own inputs; ``sustain_s`` has it go on for so long.

        Returns:
            As the worker's: ``load_ms``, ``first_ms``, ``warm_ms`` and sizes, with the service's layers beside them.

        Raises:
            NotVerifiedError: the service could not do it, or its answer is none.
        """
        seconds = math.ceil(schedule.get("sustain_s") or 0)
        options = ["--max_profiler_time", str(seconds), "--max_profiler_iterations", str(MOST_ITERATIONS)]
        done = self.run(["profile", self.push(path).path, *(options if seconds else [])], JOB_S + seconds)
        if done.code:
            raise NotVerifiedError(
                f"{self.name} did not profile {path.name}: {done.errors}", "see the job at the service"
            )
        try:
            read = json.loads((self._store.work / RESULTS["profile"]).read_text(encoding="utf-8"))
            summary = read["execution_summary"]
            # Microseconds and bytes; an older form of the answer has the one estimate only.
            times = [
                float(one) / 1e3 for one in summary.get("all_inference_times") or [summary["estimated_inference_time"]]
            ]
            peak = summary.get("inference_memory_peak_range") or (0, summary["estimated_inference_peak_memory"])
            return {
                "load_ms": float(summary["first_load_time"]) / 1e3,
                "first_ms": times[0],
                "warm_ms": times[1:] or times,
                "memory_before_bytes": 0,
                "memory_loaded_bytes": int(summary.get("first_load_peak_memory") or 0),
                "memory_peak_bytes": int(peak[1]),
                "layers": read.get("execution_detail"),
            }
        except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise self._garbage() from error

    def infer(self, path: Path, samples: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Have the service compute a graph, for all samples in one job.

        Args:
            path: of the graph; uploaded once.
            samples: inputs by name, with an axis of samples in front.

        Returns:
            The outputs by the service's names, with the same axis in front.

        Raises:
            NotVerifiedError: the service could not do it, or its answer is none.
        """
        import numpy as np

        with tempfile.TemporaryDirectory(prefix="viewfinder-hosted-") as work:
            np.savez(Path(work) / "inputs.npz", **samples)  # type: ignore[arg-type]
            try:
                done = self.run(["inferences", self.push(path).path, str(Path(work) / "inputs.npz")], JOB_S)
                said = done.errors
            except DeviceError as error:  # too late, or garbage: nothing was verified
                raise NotVerifiedError(error.message, error.hint, code=error.code) from error
        try:
            if not done.code:
                with np.load(self._store.work / RESULTS["inferences"], allow_pickle=False) as stored:
                    return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, BadZipFile):
            said = "its answer cannot be read"
        raise NotVerifiedError(f"{self.name} did not compute {path.name}: {said}", "see the job at the service")

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keep other programs of this computer from submitting to this phone."""
        return locked(self.name, wait_s)

    def _ask(self, request: Mapping[str, Any], timeout_s: float = _ASK_S) -> dict[str, Any]:
        """Ask the client, in its own Python."""
        python = _python()
        if python is None:
            raise MissingToolError(f"{self.name}: the client is not installed", toolchains.remedy(TOOLCHAIN))
        with Popen([python, "-P", str(CLIENT)], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
            try:
                output, errors = process.communicate(json.dumps(request).encode(), timeout_s)
            except TimeoutExpired as error:
                process.kill()
                raise DeviceLostError(
                    f"{self.name}: the service does not answer", "check the network, then repeat"
                ) from error
        try:
            answer = json.loads(output[-_MOST_ANSWER_BYTES:].strip().rpartition(b"\n")[2])
        except ValueError:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise DeviceError(f"{self.name}: the client failed: {last[0][:200]}", "viewfinder doctor") from None
        if not isinstance(answer, dict):
            raise self._garbage()
        if "error" in answer:
            raise _refused(self.name, str(answer.get("type")), _FRAME.sub(" ", str(answer["error"]))[:500].strip())
        return answer

    def _garbage(self) -> DeviceError:
        """Return the error for an answer that is none."""
        return DeviceError(
            f"{self.name}: the service gave an answer that cannot be read", "look at the job at the service"
        )


def _refused(name: str, kind: str, said: str) -> ViewfinderError:
    """Choose the error for what the client raised."""
    if kind in {"UserError", "FileNotFoundError", "KeyError"}:
        return UsageError(
            f"{name} refuses: {said}", "qai-hub configure --api_token TOKEN, or look at the sentence above"
        )
    return DeviceLostError(f"{name}: {kind}: {said}", "check the network and the service, then repeat")
