"""Quantize every graph of an artifact that its recipe names, copy the others, write the new artifact whole."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from viewfinder import artifact, files
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import BadArtifactError, MissingToolError, UsageError
from viewfinder.quantize import pt2e, refitting
from viewfinder.quantize.job import Abilities, Convert, Feeds, GraphJob, Observe, Tuning
from viewfinder.recipe import BadRecipeError, Recipe

FORMATS = ("onnx", "tflite", "coreml", "executorch")


@dataclass(frozen=True)
class Aids:
    """What a format's tool cannot get for itself.

    Attributes:
        feeds: graph name to calibration inputs.
        observe: measures ranges of tensors (Core ML).
        networks: graph name to the PyTorch module and its example inputs (ExecuTorch, and whatever goes through PT2E).
        tuning: how their weights are trained; None does not.
        convert: writes a quantized module in the artifact's format; None takes the format's own quantizer.
        rewrite: writes a float module in the artifact's format, for recipes that refit weights.
    """

    feeds: Mapping[str, tuple[Feeds, ...]] = field(default_factory=dict)
    observe: Observe | None = None
    networks: Mapping[str, tuple[Any, tuple[Any, ...]]] = field(default_factory=dict)
    tuning: Tuning | None = None
    convert: Convert | None = None
    rewrite: Convert | None = None

    @property
    def tools(self) -> tuple[str, ...]:
        """Name the packages that work on the network, beside the format's own."""
        return (*(pt2e.TOOLS if self.convert else ()), *(refitting.TOOLS if self.rewrite else ()))


def writer(name: str) -> ModuleType:
    """Return the module of a format.

    Raises:
        UsageError: no quantizer writes this format.
    """
    if name not in FORMATS:
        raise UsageError(f"{name} artifacts cannot be quantized", f"these can: {', '.join(FORMATS)}")
    return importlib.import_module(f"viewfinder.quantize.{name}")


def check(recipe: Recipe, file_format: str, *, through_pt2e: bool = False) -> None:
    """Refuse what a format cannot hold, before any work.

    Raises:
        BadRecipeError: it cannot; the hint says what it can.
    """
    able: Abilities = writer("executorch" if through_pt2e else file_format).ABILITIES
    lacking = "" if recipe.native else able.lacks(recipe)
    if lacking:
        raise BadRecipeError(f"{file_format} has no {lacking}", able.way_out, code="not-in-this-format")
    if recipe.native and file_format not in recipe.native:
        raise BadRecipeError(
            f"the recipe is one of {', '.join(recipe.native)}'s own quantizer, not for {file_format}",
            f"say --format {next(iter(recipe.native))}",
        )


def quantize(parent: Artifact, recipe: Recipe, folder: Path, aids: Aids | None = None) -> Artifact:
    """Write the artifact `folder`, made from the float artifact `parent`, whole or not at all.

    Raises:
        BadArtifactError: the parent is quantized already.
        BadRecipeError: the recipe names nothing in it, or what the format cannot hold.
        MissingToolError: the format's quantizer is not installed.
    """
    if parent.precision != "float":
        raise BadArtifactError(
            f"{parent.folder} is {parent.precision} already", "quantize the float artifact that lies beside it"
        )
    check(recipe, parent.format)
    aids, module = aids or Aids(), writer(parent.format)
    graphs = []
    with files.new_folder(folder) as partial:
        for graph in parent.graphs:
            job = GraphJob(
                graph.name,
                parent.path(graph),
                partial / graph.file,
                recipe,
                aids.feeds.get(graph.name, ()),
                aids.observe,
                aids.networks.get(graph.name),
                aids.tuning,
                aids.convert,
                parent.format,
            )
            with _refitted(job, aids.rewrite) as ready:
                graphs.append(replace(graph, notes={**graph.notes, **_graph(ready, module, parent, graph)}))
        if not any(_changed(graph) for graph in graphs):
            raise BadRecipeError(
                f"no operator of {parent.folder} fits a rule of the recipe that is not float",
                f"the graphs are: {', '.join(graph.name for graph in graphs)}; `viewfinder inspect` names operators",
            )
        made = replace(
            parent,
            folder=folder,
            precision=recipe.precision,
            graphs=tuple(graphs),
            parent_sha256=parent.sha256,
            recipe={**parent.recipe, **recipe.to_dict()},
            tools={**parent.tools, **_versions((*module.TOOLS, *aids.tools))},
        )
        artifact.write_manifest(made, partial)
    return artifact.load(folder, parent=parent)


@contextmanager
def _refitted(job: GraphJob, rewrite: Convert | None) -> Iterator[GraphJob]:
    """Put a file with refitted weights in place of the graph's own, where the recipe asks for it."""
    if not (job.recipe.is_refitted and job.recipe.touches(job.name)):
        yield job
        return
    if job.network is None or rewrite is None:
        raise UsageError(
            f"the recipe refits the weights of the graph {job.name}, and its PyTorch network is not known",
            'quantize the model by its name, or ask for rounding "compensated"',
        )
    with tempfile.TemporaryDirectory(prefix="viewfinder-quantize-") as folder:
        source = Path(folder) / job.source.name
        rewrite(job.name, refitting.refitted(job), source)
        yield replace(job, source=source)


def _graph(job: GraphJob, module: ModuleType, parent: Artifact, graph: GraphFile) -> dict[str, Any]:
    """Quantize one graph, or copy it where the recipe leaves it alone."""
    if job.recipe.touches(job.name) or _is_native_for(job):
        try:
            notes: dict[str, Any] = (pt2e if job.convert else module).quantize(job)
        except ModuleNotFoundError as error:
            raise MissingToolError(
                f"quantizing {parent.format} needs the package {error.name!r}, which is not installed",
                "python -m pip install 'viewfinder[export]'",
            ) from error
        return notes
    source = parent.path(graph)
    (shutil.copytree if source.is_dir() else shutil.copy2)(source, job.target)
    return {"rules": {"float": "all"}}


def _is_native_for(job: GraphJob) -> bool:
    """Tell whether a native recipe is for a graph: a list is for all, a mapping for the graphs that it names."""
    return any(not isinstance(given, Mapping) or job.name in given for given in job.recipe.native.values())


def _changed(graph: GraphFile) -> bool:
    """Tell whether some operator of a graph is not float any more."""
    return "ai_edge_quantizer_recipe" in graph.notes or any(kind != "float" for kind in graph.notes["rules"])


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of what made the artifact."""
    return {name: metadata.version(name) for name in packages}
