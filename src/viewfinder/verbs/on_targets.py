"""Verify for several kinds of processors at once: one table, with a row for everything that was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import accelerators, artifact, files, golden, models
from viewfinder.accelerators import ABSENT, VELA, Accelerator
from viewfinder.artifact import Artifact
from viewfinder.errors import MissingToolError, UsageError, ViewfinderError
from viewfinder.golden import Golden
from viewfinder.presets import Npu
from viewfinder.runtime import verify as verifying
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Section
from viewfinder.task import BURST, NOISY
from viewfinder.verbs import adapters, on_npu
from viewfinder.verbs.adapters import CPU, FLOAT, INTEGERS, NPU, Bind, Case, Order
from viewfinder.verbs.siblings import artifacts_in
from viewfinder.verbs.verification import VerifyRequest, VerifyResult, assembled, bound

if TYPE_CHECKING:
    from viewfinder.verbs.export import ExportOptions

Progress = Callable[[str], None]
Done = list[tuple[Section, Golden]]
SNAPDRAGON = "qnn"
"""Stands for Qualcomm's NPUs where others are named by their adapter."""
_TILE, _NOISY_TILE = 128, 96
_IN_16_BITS = (SNAPDRAGON, VELA)
"""What computes integers of 16 bits."""
_ON_SNAPDRAGON = (Order("onnx", FLOAT, NPU), Order("onnx", "w8a8", NPU))


@dataclass(frozen=True)
class _Made:
    """An artifact, and the adapter that it was made for; "" where it lay in a build, for whoever takes it."""

    own: Artifact
    adapter: str = ""


@dataclass(frozen=True)
class _Ready:
    """What there is to verify.

    Attributes:
        missing: why nothing was made for an adapter.
    """

    made: list[_Made] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Wanted:
    """What the request names, by what verifies it."""

    snapdragons: tuple[Npu, ...]
    others: tuple[Accelerator, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> _Wanted:
        """Sort names.

        Raises:
            UsageError: nothing has one of them.
        """
        found = [accelerators.find(name) for name in dict.fromkeys(names)]
        return cls(
            tuple(one for one in found if isinstance(one, Npu)),
            tuple(one for one in found if isinstance(one, Accelerator)),
        )

    def orders(self) -> dict[str, dict[Order, None]]:
        """List what is made of a model, by the adapter that it is for; each order once."""
        found: dict[str, dict[Order, None]] = {SNAPDRAGON: dict.fromkeys(_ON_SNAPDRAGON)} if self.snapdragons else {}
        for one in self.others:
            found.setdefault(one.adapter, {}).update(dict.fromkeys(_needs(one)))
        return found


def _needs(one: Accelerator) -> Sequence[Order]:
    """List what a target is given; where it has no adapter, an artifact that it would take."""
    if one.adapter != ABSENT:
        return adapters.load(one.adapter).NEEDS
    precision = "w8a8" if one.takes.startswith("the w8a8") else FLOAT
    return (Order(one.format if one.format in {"tflite", "onnx"} else "tflite", precision),)


def only_snapdragons(names: Sequence[str]) -> bool:
    """Tell whether all names are Snapdragons' NPUs.

    Raises:
        UsageError: nothing has one of them.
    """
    return not _Wanted.of(names).others


def verified_on_targets(request: VerifyRequest, work: Path, say: Progress) -> VerifyResult:
    """Verify for every target, put the report together and write it; what could not run is a row that says why.

    Raises:
        UsageError: nothing has a target's name, or there is no artifact and no model.
    """
    wanted = _Wanted.of(request.processors)
    if request.is_model:
        request, ready = _of_model(request, wanted, work, say)
    else:
        ready = _Ready([_Made(own) for own in artifacts_in(request.subject)])

    def bind(section: Section) -> Section:
        """Set the limits of quality."""
        return bound(section, request.all_limits())

    done: Done = []
    if wanted.snapdragons:
        done += _on_snapdragons(
            replace(request, npus=tuple(one.name for one in wanted.snapdragons)), ready.made, bind, say
        )
    for one in wanted.others:
        say(f"verifying for {one.name}")
        done += _elsewhere(request, one, ready, bind)
    document = assembled(request.command, [section for section, _ in done], done[0][1])
    if request.output is not None:
        with files.explained(request.output):
            request.output.mkdir(parents=True, exist_ok=True)
        documents.write(document, request.output)
    return VerifyResult(document, request.output)


def _of_model(request: VerifyRequest, wanted: _Wanted, work: Path, say: Progress) -> tuple[VerifyRequest, _Ready]:
    """Make what the targets take, each kind of target's in a folder of its own, and the golden pictures of all."""
    from viewfinder.verbs.export import ExportOptions, write_golden

    options = ExportOptions(
        request.subject, (), FLOAT, work, request.weights, photos=request.photos, write_golden=False,
        use_cache=request.use_cache,
    )  # fmt: skip
    truth = request.golden or write_golden(options, work / golden.FILE, say)
    ready = _Ready()
    for adapter, orders in wanted.orders().items():
        folder = work / adapter
        try:
            suited = [_suited(request.subject, order) for order in orders] if adapter in _IN_16_BITS else orders
            ready.made.extend(_Made(_filled(options, folder, order, say), adapter) for order in suited)
        except MissingToolError as error:
            ready.missing[adapter] = f"{error.message}; {error.hint}"
            ready.made.append(_Made(_filled(options, work / ABSENT, Order("tflite"), say), ABSENT))
    return replace(request, golden=truth), ready


def _suited(model: str, order: Order) -> Order:
    """Give networks that take noise away activations of 16 bits where an NPU that has them is offered 8.

    Rounding errors of all layers add up in the noise that `dncnn` predicts. On tiles of 64 x 64 of the package's
    photographs, w8a8 loses 0.18 dB on average and 0.57 on the worst on Snapdragon (its layers from the tenth on in
    fp16), 0.87 and 2.3 on Ethos-U85. One tile costs 0.54 ms of w8a16 on Snapdragon, 0.42 of w8a8, 0.77 of fp16.
    """
    noisy = models.load(model).samples == NOISY
    return replace(order, precision="w8a16") if noisy and order.precision == "w8a8" else order


def _filled(options: ExportOptions, folder: Path, order: Order, say: Progress) -> Artifact:
    """Export into a folder what an order says, and quantize it; float that is there already is taken."""
    from viewfinder.export.request import PRECISIONS
    from viewfinder.verbs.export import export

    exported = order.precision if order.precision in PRECISIONS else FLOAT
    base = folder / f"{order.format}-{exported}"
    if not base.exists():
        shape = {} if order.form == CPU else _shape(options.model, order.form)
        export(replace(options, formats=(order.format,), output=folder, precision=exported, **shape), say)
    if order.precision == exported:
        return artifact.load(base)
    _quantize(base, order, say)
    return artifact.load(folder / f"{order.format}-{order.precision}")


def _shape(model: str, form: str) -> dict[str, Any]:
    """Return the form and the sizes that NPUs are given.

    Of slicing the tent form, because others fall off them or are slow there: Snapdragon's compiler expects 1.25 ms of a
    strip in tent form and 20.8 ms in cell form (SA8255, v73). Of bursts, and of pictures where the reach is known,
    tiles of 128 x 128, because the emulator takes minutes for 256 x 256. Without float, curves of bursts in tables,
    and weights of what takes noise away in twice 8 bits.
    """
    task = models.load(model)
    pipeline = task.pipeline
    if pipeline == "bilateral_grid":
        return {"form": "tent"}
    if pipeline != BURST and "halo" not in task.pipeline_options:
        return {}
    side = _NOISY_TILE if task.samples == NOISY else _TILE
    sizes: dict[str, Any] = {"strip_rows": side, "width": side}
    integers = "tables" if pipeline == BURST else "doubled" if task.samples == NOISY else "auto"
    return {**sizes, "form": integers} if form == INTEGERS else sizes


def _quantize(folder: Path, order: Order, say: Progress) -> None:
    """Quantize an artifact into the folder beside it."""
    from viewfinder.verbs.quantize import QuantizeRequest, quantize

    if order.recipe is None:
        quantize(QuantizeRequest(str(folder), order.precision, None, NPU), say)
        return
    given = folder.parent / f"{order.precision}.json"
    recipe = order.recipe(order.precision, artifact.load(folder).pipeline)
    given.write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
    quantize(QuantizeRequest(str(folder), None, given, None), say)


def _on_snapdragons(request: VerifyRequest, made: Sequence[_Made], bind: Bind, say: Progress) -> Done:
    """Verify on Snapdragons what is in ONNX or compiled already."""
    usable = [one.own for one in made if one.own.format in {"onnx", "qnn"} and one.adapter in {"", SNAPDRAGON}]
    if not usable:
        takes = "an ONNX artifact, float or quantized with `viewfinder quantize --target npu`"
        return [
            _absent(request, Accelerator(name, name, ABSENT, "onnx", takes), made, f"{request.subject} has none")
            for name in request.npus
        ]
    return on_npu.sections(request, [one.folder for one in usable], bind, say)


def _elsewhere(request: VerifyRequest, one: Accelerator, ready: _Ready, bind: Bind) -> Done:
    """Verify for one other target."""
    made = ready.made
    if one.adapter == ABSENT:
        return [_absent(request, one, made, one.needs)]
    adapter = adapters.load(one.adapter)
    usable = [own.own for own in made if own.adapter in {"", one.adapter} and adapter.takes(own.own)]
    if not usable:
        reason = ready.missing.get(one.adapter, f"{request.subject} has no such artifact")
        return [_absent(request, one, made, reason)]
    done: Done = []
    for own in usable:
        truth = _golden(request, own)
        try:
            verifying.check_pair(own, truth)
            done += [(section, truth) for section in adapter.sections(Case(own, one, truth, request), bind)]
        except ViewfinderError as error:
            done.append(_absent(request, one, made, error.message))
    return done


def _absent(request: VerifyRequest, one: Accelerator, made: Iterable[_Made], reason: str) -> tuple[Section, Golden]:
    """Make the row of a target that was not run, with the artifact that it would take."""
    here = [item.own for item in made]
    usable = [own for own in here if own.format == one.format] or here
    own = next((own for own in usable if own.precision in one.takes), usable[0])
    ready = f"ready: {own.folder.name}" if own.format == one.format else "not made here"
    text = f"not-run: {reason}; it would take {one.takes} ({ready})"
    truth = _golden(request, own)
    return adapters.not_run(Case(own, one, truth, request), one.name, text), truth


def _golden(request: VerifyRequest, own: Artifact) -> Golden:
    """Load the golden file of an artifact.

    Raises:
        UsageError: there is none.
    """
    path = request.golden or golden.find(own.folder)
    if path is None:
        raise UsageError(f"{own.folder} has no golden pictures beside it", "name the file with --golden")
    return golden.load(path)
