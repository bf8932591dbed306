"""Read ``gate.yaml``; whatever is wrong with it is told with the file, the line, and the nearest word that is right.

A policy is untrusted text: nothing in it is run, and its size is bounded before it is taken apart.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from viewfinder.errors import UsageError
from viewfinder.runtime.gate.policy import Gate, Limits, Policy, is_empty

MOST_BYTES, MOST_NODES, MOST_DEPTH = 1_000_000, 20_000, 40
"""Far above any policy, far below what aliases of aliases can be blown up to."""
_HINT = (
    "`viewfinder gate --print-schema` lists every key; an editor that knows the schema completes and checks the file"
)

Place = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""


class BadPolicyError(UsageError):
    """A policy cannot be read, or says what nothing understands."""

    code = "bad-policy"


@dataclass(frozen=True)
class PolicyFile:
    """A policy with the file that it stands in.

    Attributes:
        lines: place to line, counted from 1.
    """

    path: Path
    policy: Policy
    lines: Mapping[Place, int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the policy's own paths start."""
        return self.path.parent

    def line(self, *places: Place) -> int:
        """Return the line of the first place that stands in the file, else of the nearest thing around the first."""
        for place in places:
            if place in self.lines:
                return self.lines[place]
        first = places[0]
        around = (first[:length] for length in range(len(first), -1, -1))
        return next((self.lines[place] for place in around if place in self.lines), 1)

    def line_of_limit(self, number: int, *keys: str) -> int:
        """Return the line of a limit of gate `number`: in the gate if it says so itself, else in the policy's own."""
        return self.line(("gates", number, "limits", *keys), ("limits", *keys), ("gates", number))

    def gates(self) -> Iterator[tuple[int, Gate, Limits]]:
        """Yield number, gate and joined limits of every gate."""
        for number, gate in enumerate(self.policy.gates):
            yield number, gate, self.policy.limits_for(gate)


def load(path: Path) -> PolicyFile:
    """Read a policy.

    Raises:
        BadPolicyError: no such file, no YAML, an unknown key, a value that does not fit, or no limit at all; the
            message starts with ``FILE:LINE``.
    """
    text = _text(path)
    node = _composed(path, text)
    lines: dict[Place, int] = {}
    _walk(path, node, (), lines)
    data = _constructed(path, text)
    if not isinstance(data, dict):
        raise BadPolicyError(f"{path}:1: a policy is a mapping that starts with `version: 1`", _HINT)
    try:
        policy = Policy.model_validate(data)
    except ValidationError as error:
        raise BadPolicyError(_told(path, error, lines), _HINT) from None
    file = PolicyFile(path, policy, lines)
    for number, gate, limits in file.gates():
        if is_empty(limits):
            where = f"{path}:{file.line(('gates', number))}"
            raise BadPolicyError(
                f"{where}: the gate of {gate.model} limits nothing, so it could never fail",
                "add `limits:` to it, or to the whole policy",
            )
        _check_baseline(file, number, gate, limits)
    return file


def _check_baseline(file: PolicyFile, number: int, gate: Gate, limits: Limits) -> None:
    """Refuse limits against a baseline that the policy does not name."""
    grows = [one for one in (limits.size, limits.instructions) if one and one.max_growth_percent is not None]
    if file.policy.baseline is None and (grows or limits.against_baseline is not None):
        raise BadPolicyError(
            f"{file.path}:{file.line(('gates', number))}: the gate of {gate.model} compares with a baseline, but the "
            "policy names none",
            "add `baseline: baseline.json`, and write it with `viewfinder baseline accept`",
        )


def _text(path: Path) -> str:
    """Read the file as text."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadPolicyError(f"{path} has more than {MOST_BYTES} bytes", "a policy is a short text")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadPolicyError(
            f"there is no policy {path}", "name it with --policy; docs/gate.md shows one to start with"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadPolicyError(f"{path} cannot be read: {error}", "give a text file in UTF-8") from error


def _composed(path: Path, text: str) -> yaml.Node:
    """Parse YAML into nodes that know their lines."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise BadPolicyError(f"{path}:{mark.line + 1 if mark else 1}: this is no YAML: {problem}", _HINT) from None
    if node is None:
        raise BadPolicyError(f"{path}:1: the policy is empty", _HINT)
    return node


def _constructed(path: Path, text: str) -> Any:
    """Make data of YAML; tags that ask for more than data are refused."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise BadPolicyError(f"{path}:{mark.line + 1 if mark else 1}: this is no data: {problem}", _HINT) from None


def _walk(path: Path, node: yaml.Node, place: Place, lines: dict[Place, int]) -> None:
    """Note the line of every place, and refuse keys that stand twice and texts that grow without end."""
    here = node.start_mark.line + 1
    if len(lines) > MOST_NODES or len(place) > MOST_DEPTH:
        raise BadPolicyError(f"{path}:{here}: the policy is too large or too deep", "write aliases out, or split it")
    lines.setdefault(place, here)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _walk(path, item, (*place, position), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            if inner in lines:
                raise BadPolicyError(
                    f"{path}:{key.start_mark.line + 1}: {key.value} stands twice, first in line {lines[inner]}",
                    "keep one of them",
                )
            lines[inner] = key.start_mark.line + 1
            _walk(path, value, inner, lines)


def _told(path: Path, error: ValidationError, lines: Mapping[Place, int]) -> str:
    """Write what does not fit, one line each, as compilers do."""
    known = PolicyFile(path, Policy.model_construct(), lines)
    told = []
    for one in error.errors(include_url=False):
        place = tuple(one["loc"])
        name = ".".join(str(part) for part in place) or "the policy"
        told.append(f"{path}:{known.line(place)}: {name}: {_problem(one, place)}")
    return "\n".join(dict.fromkeys(told))


def _problem(one: Mapping[str, Any], place: Place) -> str:
    """Say in words what pydantic found."""
    if one["type"] == "extra_forbidden":
        allowed = _keys_at(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), allowed, 1, 0.5)
        return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known are {', '.join(allowed)}"
    if one["type"] == "missing":
        return "is missing"
    given = one.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) else ""
    message = str(one["msg"])
    return f"{message[:1].lower()}{message[1:]}{shown}"


def _keys_at(place: Place) -> list[str]:
    """List the keys that a mapping of the policy may have."""
    kind: type[BaseModel] = Policy
    for part in place:
        if isinstance(part, str) and part in kind.model_fields:
            kind = next(iter(_models(kind.model_fields[part].annotation)), kind)
    return [field.alias or name for name, field in kind.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the policy's classes in a type like ``list[Gate]`` or ``Limits | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)
