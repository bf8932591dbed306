"""A device that does what a script says: answers, delays, disconnects. To test what talks to devices without one.

The script is a list of `Answer`, or a JSON file of the same fields that ``fake:FILE.json`` names on the command line::

    {"answers": [{"to": "run", "argv": "benchmark.*", "output": "ok", "writes": {"result.json": "{}"}},
                 {"to": "push", "fails": "disconnect"}]}

Each answer serves once, the last one that fits again and again. Nothing waits: a delay is only counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.devices import DeviceBusyError, DeviceError, DeviceInfo, DeviceLostError, Finished, Found, Pushed
from viewfinder.devices._folder import content, inside
from viewfinder.errors import MissingToolError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence

NAME = "fake"
JOB_S = 3600.0
ACTS = ("run", "push", "pull", "lock", "info", "profile", "infer")
FAILURES = ("", "disconnect", "disk-full", "busy", "missing-program")


@dataclass(frozen=True)
class Answer:
    """What happens when something is asked of the device.

    Attributes:
        to: ``run``, ``push``, ``pull``, ``lock``, ``info``, ``profile`` or ``infer``.
        argv: regular expression for the words of a command joined by spaces, or for the name of a file; "" fits all.
            What is profiled is ARTIFACT/GRAPH, what is verified ARTIFACT/FILE.
        code: exit code of a command; negative for a signal.
        writes: files that a command leaves in the work folder, with their text.
        seconds: that a command takes; more than its time limit ends it.
        fails: one of `FAILURES`.
    """

    to: str = "run"
    argv: str = ""
    code: int = 0
    output: str = ""
    errors: str = ""
    writes: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    fails: str = ""

    def __post_init__(self) -> None:
        """Refuse a script that cannot be followed."""
        if self.to not in ACTS or self.fails not in FAILURES:
            raise UsageError(
                f"an answer to {self.to!r} that fails with {self.fails!r} is unknown",
                f"answer to one of: {', '.join(ACTS)}; fail with one of: {', '.join(FAILURES[1:])}",
            )


def found() -> list[Found]:
    """Return the fake, which is always there."""
    return [Found(NAME, "follows a script of answers and failures, for tests")]


def open(detail: str) -> Fake:  # noqa: A001 as the standard library's modules do
    """Return a device with the script in the JSON file `detail`, or with one that answers nothing in particular.

    Raises:
        UsageError: the file is not there or is no script.
    """
    if not detail:
        return Fake()
    try:
        data = json.loads(Path(detail).expanduser().read_text(encoding="utf-8"))
        answers = [Answer(**one) for one in data["answers"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{detail} cannot be read as a script of answers: {error}", "see devices/fake.py") from error
    return Fake(answers, name=f"{NAME}:{detail}")


class Fake:
    """See `viewfinder.devices.Device`.

    Attributes:
        asked: everything that was asked, in order, for tests to look at.
    """

    evidence = Evidence.NOT_RUN
    formats = ("tflite", "onnx", "coreml", "executorch")

    def __init__(self, answers: Sequence[Answer] = (), name: str = NAME) -> None:
        """Follow `answers`."""
        self.name, self.asked = name, list[tuple[str, str]]()
        self._answers = list(answers)
        self._files: dict[str, bytes] = {}
        self._pushed: dict[str, int] = {}
        self._is_locked = False

    def info(self) -> DeviceInfo:
        """Say that this is a fake."""
        self._answer("info", "")
        return DeviceInfo(self.name, "none", 1, None, "a script", Evidence.NOT_RUN)

    def push(self, source: Path) -> Pushed:
        """Keep the hash of what is pushed; a failure in the middle keeps nothing."""
        sha256 = content(source)
        self._answer("push", source.name)
        sent = 0 if sha256 in self._pushed else files.size_bytes(source)
        self._pushed[sha256] = sent
        return Pushed(f"/pushed/{sha256}/{source.name}", sha256, sent)

    def pull(self, name: str, target: Path) -> None:
        """Write what an earlier command left."""
        path = str(inside(name))
        self._answer("pull", path)
        if path not in self._files:
            raise DeviceError(f"{self.name} has no file {name!r}", "see what the command printed")
        with files.new_file(target) as partial:
            partial.write_bytes(self._files[path])

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Answer as the script says."""
        answer = self._answer("run", " ".join(argv))
        if answer.seconds > timeout_s:
            raise DeviceError(
                f"{argv[0]} was still running after {timeout_s:g} s and was killed",
                "allow it more time",
                code="timeout",
            )
        self._files |= {str(inside(name)): text.encode() for name, text in answer.writes.items()}
        return Finished(tuple(argv), answer.code, answer.output, answer.errors, answer.seconds)

    def problem(self) -> str:
        """Return "": a script can always be followed."""
        return ""

    def facts(self) -> dict[str, str]:
        """Return nothing that numbers would depend on."""
        return {}

    def profile_graph(self, path: Path, graph: Any, _feeds: Any, schedule: Mapping[str, Any]) -> dict[str, Any]:
        """Answer as the script says when a graph is to be profiled; nothing is measured, so there is no number."""
        answer = self._answer("profile", f"{path.parent.name}/{graph.name}")
        if answer.seconds > schedule["most_s"]:
            raise DeviceError(f"{graph.name} was still running on {self.name}", "allow it more time", code="timeout")
        return {}

    def infer(self, path: Path, _samples: Mapping[str, Any]) -> dict[str, Any]:
        """Answer as the script says when a graph is to be computed, which is never done.

        Raises:
            NotVerifiedError: always.
        """
        answer = self._answer("infer", f"{path.parent.name}/{path.name}")
        why = f"{self.name} follows a script; nothing was computed"
        if answer.seconds > JOB_S:
            why = f"{path.name} was still running on {self.name} after {JOB_S:g} s"
        raise NotVerifiedError(why, "verify it on another device")

    @contextmanager
    def lock(self, wait_s: float = 0.0) -> Iterator[None]:
        """Refuse a second owner, or every one if the script says so; `wait_s` does not help."""
        self._answer("lock", f"{wait_s:g}")
        if self._is_locked:
            raise DeviceBusyError(f"{self.name} is in use", "wait for it, or name another device")
        self._is_locked = True
        try:
            yield
        finally:
            self._is_locked = False

    def _answer(self, to: str, what: str) -> Answer:
        """Find the answer, use it up unless it is the last that fits, and fail as it says."""
        self.asked.append((to, what))
        fitting = [one for one in self._answers if one.to == to and re.search(one.argv, what)]
        if not fitting:
            return Answer(to)
        if len(fitting) > 1:
            self._answers.remove(fitting[0])
        _fail(self.name, what, fitting[0].fails)
        return fitting[0]


def _fail(name: str, what: str, failure: str) -> None:
    """Raise what a real device would."""
    errors: dict[str, Any] = {
        "disconnect": DeviceLostError(f"{name} went away", "attach it again and repeat the command"),
        "disk-full": UsageError(f"{name} has no space left", "free some space on the device", code="cannot-write"),
        "busy": DeviceBusyError(f"{name} is in use", "wait for it, or name another device"),
        "missing-program": MissingToolError(f"{what} cannot be started: no such file", "bring it to the device first"),
    }
    if failure:
        raise errors[failure]
