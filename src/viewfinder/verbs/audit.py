"""``viewfinder audit``: would half precision hold every tensor on real photographs?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder import artifact, demo, models, photos
from viewfinder.artifact import Artifact
from viewfinder.errors import Exit, UsageError
from viewfinder.measurement import Evidence, Measurement
from viewfinder.quantize import audit as auditing
from viewfinder.quantize.audit import TensorRange
from viewfinder.runtime import given
from viewfinder.task import NOISY
from viewfinder.verbs import feeding

Progress = Callable[[str], None]
METRIC = "fp16_range_used_worst"


@dataclass(frozen=True)
class AuditRequest:
    """What to audit.

    Attributes:
        subject: a model, a float ONNX artifact, or a folder that holds one (a build).
        photos: photographs or folders; empty takes the demo photographs.
        weights: of a model.
    """

    subject: str
    photos: tuple[Path, ...] = ()
    weights: str | None = None
    use_cache: bool = True


@dataclass(frozen=True)
class AuditResult:
    """What was seen.

    Attributes:
        ranges: of every tensor, the one nearest to the end of float16 first.
        measurement: the share of float16's range that the worst tensor uses, limited to 1.
    """

    subject: str
    ranges: tuple[TensorRange, ...]
    measurement: Measurement

    @property
    def exit_code(self) -> Exit:
        """Return 1 if a tensor leaves the range, else 0."""
        return Exit.CHECK_FAILED if any(one.verdict == "overflow" for one in self.ranges) else Exit.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as JSON data."""
        return {
            "subject": self.subject,
            "measurement": self.measurement.to_dict(),
            "tensors": [one.to_dict() for one in self.ranges],
        }


def audit(request: AuditRequest, progress: Progress | None = None) -> AuditResult:
    """Run photographs, as bursts or with noise where that is taken, through the float graphs; look at every tensor.

    Raises:
        UsageError: no float ONNX artifact there, no such model or photograph.
    """
    say = progress or (lambda _line: None)
    listed = photos.find(list(request.photos)) if request.photos else demo.photos()
    with tempfile.TemporaryDirectory(prefix="viewfinder-audit-") as work:
        made = _artifact(request, Path(work), say)
        say(f"auditing {made.folder.name} on {len(listed)} photographs")
        feeds = feeding.record(made, (one for path in listed for one in _fed(made, path)))
        found = [
            one for graph in made.graphs for one in auditing.audit(made.path(graph), graph.name, feeds[graph.name])
        ]
    found.sort(key=lambda one: -one.share)
    return AuditResult(request.subject, tuple(found), _measured(found, [path.name for path in listed]))


def _fed(made: Artifact, path: Path) -> Iterator[Any]:
    """Yield what is made of a photograph: nothing, a burst, or, where noise is removed, one with each level of it."""
    from viewfinder.train.samples import noisy

    pixels = photos.read(path).pixels
    if made.parameters.get("samples") == NOISY:
        yield from (sample.pixels for sample in noisy.make(path.stem, pixels, made.weights))
    else:
        yield given.of_photograph(made, pixels)


def _measured(found: list[TensorRange], listed: list[str]) -> Measurement:
    """Put the audit into one number."""
    worst = found[0]
    return Measurement(
        METRIC,
        worst.share,
        "1",
        Evidence.MEASURED,
        f"largest absolute value of any tensor of the float ONNX graphs over 65504, on {', '.join(listed)}",
        maximum=1.0,
        worst=f"{worst.graph}/{worst.tensor} of {worst.type} {worst.operator}".rstrip(),
        limit_reason="65504 is float16's largest number: beyond it one chip saturates and another gives infinity",
    )


def _artifact(request: AuditRequest, work: Path, say: Progress) -> Artifact:
    """Find or make the float ONNX artifact."""
    path = Path(request.subject).expanduser()
    if path.exists() and request.subject not in models.names() and not request.subject.endswith(".py"):
        for folder in [*artifact.find(path), *artifact.find(path.resolve().parent)]:
            made = artifact.load(folder)
            if (made.format, made.precision) == ("onnx", "float"):
                return made
        raise UsageError(
            f"there is no float ONNX artifact in or beside {path}, and only those show every tensor",
            "export it: viewfinder export MODEL --format onnx",
        )
    from viewfinder.verbs.export import ExportOptions, export

    options = ExportOptions(
        request.subject,
        ("onnx",),
        output=work,
        weights=request.weights,
        write_golden=False,
        use_cache=request.use_cache,
    )
    return export(options, say).artifacts[0]
