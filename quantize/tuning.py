"""Train the weights of a prepared PT2E graph so that the rounded graph gives what the float network gives.

No labels and no further data: the float network's own output on the calibration inputs is what is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from viewfinder.quantize.job import Tuning

HELD_OUT = 4
"""Of so many calibration inputs, one is kept for telling whether training helped."""
_SEED = 4


def tuned(prepared: Any, inputs: Sequence[Any], wanted: Sequence[Any], tuning: Tuning) -> dict[str, Any]:
    """Move the weights so that the rounded graph gives what the float one does; keep them only if held-out inputs gain.

    Returns:
        Steps, and the mean squared error on held-out inputs as a share of the output's power, before and after.
    """
    import torch

    for module in prepared.modules():
        if hasattr(module, "disable_observer") and not getattr(module, "is_per_channel", False):
            module.disable_observer()
    held = list(range(0, len(inputs), HELD_OUT))
    used = [number for number in range(len(inputs)) if number not in held] or held
    start = {name: value.clone() for name, value in prepared.state_dict().items()}
    before = _loss(prepared, inputs, wanted, held)
    weights = [one.requires_grad_() for one in prepared.parameters()]
    optimiser = torch.optim.Adam(weights, tuning.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, tuning.steps)
    generator = torch.Generator().manual_seed(_SEED)
    for _ in range(tuning.steps):
        number = used[int(torch.randint(len(used), (1,), generator=generator))]
        loss = difference(prepared(*inputs[number]), wanted[number])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    after = _loss(prepared, inputs, wanted, held)
    if after > before:
        prepared.load_state_dict(start)
        _loss(prepared, inputs, wanted, held[:1])  # the scales of weights are those of the moment
    return {
        "steps": tuning.steps,
        "learning_rate": tuning.learning_rate,
        "error_before": before,
        "error_after": after,
        "kept": after <= before,
    }


def _loss(prepared: Any, inputs: Sequence[Any], wanted: Sequence[Any], chosen: Sequence[int]) -> float:
    """Average `difference` over some inputs."""
    import torch

    with torch.no_grad():
        found = [float(difference(prepared(*inputs[number]), wanted[number])) for number in chosen]
    return sum(found) / len(found)


def difference(result: Any, expected: Any) -> Any:
    """Return the mean squared error as a share of the expected power."""
    return (result - expected).square().mean() / expected.square().mean().clamp(min=1e-12)
