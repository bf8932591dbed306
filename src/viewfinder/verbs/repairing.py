"""Build the candidates of a repair with `viewfinder quantize`, and measure them as they would ship."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from viewfinder.artifact import Artifact
from viewfinder.golden import Golden
from viewfinder.measurement import Verdict
from viewfinder.quantize import defaults
from viewfinder.quantize.calibration import DEFAULT_SAMPLES
from viewfinder.recipe import Operator, Recipe, Rule
from viewfinder.runtime import probed, probes
from viewfinder.runtime.bisect import Op
from viewfinder.runtime.repair import BOTH, FLOAT, WEIGHTS, Layer, Point, Quality, layers, quality
from viewfinder.runtime.verify import Setup
from viewfinder.verbs.quantize import QuantizeRequest, quantize

_BITS = {BOTH: ("int8", "int8"), WEIGHTS: ("int8", "float"), FLOAT: ("float", "float")}
_WORDS = {
    BOTH: "8-bit weights and activations",
    WEIGHTS: "8-bit weights, float activations",
    FLOAT: "float",
}


@dataclass(frozen=True)
class Materials:
    """What candidates are made of and judged on.

    Attributes:
        reference: float's outputs of the charts.
        calibration_data, samples: None takes what `viewfinder quantize` takes.
    """

    parent: Artifact
    golden: Golden
    setup: Setup
    reference: probed.Reference
    calibration_data: Path | None = None
    samples: int | None = None


class Bench:
    """Builds each candidate once and measures it."""

    def __init__(self, materials: Materials, work: Path) -> None:
        """List the layers that the pipeline's own recipe would touch at all; what it keeps float by nature stays so."""
        self.materials, self._work = materials, work
        parent = materials.parent
        self._base = defaults.recipe(parent, BOTH)
        ops = layers.graph_ops(parent)
        graphs = [graph.name for graph in parent.graphs if self._base.touches(graph.name)]
        self.layers: list[Layer] = layers.listed(parent, ops, graphs)
        self._own_kinds = self._kinds_of(parent.format, graphs, ops)
        self._followers = [
            one for one in layers.followers(parent, ops, graphs) if self._own_kinds[f"{one.graph}: {one.name}"] == BOTH
        ]
        self._own_psnr = quality.own_psnr(materials.golden)
        self._made: dict[tuple[str, ...], Artifact] = {}

    def _kinds_of(self, kind: str, graphs: list[str], ops: Mapping[str, tuple[Op, ...]]) -> dict[str, str]:
        """Return what the pipeline's own recipe makes of each layer."""
        found: dict[str, str] = {}
        for graph in graphs:
            described = [Operator((op.name, op.output), op.kind, op.inputs, (op.output,)) for op in ops[graph]]
            rules = self._base.rules_for(graph, described)
            pairs = zip(ops[graph], rules, strict=True)
            found |= {f"{graph}: {layers.meant_by(kind, op)}": rule.kind for op, rule in pairs}
        return found

    def recipe(self, kinds: Mapping[str, str], losses: Mapping[str, Mapping[str, float]] | None = None) -> Recipe:
        """Return the pipeline's recipe with a rule for every layer that differs from it, and why."""
        rules = [
            _rule(layer, kinds[layer.key], (losses or {}).get(layer.key, {}))
            for layer in self.layers
            if kinds[layer.key] != self._own_kinds[layer.key]
        ]
        return Recipe("mixed", (*self._base.rules, *rules, *self._following(kinds)))

    def _following(self, kinds: Mapping[str, str]) -> list[Rule]:
        """Leave operators without weights float that compute on what float layers made; one rule for each graph."""
        names: dict[str, list[str]] = {}
        for one in self._followers:
            if any(kinds[key] != BOTH for key in one.layers):
                names.setdefault(one.graph, []).append(re.escape(one.name))
        why = "it computes on what float layers made; rounding that to 8 bits would win nothing"
        return [Rule(graph, f"^({'|'.join(found)});?$", reason=why) for graph, found in names.items()]

    def measure(self, kinds: Mapping[str, str], why: str) -> Point:
        """Build a candidate and run the photographs through it."""
        made = self._artifact(kinds)
        setup = self.materials.setup
        runner = setup.open_runner(made, setup.engine, setup.threads)
        found: Quality = quality.measured(runner, self.materials.golden, self._own_psnr)
        return Point(dict(kinds), made.size_bytes, layers.integer_share(self.layers, kinds, BOTH), found, why)

    def probe(self, point: Point) -> None:
        """Run the charts through a candidate."""
        side = probed.Side(self._artifact(point.kinds), self.materials.setup)
        report = probed.probed(side, self.materials.reference, probed.Order(tuple(probes.names()))).report
        point.failed = tuple(one.metric for one in report.measurements if one.verdict is not Verdict.PASS)

    def _artifact(self, kinds: Mapping[str, str]) -> Artifact:
        """Build a candidate; all float is the parent itself."""
        if set(kinds.values()) == {FLOAT}:
            return self.materials.parent
        key = tuple(kinds[layer.key] for layer in self.layers)
        if key not in self._made:
            folder = self._work / f"{len(self._made):03d}"
            folder.mkdir()
            (folder / "recipe.json").write_text(json.dumps(self.recipe(kinds).to_dict()), encoding="utf-8")
            self._made[key] = self.written(folder, folder / "recipe.json")
        return self._made[key]

    def written(self, folder: Path, recipe: Path) -> Artifact:
        """Quantize into ``folder/FORMAT-mixed`` with a recipe from a file, as a user would."""
        given = self.materials
        request = QuantizeRequest(
            subject=str(given.parent.folder),
            recipe=recipe,
            output=folder,
            calibration_data=given.calibration_data,
            samples=given.samples or DEFAULT_SAMPLES,
        )
        return quantize(request).artifact


def _rule(layer: Layer, kind: str, losses: Mapping[str, float]) -> Rule:
    """Write the rule of one layer, with what was measured of it."""
    weights, activations = _BITS[kind]
    measured = [f"{_WORDS[one]} of this layer alone lose {loss:.3f} dB" for one, loss in losses.items()]
    reason = f"repair chose {_WORDS[kind]}" + (f": {'; '.join(measured)} on the worst photograph" if measured else "")
    return Rule(layer.graph, layer.match, weights=weights, activations=activations, reason=reason)
