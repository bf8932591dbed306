"""``viewfinder quantize``: from float artifacts to quantized ones, by a recipe, with a named calibration set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from viewfinder import artifact, models
from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.export.quiet import quiet
from viewfinder.quantize import calibration, defaults, quantizer, tflite
from viewfinder.quantize.job import Tuning
from viewfinder.quantize.quantizer import Aids
from viewfinder.recipe import BadRecipeError, Recipe, read_json
from viewfinder.task import NOISY
from viewfinder.verbs import calibrating, feeding, kept, recutting
from viewfinder.verbs.calibrating import Asked, Chosen

Progress = Callable[[str], None]
DEFAULT_PRECISION = "w8a8"


@dataclass(frozen=True)
class QuantizeRequest:
    """What to quantize.

    Attributes:
        subject: a float artifact's folder, a folder with some (a build), or a model, which is exported first.
        precision: or an alias (`viewfinder.quantize.defaults.ALIASES`); None takes the recipe's, else
            `viewfinder.quantize.defaults.usual`.
        recipe: a file: ours, or AI Edge Quantizer's (then TFLite only). None takes the default of the pipeline.
        target: ``cpu`` or ``npu``; None takes the recipe's.
        formats: of the artifacts found; empty takes all that can hold the precision.
        output: folder that will hold ``FORMAT-PRECISION/``; None takes the one in which the float artifact lies.
        calibration_data: photographs or folder, also of bursts where the network takes them; None takes
            `viewfinder.quantize.calibration.default`.
        samples: most photographs or bursts that are taken of them.
        min_coverage: least share of the strata that must hold a sample, 0..1.
        model: of a network that is not shipped, where PyTorch's is needed: ``path/to/file.py:TASK``.
        weights: of a model.
        use_cache: serve and keep artifacts in the cache, the float ones and the quantized ones.
        pt2e: quantize the PyTorch network in place of the file, as ExecuTorch always has it.
        qat_steps: train weights and ranges of the network by so many steps (then `pt2e` is meant).
    """

    subject: str
    precision: str | None = None
    recipe: Path | None = None
    target: str | None = None
    formats: tuple[str, ...] = ()
    output: Path | None = None
    calibration_data: Path | None = None
    samples: int = calibration.DEFAULT_SAMPLES
    min_coverage: float = 1.0
    model: str | None = None
    weights: str | None = None
    use_cache: bool = True
    pt2e: bool = False
    qat_steps: int = 0

    def __post_init__(self) -> None:
        """Refuse a coverage that is no share, and steps that go back."""
        if not 0 <= self.min_coverage <= 1:
            raise UsageError(f"a coverage of {self.min_coverage}", "give a share of 0 to 1")
        if self.qat_steps < 0:
            raise UsageError(f"{self.qat_steps} training steps", "give 0 or more")

    @property
    def tuning(self) -> Tuning | None:
        """Say how weights are trained to be rounded; None does not train."""
        return Tuning(self.qat_steps) if self.qat_steps else None

    @property
    def through_pt2e(self) -> bool:
        """Tell whether PyTorch's own graph is quantized, for every format."""
        return self.pt2e or self.qat_steps > 0


@dataclass(frozen=True)
class QuantizeResult:
    """What was written."""

    artifacts: tuple[Artifact, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def artifact(self) -> Artifact:
        """Return the only artifact, or the first of several."""
        return self.artifacts[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {"artifacts": [self._described(made) for made in self.artifacts], "warnings": list(self.warnings)}

    def _described(self, made: Artifact) -> dict[str, Any]:
        """Describe one artifact as JSON data."""
        return {
            "folder": str(made.folder),
            "sha256": made.sha256,
            "parent_sha256": made.parent_sha256,
            "format": made.format,
            "precision": made.precision,
            "size_bytes": made.size_bytes,
            "seconds": round(self.seconds.get(made.folder.name, 0.0), 2),
            "calibration": made.recipe["calibration"],
            "graphs": {graph.name: dict(graph.notes["rules"]) for graph in made.graphs},
            "training": {graph.name: graph.notes["training"] for graph in made.graphs if "training" in graph.notes},
            "round_trip": {
                graph.name: graph.notes["round_trip"] for graph in made.graphs if "round_trip" in graph.notes
            },
        }


def quantize(request: QuantizeRequest, progress: Progress | None = None) -> QuantizeResult:
    """Quantize every float artifact that the request names; each new one appears whole or not at all.

    Raises:
        UsageError: no such artifact, model, format or precision; a recipe that a format cannot hold.
        CheckFailedError: the calibration set leaves out kinds of pictures; nothing has been done then.
        MissingToolError: a quantizer is not installed.
    """
    say = progress or (lambda _line: None)
    given = read_json(request.recipe) if request.recipe is not None else None
    _check_words(request, given)
    there = _there(request)
    chosen = Chosen()
    if _may_need_calibration(request, given, there):
        asked = Asked(request.calibration_data, request.samples, request.min_coverage)
        chosen = calibrating.choose(asked, calibrating.kind_of(request.subject, there))
    parents, warnings = _chosen(request, given, _exported(request, given, say) if there is None else there)
    made, seconds = [], {}
    for parent in parents:
        recipe = replace(_recipe(request, given, parent), calibration=None)
        name, start = f"{parent.format}-{recipe.precision}", time.perf_counter()
        say(f"quantizing {parent.folder.name} to {name}")
        if recipe.needs_calibration:
            recipe = replace(recipe, calibration=chosen.described)
        folder = (request.output or parent.folder.resolve().parent) / name
        made.append(_made(request, parent, recipe, chosen, folder))
        seconds[name] = time.perf_counter() - start
        warnings += tflite.warnings(recipe.rules) if parent.format == "tflite" else []
        warnings += defaults.warnings(parent, recipe)
    return QuantizeResult(tuple(made), seconds, tuple(warnings))


def _check_words(request: QuantizeRequest, given: Any) -> None:
    """Refuse unknown words, and a precision that a format cannot hold, before anything is exported."""
    plain = defaults.least(request.precision or DEFAULT_PRECISION)
    for name in request.formats:
        quantizer.writer(name)
        if given is None:
            quantizer.check(plain, name, through_pt2e=request.through_pt2e)
    if given is not None and not tflite.is_native(given):
        own = _own(request, given)
        wanted = defaults.precision(request.precision) if request.precision else own.precision
        if wanted != own.precision:
            raise BadRecipeError(
                f"{request.recipe} is a recipe for {own.precision}, not {wanted}", "leave --precision out"
            )


def _own(request: QuantizeRequest, given: Any) -> Recipe:
    """Read a recipe of ours."""
    if not isinstance(given, Mapping):
        raise BadRecipeError(f"{request.recipe} holds no recipe", "see `viewfinder quantize --help`")
    recipe = Recipe.from_dict(given)
    return replace(recipe, target=request.target or recipe.target)


def _recipe(request: QuantizeRequest, given: Any, parent: Artifact) -> Recipe:
    """Return the recipe for one artifact."""
    if given is None:
        target = request.target or "cpu"
        usual = DEFAULT_PRECISION if request.through_pt2e else defaults.usual(parent, target)
        return defaults.recipe(parent, request.precision or usual, target)
    if not tflite.is_native(given):
        return _own(request, given)
    base = defaults.recipe(parent, "w8a8")
    graphs = [graph.name for graph in parent.graphs if base.touches(graph.name)]
    named = given if isinstance(given, dict) else dict.fromkeys(graphs, given)
    return Recipe(tflite.precision_of(given), native={tflite.NATIVE: named})


def _may_need_calibration(request: QuantizeRequest, given: Any, there: Sequence[Artifact] | None) -> bool:
    """Tell whether pictures will have to pass through, before there is an artifact to ask about."""
    if given is None:
        meant = defaults.precision(request.precision or DEFAULT_PRECISION)
        if meant == "w8":  # of denoisers, weights are refitted
            return calibrating.kind_of(request.subject, there) == NOISY
        return meant != "fp16"
    return tflite.is_native(given) or _own(request, given).needs_calibration


def _there(request: QuantizeRequest) -> list[Artifact] | None:
    """Load the float artifacts that the request names; None where it names a model.

    Raises:
        UsageError: a folder without artifacts.
    """
    path = Path(request.subject).expanduser()
    if not path.exists() or request.subject in models.names() or request.subject.endswith(".py"):
        return None
    found = artifact.find(path) or ([path] if (path / artifact.MANIFEST).is_file() else [])
    if not found:
        raise UsageError(f"there is no artifact in {path}", "name an artifact's folder, a build, or a model")
    loaded = [artifact.load(folder) for folder in found]
    # Of a build, the float ones are meant; an artifact that is named itself is refused later, with the reason.
    return loaded if len(loaded) == 1 else [one for one in loaded if one.precision == "float"]


def _exported(request: QuantizeRequest, given: Any, say: Progress) -> list[Artifact]:
    """Export the model that the request names, beside where the result goes."""
    from viewfinder.verbs.export import ExportOptions, export

    formats = request.formats or ((tflite.NATIVE,) if given is not None and tflite.is_native(given) else ())
    options = ExportOptions(
        request.subject, formats, output=request.output, weights=request.weights, use_cache=request.use_cache
    )
    return list(export(options, say).artifacts)


def _chosen(request: QuantizeRequest, given: Any, parents: Sequence[Artifact]) -> tuple[list[Artifact], list[str]]:
    """Take the formats asked for; of formats that nobody asked for, leave out with a warning what cannot be done."""
    taken: list[Artifact] = []
    warnings: list[str] = []
    for parent in parents:
        if request.formats and parent.format not in request.formats:
            continue
        try:
            quantizer.check(_recipe(request, given, parent), parent.format, through_pt2e=request.through_pt2e)
        except BadRecipeError as error:
            if request.formats or len(parents) == 1:
                raise
            warnings.append(f"{parent.folder.name} is left out: {error.message}; {error.hint}")
            continue
        taken.append(parent)
    if not taken:
        wanted = ", ".join(request.formats)
        reason = f"no float artifact of {wanted}" if wanted else "; ".join(warnings) or "no float artifact"
        raise UsageError(f"{request.subject}: {reason}", "export the model first, or name another format")
    return taken, warnings


def _made(request: QuantizeRequest, parent: Artifact, recipe: Recipe, chosen: Chosen, folder: Path) -> Artifact:
    """Quantize one artifact, or fetch what the same request gave before."""
    entry = kept.entry(parent, recipe, request.tuning, through_pt2e=request.through_pt2e)
    if request.use_cache and artifact.serve(entry, folder):
        return artifact.load(folder, parent=parent)
    with quiet():
        made = quantizer.quantize(parent, recipe, folder, _aids(request, parent, recipe, chosen))
    if request.use_cache:
        artifact.copy(folder, entry)
    return made


def _aids(request: QuantizeRequest, parent: Artifact, recipe: Recipe, chosen: Chosen) -> Aids:
    """Record calibration inputs, and get the network where the format needs it."""
    graphs = [graph.name for graph in parent.graphs if recipe.touches(graph.name) or recipe.native]
    if recipe.native:
        named = recipe.native[tflite.NATIVE]
        graphs = [name for name in graphs if name in named]
    needed = graphs if recipe.needs_calibration else []
    feeds = feeding.record(parent, (sample.read() for sample in chosen.samples), needed) if needed else {}
    if parent.format != "executorch" and not request.through_pt2e and not recipe.is_refitted:
        return Aids(feeds, feeding.ranges)
    name = request.model or (request.subject if _is_model(request.subject) else parent.task)
    networks = recutting.networks(parent, name, request.weights)
    for graph in parent.graphs:
        recutting.check_same(parent, graph, networks[graph.name], feeds.get(graph.name, ()))
    rewrite = recutting.converter(parent, networks, is_rounded=False) if recipe.is_refitted else None
    is_pt2e = request.through_pt2e and parent.format != "executorch"
    convert = recutting.converter(parent, networks, is_rounded=True) if is_pt2e else None
    return Aids(feeds, feeding.ranges, networks, request.tuning, convert, rewrite)


def _is_model(name: str) -> bool:
    """Tell a model's name or file from a folder."""
    return name in models.names() or ":" in name
