"""Train weights and ranges of a prepared PT2E graph so that the rounded graph gives what the float network gives.

No labels and no further data: the float network's own output on the calibration inputs is what is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from viewfinder.quantize import ranges
from viewfinder.quantize.job import Tuning

Wanted = Callable[..., Any]
"""The float network: inputs to output."""
_PICTURE_AXES = 4

HELD_OUT = 4
"""Of so many calibration inputs, one is kept for telling whether training helped."""
_SEED = 4


def tuned(prepared: Any, inputs: Sequence[Any], wanted: Wanted, tuning: Tuning) -> dict[str, Any]:
    """Move weights and ranges so that the rounded graph gives what `wanted`, the float network, does.

    Everything stays as it was unless inputs that were held out gain.

    Returns:
        Steps, and the mean squared error on held-out inputs as a share of the output's power, before and after.
    """
    import torch

    for module in prepared.modules():
        if hasattr(module, "disable_observer") and not getattr(module, "is_per_channel", False):
            module.disable_observer()
    held = [arguments for number, arguments in enumerate(inputs) if number % HELD_OUT == 0]
    used = [arguments for number, arguments in enumerate(inputs) if number % HELD_OUT] or held
    start = {name: value.clone() for name, value in prepared.state_dict().items()}
    before = _loss(prepared, held, wanted)
    weights = [one.requires_grad_() for one in prepared.parameters()]
    trained = ranges.Trained(prepared)
    rates = ((weights, tuning.learning_rate), (trained.parameters, tuning.range_rate))
    optimiser = torch.optim.Adam([{"params": params, "lr": rate} for params, rate in rates if params])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, tuning.steps)
    generator = torch.Generator().manual_seed(_SEED)
    for _ in range(tuning.steps):
        number, turn = (int(torch.randint(most, (1,), generator=generator)) for most in (len(used), 4))
        arguments = turned(used[number], turn)
        with torch.no_grad():
            expected = wanted(*arguments)
        loss = difference(prepared(*arguments), expected)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    trained.settle()
    after = _loss(prepared, held, wanted)
    if not after <= before:  # also where it is no number
        prepared.load_state_dict(start)
        _loss(prepared, held[:1], wanted)  # the scales of weights are those of the moment
    return {
        "steps": tuning.steps,
        "learning_rate": tuning.learning_rate,
        "error_before": before,
        "error_after": after,
        "kept": after <= before,
    }


def turned(arguments: Sequence[Any], turn: int) -> tuple[Any, ...]:
    """Mirror pictures ``[B, C, H, W]`` left to right (`turn` odd) and top to bottom (2 and 3); other inputs stay.

    A few calibration pictures are soon known by heart; of these there are four times as many.
    """
    axes = [axis for axis, bit in ((-1, 1), (-2, 2)) if turn & bit]
    return tuple(one.flip(axes) if one.ndim == _PICTURE_AXES else one for one in arguments)


def _loss(prepared: Any, chosen: Sequence[Any], wanted: Wanted) -> float:
    """Average `difference` over some inputs."""
    import torch

    with torch.no_grad():
        found = [float(difference(prepared(*arguments), wanted(*arguments))) for arguments in chosen]
    return sum(found) / len(found)


def difference(result: Any, expected: Any) -> Any:
    """Return the mean squared error as a share of the expected power."""
    return (result - expected).square().mean() / expected.square().mean().clamp(min=1e-12)
