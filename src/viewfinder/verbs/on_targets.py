"""Verify for several kinds of processors at once: one table, with a row for everything that was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import accelerators, artifact, files, golden, models
from viewfinder.accelerators import ABSENT, COREML, VELA, Accelerator
from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError, ViewfinderError
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.presets import Npu
from viewfinder.runtime import engines, sampled, verified
from viewfinder.runtime import verify as verifying
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import on_ethos, on_npu
from viewfinder.verbs.siblings import artifacts_in

if TYPE_CHECKING:
    from viewfinder.verbs.verify import VerifyRequest, VerifyResult

Progress = Callable[[str], None]
Done = list[tuple[Section, Golden]]
INTEGERS = ("w8a8", "w8a16")
"""What is made of a model for NPUs of integers."""
_BANDS = 2


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

    def takes(self, adapter: str) -> bool:
        """Tell whether something of this adapter is asked for."""
        return any(one.adapter == adapter for one in self.others)


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
    from viewfinder.verbs import verify as verbs

    wanted = _Wanted.of(request.processors)
    made = _made(request, wanted, work, say)

    def bind(section: Section) -> Section:
        """Set the limits of quality."""
        return verbs.bound(section, request.all_limits())

    done: Done = []
    if wanted.snapdragons:
        done += _on_snapdragons(replace(request, npus=tuple(one.name for one in wanted.snapdragons)), made, bind, say)
    for one in wanted.others:
        say(f"verifying for {one.name}")
        done += _elsewhere(request, one, made, bind)
    document = verbs.assembled(request.command, [section for section, _ in done], done[0][1], ())
    if request.output is not None:
        with files.explained(request.output):
            request.output.mkdir(parents=True, exist_ok=True)
        documents.write(document, request.output)
    return verbs.VerifyResult(document, request.output)


def _made(request: VerifyRequest, wanted: _Wanted, work: Path, say: Progress) -> list[Artifact]:
    """Load the artifacts that the request names; of a model, make those that the targets take."""
    if not request.is_model:
        return artifacts_in(request.subject)
    from viewfinder.verbs.export import ExportOptions, export

    formats = [*(["onnx"] if wanted.snapdragons else []), *(["coreml"] if wanted.takes(COREML) else [])]
    own, integers = work / "export", work / "integers"
    options = ExportOptions(
        request.subject, tuple(formats), "float", own, request.weights, photos=request.photos,
        write_golden=request.golden is None, use_cache=request.use_cache,
    )  # fmt: skip
    form = _form(request.subject)
    for number, name in enumerate(formats):
        own_form = form if name == "onnx" else "auto"
        golden_once = options.write_golden and number == 0
        export(replace(options, formats=(name,), form=own_form, write_golden=golden_once), say)
    if wanted.snapdragons:
        _quantize(own / "onnx-float", "w8a8", None, say)
    if wanted.takes(VELA) or not formats:
        export(replace(options, formats=("tflite",), output=integers, form=form), say)
    if wanted.takes(VELA):
        pipeline = artifact.load(integers / "tflite-float").pipeline
        for precision in INTEGERS:
            given = work / f"{precision}.json"
            given.write_text(json.dumps(on_ethos.recipe(precision, pipeline).to_dict()), encoding="utf-8")
            _quantize(integers / "tflite-float", precision, given, say)
    return [artifact.load(folder) for place in (own, integers) if place.exists() for folder in artifact.find(place)]


def _form(model: str) -> str:
    """Name the form that NPUs are given: of slicing the tent form, because others fall off them or are slow there.

    Snapdragon's compiler expects 1.25 ms of a strip in tent form and 20.8 ms in cell form (SA8255, v73).
    """
    return "tent" if models.load(model).pipeline == "bilateral_grid" else "auto"


def _quantize(folder: Path, precision: str, recipe: Path | None, say: Progress) -> None:
    """Quantize an artifact into the folder beside it."""
    from viewfinder.verbs.quantize import QuantizeRequest, quantize

    chosen = None if recipe else precision
    quantize(QuantizeRequest(str(folder), chosen, recipe, None if recipe else "npu"), say)


def _on_snapdragons(request: VerifyRequest, made: Sequence[Artifact], bind: on_ethos.Bind, say: Progress) -> Done:
    """Verify on Snapdragons what is in ONNX or compiled already."""
    usable = [one for one in made if one.format in {"onnx", "qnn"}]
    if not usable:
        takes = "an ONNX artifact, float or quantized with `viewfinder quantize --target npu`"
        return [
            _absent(request, Accelerator(name, name, ABSENT, "onnx", takes), made, f"{request.subject} has none")
            for name in request.npus
        ]
    return on_npu.sections(request, [one.folder for one in usable], bind, say)


def _elsewhere(request: VerifyRequest, one: Accelerator, made: Sequence[Artifact], bind: on_ethos.Bind) -> Done:
    """Verify for one other target."""
    if one.adapter == ABSENT:
        return [_absent(request, one, made, _missing(one))]
    usable = [own for own in made if own.format == one.format and (one.adapter != VELA or own.precision in INTEGERS)]
    if not usable:
        return [_absent(request, one, made, f"{request.subject} has no such artifact")]
    done: Done = []
    for own in usable:
        truth = _golden(request, own)
        try:
            verifying.check_pair(own, truth)
            verify = _on_ethos if one.adapter == VELA else _by_reference
            done.append((verify(request, one, own, truth, bind), truth))
        except ViewfinderError as error:
            done.append(_absent(request, one, made, error.message))
    return done


def _on_ethos(request: VerifyRequest, one: Accelerator, own: Artifact, truth: Golden, bind: on_ethos.Bind) -> Section:
    """Compile with Vela."""
    from viewfinder.devices import toolchains

    python = toolchains.python(on_ethos.TOOLCHAIN)
    return on_ethos.section(on_ethos.Case(own, one, truth, python, request), bind)


def _by_reference(
    request: VerifyRequest, one: Accelerator, own: Artifact, truth: Golden, bind: on_ethos.Bind
) -> Section:
    """Compute what Core ML would, with the evaluator of this package."""
    count = request.bands or _BANDS

    def opened(made: Artifact, engine: Any, threads: int) -> sampled.SampledRunner:
        """Open the artifact's pipeline for some rows."""
        return sampled.open(made, engine, threads, count)

    notes = {
        "target": one.name,
        "rows": f"{count} bands of each photograph, spread evenly from top to bottom",
        "placement": "which unit of a phone computes what is decided there; nothing here says that the ANE does",
        "measured_at": verified.now(),
    }
    engine = engines.for_format(own.format)
    setup = verifying.Setup(f"{engine.NAME}@{one.name}", engine, opened, request.threads, notes=notes)
    return bind(Section(verifying.verify(own, sampled.golden_of(truth, own, count), setup), (), {}))


def _missing(one: Accelerator) -> str:
    """Say why a target without its tools was not run, after looking for them."""
    from importlib.util import find_spec

    if one.module and find_spec(one.module) is not None:
        return f"{one.module} is installed, but this version has no adapter that runs it"
    return one.needs


def _absent(request: VerifyRequest, one: Accelerator, made: Sequence[Artifact], reason: str) -> tuple[Section, Golden]:
    """Make the row of a target that was not run, with the artifact that it would take."""
    usable = [item for item in made if item.format == one.format] or list(made)
    own = next((item for item in usable if item.precision in one.takes), usable[0])
    ready = f"ready: {own.folder.name}" if own.format == one.format else "not made here"
    text = f"not-run: {reason}; it would take {one.takes} ({ready})"
    measured = Measurement("psnr_vs_float_worst_db", None, "dB", Evidence.NOT_RUN, reason=text)
    report = Report(
        task=own.task, artifact=one.name, artifact_sha256=own.sha256, format=one.format, precision=own.precision,
        engine=one.name, evidence=Evidence.NOT_RUN, measurements=(measured,), notes={"target": one.name},
    )  # fmt: skip
    return Section(report, (), {}), _golden(request, own)


def _golden(request: VerifyRequest, own: Artifact) -> Golden:
    """Load the golden file of an artifact.

    Raises:
        UsageError: there is none.
    """
    path = request.golden or golden.find(own.folder)
    if path is None:
        raise UsageError(f"{own.folder} has no golden pictures beside it", "name the file with --golden")
    return golden.load(path)
