"""``viewfinder inspect --gradients | --activations | --filters``: the classical training aids, on any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import models
from viewfinder.task import Task, TensorSpec

if TYPE_CHECKING:
    from viewfinder.train.aids.activation_statistics import LayerStatistics
    from viewfinder.train.aids.gradient_check import ParameterCheck

RIGHT = 1e-2
"""Relative error from which a gradient is called wrong (`gradient_check.ParameterCheck`)."""
SMALL = 64
"""Pixels along an axis that is enough to check gradients, where the network takes such pictures."""
CHECKS_PER_PARAMETER = 4


@dataclass(frozen=True)
class AidsRequest:
    """Which aids to use, on what.

    Attributes:
        model: a shipped name or ``path/to/file.py:TASK``.
        weights: name of the weights; None takes the default, or the initial values of a model without weights.
        filters: PNG to draw; None draws none.
    """

    model: str
    weights: str | None = None
    gradients: bool = False
    activations: bool = False
    filters: Path | None = None


@dataclass(frozen=True)
class AidsResult:
    """What the aids found, on a photograph of the package."""

    gradients: tuple[ParameterCheck, ...]
    activations: tuple[LayerStatistics, ...]
    filters: Path | None

    @property
    def wrong(self) -> tuple[ParameterCheck, ...]:
        """Gradients that disagree with differences; NaN disagrees."""
        return tuple(check for check in self.gradients if not check.relative_error < RIGHT)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON data."""
        return {
            "gradients": [asdict(check) for check in self.gradients],
            "activations": [asdict(layer) for layer in self.activations],
            "filters": str(self.filters) if self.filters else None,
            "wrong_gradients": [check.name for check in self.wrong],
        }


def aids(request: AidsRequest) -> AidsResult:
    """Use the training aids that the request names.

    Raises:
        UsageError: no such model or weights, or no convolution whose filters could be drawn.
    """
    from viewfinder.train import loading
    from viewfinder.train.aids import activation_statistics, first_layer_filters, gradient_check

    task = models.load(request.model)
    network = task.build().eval()
    path = task.weights_file(request.weights)
    if path is not None:
        loading.load_into(network, path)
    gradients: Sequence[ParameterCheck] = ()
    activations: Sequence[LayerStatistics] = ()
    if request.gradients:
        gradients = gradient_check.check_gradients(network, _small_inputs(task, network), CHECKS_PER_PARAMETER)
    if request.activations:
        activations = activation_statistics.layer_statistics(network, _inputs([spec.shape for spec in task.inputs]))
    drawn = first_layer_filters.draw_filters(network, request.filters) if request.filters else None
    return AidsResult(tuple(gradients), tuple(activations), drawn)


def _small_inputs(task: Task, network: Any) -> list[Any]:
    """Make inputs as small as the network takes them: one after the other is shrunk, the largest first."""
    shapes = [spec.shape for spec in task.inputs]
    for place in sorted(range(len(shapes)), key=lambda place: -_pixels(task.inputs[place])):
        tried = list(shapes)
        tried[place] = _shrunk(shapes[place])
        try:
            network(*_inputs(tried))
        except RuntimeError:  # this input has to have its own size
            continue
        shapes = tried
    return _inputs(shapes)


def _pixels(spec: TensorSpec) -> int:
    """Count the pixels of an input."""
    return spec.shape[-1] * spec.shape[-2] if len(spec.shape) == 4 else 0


def _shrunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Bound the axes behind batch and channels."""
    return (*shape[:2], *(min(size, SMALL) for size in shape[2:]))


def _inputs(shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """Make tensors of a photograph where a shape is a picture's, else mid-grey."""
    from viewfinder import demo, photos
    from viewfinder.train.inputs import constant, picture

    photo = photos.read(demo.photos()[0]).display()
    return [picture(photo, shape) if len(shape) == 4 and shape[1] == 3 else constant(shape) for shape in shapes]
