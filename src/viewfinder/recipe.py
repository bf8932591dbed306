"""How a float artifact becomes a quantized one: which tensors keep how many bits, why, and what it was calibrated on.

A recipe is data. It is written into the manifest of what it made, and a file of it can be given back to
``viewfinder quantize --recipe``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from viewfinder.errors import UsageError

SCHEMA_VERSION = 1
PRECISIONS = ("fp16", "w8", "w8a8", "w8a16", "mixed")
FLOAT = "float"
WEIGHTS = (FLOAT, "fp16", "int8", "int4", "palette8", "palette6", "palette4")
"""``paletteN`` are lookup tables of 2^N values, which Core ML has."""
ACTIVATIONS = (FLOAT, "fp16", "int8", "int16", "dynamic")
"""``dynamic``: int8, with a range that the runtime looks up at every call (LiteRT)."""
GRANULARITIES = ("channel", "tensor")
ROUNDINGS = ("nearest", "compensated", "refitted")
"""``compensated``: the errors of a filter's weights cancel on the calibration pictures; for int8, per channel.
``refitted``: each layer makes up for those before it as well, as far as their weights go; from the PyTorch network."""
TARGETS = ("cpu", "npu")


class BadRecipeError(UsageError):
    """A recipe that cannot be meant."""

    code = "bad-recipe"


@dataclass(frozen=True)
class Rule:
    """What happens to some operators. Of the rules that fit an operator, the last one counts.

    Attributes:
        graph: glob over the names of an artifact's graphs.
        match: regular expression, looked for in every name of an operator: its own, its results' and its constants'
            (in TFLite, where operators have no names, its results' alone). Empty fits all.
        operator: regular expression for the whole type of an operator in its format (Conv, CONV_2D, conv), in any case.
            Empty fits all.
        onwards: whether it is also for every operator that reads, directly or not, what these compute.
        weights: one of `WEIGHTS`.
        activations: one of `ACTIVATIONS`; what the operator's inputs and results are kept in.
        granularity: one scale per output ``channel`` of a weight, or one per ``tensor``.
        rounding: one of `ROUNDINGS`, for the weights.
        reason: why, with the number that was measured.
    """

    graph: str = "*"
    match: str = ""
    operator: str = ""
    onwards: bool = False
    weights: str = FLOAT
    activations: str = FLOAT
    granularity: str = "channel"
    reason: str = ""
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        """Refuse words and expressions that mean nothing."""
        words = {"weights": WEIGHTS, "activations": ACTIVATIONS, "granularity": GRANULARITIES, "rounding": ROUNDINGS}
        for name, known in words.items():
            value = getattr(self, name)
            if value not in known:
                raise BadRecipeError(f"a rule's {name} are {value!r}", f"choose one of: {', '.join(known)}")
        if self.weights == FLOAT and self.activations not in {FLOAT, "fp16"}:
            raise BadRecipeError(
                f"the rule {self.match or '(all)'} has float weights and {self.activations} activations",
                "no runtime computes that: give it int8 weights, or float activations",
            )
        for expression in (self.match, self.operator):
            try:
                re.compile(expression)
            except re.error as error:
                way_out = "escape . * + ? ( ) ["
                raise BadRecipeError(f"{expression!r} is no regular expression: {error}", way_out) from error

    @property
    def is_float(self) -> bool:
        """Tell a rule that leaves operators alone."""
        return self.weights == FLOAT == self.activations

    @property
    def is_compensated(self) -> bool:
        """Tell whether the errors of the weights have to cancel on the calibration pictures."""
        return (self.rounding, self.weights, self.granularity) == ("compensated", "int8", "channel")

    @property
    def kind(self) -> str:
        """Name the rule in a word, as ``w8a8``."""
        if self.is_float or self.weights == "fp16":
            return self.weights
        bits = {"int8": "8", "int4": "4"}.get(self.weights, f"-{self.weights}")
        return f"w{bits}" + {"int8": "a8", "int16": "a16", "dynamic": "-dynamic"}.get(self.activations, "")

    @property
    def is_refitted(self) -> bool:
        """Tell whether the weights have to make up for the layers before them."""
        return (self.rounding, self.weights, self.granularity) == ("refitted", "int8", "channel")

    def covers(self, graph: str) -> bool:
        """Tell whether the rule is for operators of `graph` at all."""
        return fnmatchcase(graph, self.graph)

    def fits(self, graph: str, names: Iterable[str], operator: str = "") -> bool:
        """Tell whether the rule is for an operator of `graph` with these `names` and of this type."""
        by_name = not self.match or any(re.search(self.match, name) for name in names if name)
        by_type = not self.operator or re.fullmatch(self.operator, operator, re.IGNORECASE) is not None
        return self.covers(graph) and by_name and by_type


@dataclass(frozen=True)
class Operator:
    """An operator of a graph file, as rules see it.

    Attributes:
        names: by which it may be meant: its own, its results', its constants'.
        type: as the format calls it.
        reads, writes: names of the tensors that it takes and gives.
    """

    names: tuple[str, ...]
    type: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class CalibrationSet:
    """The pictures on which activation ranges were measured.

    Attributes:
        name: for people.
        sha256: of the pixels, in order.
        samples: how many pictures.
        strata: stratum, as ``exposure=dark``, to how many pictures lie in it; one with none is missing.
    """

    name: str
    sha256: str
    samples: int
    strata: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """List the strata without a picture."""
        return tuple(name for name, count in self.strata.items() if not count)

    @property
    def coverage(self) -> float:
        """Share of the strata that hold a picture, 0..1."""
        return 1 - len(self.missing) / len(self.strata) if self.strata else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the set as JSON data, with its coverage."""
        return {**vars(self), "strata": dict(self.strata), "coverage": self.coverage, "missing": list(self.missing)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CalibrationSet:
        """Read a set that `to_dict` made; the coverage is computed again, not believed."""
        strata = {str(name): int(count) for name, count in data["strata"].items()}
        return cls(str(data["name"]), str(data["sha256"]), int(data["samples"]), strata)


@dataclass(frozen=True)
class Recipe:
    """How to quantize an artifact.

    Attributes:
        precision: one of `PRECISIONS`; names the artifact.
        rules: in order; operators that none fits stay float.
        target: ``cpu`` or ``npu``: which kernels the integers are for.
        calibration: what the activation ranges were measured on; None before, and where nothing is measured.
        native: format to the quantizer's own recipe, used in place of the rules (AI Edge Quantizer's JSON for tflite).
    """

    precision: str
    rules: tuple[Rule, ...] = ()
    target: str = "cpu"
    calibration: CalibrationSet | None = None
    native: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an unknown precision or target, and a recipe that does nothing."""
        if self.precision not in PRECISIONS:
            raise BadRecipeError(f"there is no precision {self.precision!r}", f"choose one of: {', '.join(PRECISIONS)}")
        if self.target not in TARGETS:
            raise BadRecipeError(f"there is no target {self.target!r}", f"choose one of: {', '.join(TARGETS)}")
        if all(rule.is_float for rule in self.rules) and not self.native:
            raise BadRecipeError("the recipe leaves everything float", "add a rule with int8 weights")

    def rules_for(self, graph: str, operators: Iterable[Operator]) -> list[Rule]:
        """Return the rule that counts for each operator of a graph, a float one where none fits.

        Args:
            graph: its name.
            operators: in the order in which they are computed.
        """
        reached: dict[int, set[str]] = {number: set() for number, rule in enumerate(self.rules) if rule.onwards}
        found = []
        for operator in operators:
            fitting = Rule()
            for number, rule in enumerate(self.rules):
                behind = number in reached and not reached[number].isdisjoint(operator.reads)
                if rule.covers(graph) and (behind or rule.fits(graph, operator.names, operator.type)):
                    fitting = rule
                    reached.get(number, set()).update(operator.writes)
            found.append(fitting)
        return found

    def touches(self, graph: str) -> bool:
        """Tell whether some rule quantizes something in a graph."""
        return any(not rule.is_float and rule.covers(graph) for rule in self.rules)

    @property
    def needs_calibration(self) -> bool:
        """Tell whether pictures have to pass through: for activation ranges, or for the rounding of weights."""
        return bool(self.native) or any(
            rule.activations in {"int8", "int16"} or rule.is_compensated or rule.is_refitted for rule in self.rules
        )

    @property
    def is_refitted(self) -> bool:
        """Tell whether some rule needs the PyTorch network, to move its weights before they are rounded."""
        return any(rule.is_refitted for rule in self.rules)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON data."""
        return {
            "schema_version": SCHEMA_VERSION,
            "precision": self.precision,
            "target": self.target,
            "rules": [asdict(rule) for rule in self.rules],
            "calibration": self.calibration.to_dict() if self.calibration else None,
            "native": dict(self.native),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Read a recipe that `to_dict` or a person made; the ``layout`` of a manifest's recipe is the exporter's.

        Raises:
            BadRecipeError: unknown keys, words or versions; the message names them.
        """
        if data.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            raise BadRecipeError(
                f"the recipe has schema version {data['schema_version']}", f"this viewfinder reads {SCHEMA_VERSION}"
            )
        try:
            rules = tuple(Rule(**rule) for rule in data.get("rules", ()))
            measured = data.get("calibration")
            calibration = CalibrationSet.from_dict(measured) if measured else None
            known = {key: data[key] for key in ("precision", "target", "native") if key in data}
            unknown = set(data) - {"schema_version", "rules", "calibration", "precision", "target", "native", "layout"}
            if unknown:
                raise BadRecipeError(
                    f"a recipe has no {', '.join(sorted(unknown))}", "see `viewfinder quantize --help`"
                )
            return cls(rules=rules, calibration=calibration, **known)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise BadRecipeError(
                f"the recipe cannot be read: {error}",
                "it has precision, target, rules; a rule has graph, match, operator, onwards, weights, activations ...",
            ) from error


def read_json(path: Path) -> Any:
    """Read a recipe file as JSON data, whosever it is.

    Raises:
        BadRecipeError: no such file, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadRecipeError(f"there is no recipe {path}", "check the path; it is relative to this folder") from None
    except (OSError, ValueError) as error:
        raise BadRecipeError(f"{path} is no JSON: {error}", "a recipe is a JSON file") from error
