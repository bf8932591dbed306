"""Join a device and an engine: what a target's artifact runs in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from viewfinder.artifact import Artifact
from viewfinder.errors import UsageError
from viewfinder.measurement import Evidence
from viewfinder.runtime.verify import Setup
from viewfinder.target import HOST, OLD_RUNTIME, Target

if TYPE_CHECKING:
    from viewfinder.runtime import verify as verifying
    from viewfinder.runtime.engines import Engine


def setup_on(made: Artifact, target: Target, threads: int) -> Setup:
    """Choose the engine on the target's device and the pipeline's opener; the notes say what numbers depend on.

    Raises:
        UsageError: no such device, or one that runs no artifacts.
    """
    from viewfinder.runtime import batched, pipelines

    device = runner(target)
    if hasattr(device, "infer"):
        service = batched.Engine(device, made.format)
        told = {} if service.probe() else device.facts()
        own = cast("verifying.Engine", service)
        return Setup(service.NAME, own, batched.open, threads, {"target": str(target), **told})
    device = launcher(target)
    engine = engine_on(device, made)
    facts = {} if device.problem() else device.facts()
    return Setup(engine.NAME, engine, pipelines.open, threads, {"target": str(target), **facts})


def owned(target: Target | None) -> AbstractContextManager[None]:
    """Keep other programs off the device of a target as long as the block lasts: their timings would show it.

    Emulated boards are for any number of programs at a time.

    Raises:
        UsageError: no such device, or somebody else has it.
    """
    from viewfinder import devices

    device: Any = devices.load(target.device) if target is not None and target.device != HOST else None
    is_one = device is not None and device.evidence is not Evidence.EMULATED
    lock: AbstractContextManager[None] = device.lock() if is_one else nullcontext()
    return lock


def launcher(target: Target) -> Any:
    """Return the device of a target, which has a Python that this computer can start.

    Raises:
        UsageError: no such device, or one that runs no artifacts.
    """
    from viewfinder import devices

    device: Any = devices.load(target.device)
    if not hasattr(device, "python"):
        able = [one.name for one in devices.found() if hasattr(devices.load(one.name), "python")]
        raise UsageError(f"{device.name} does not run artifacts", f"choose one of: host, {', '.join(able)}")
    return device.with_old_runtime() if target.delegate == OLD_RUNTIME else device


def runner(target: Target) -> Any:
    """Return the device of a target, which runs artifacts: with a Python that we start, or by itself.

    Raises:
        UsageError: no such device, or one that runs no artifacts.
    """
    from viewfinder import devices

    device = devices.load(target.device)
    return device if hasattr(device, "profile_graph") else launcher(target)


def engine_on(device: Any, made: Artifact, counts: Path | None = None) -> Engine:
    """Return the engine that runs an artifact on a device from `launcher`."""
    from viewfinder.runtime import engines

    return engines.on(device, made.format, device.evidence, counts)
