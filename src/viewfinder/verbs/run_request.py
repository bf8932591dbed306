"""What ``viewfinder run`` is asked for, and what it has written: of photographs and of bursts alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from viewfinder.bursts import NoiseLevel
from viewfinder.errors import UsageError


@dataclass(frozen=True)
class RunRequest:
    """What to run, on what, and where the results go.

    Attributes:
        model: a task's name, ``path/to/file.py:TASK``, or an artifact's folder.
        photos: files and folders; of a network that merges bursts, one for each burst.
        output: a folder, which mirrors the folders among `photos`; or a file, for a single photograph.
        engine: ``tflite``, ``onnx``, ``coreml``, ``executorch``, ``torch``, ...; None takes the artifact's, or tflite.
        weights: name of the task's weights; None takes the default.
        precision: of the artifact made for a task.
        threads: of the engine.
        overwrite: replace results that exist, the photographs themselves included.
        skip_existing: leave photographs out whose result exists: goes on where a run was stopped.
        gain, read_noise, shot_noise: of a burst, in place of what its files say: the noise of a sensor at this gain, or
            its deviations where white is 1.
        estimate_noise: measure the noise of bursts whose files do not say it.
    """

    model: str
    photos: tuple[Path, ...]
    output: Path
    engine: str | None = None
    weights: str | None = None
    precision: str = "float"
    threads: int = 1
    overwrite: bool = False
    skip_existing: bool = False
    gain: float | None = None
    read_noise: float | None = None
    shot_noise: float | None = None
    estimate_noise: bool = False

    def __post_init__(self) -> None:
        """Refuse two answers to one question."""
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing exclude each other", "say one of them")
        noise_of(self.gain, self.read_noise, self.shot_noise)

    @property
    def says_noise(self) -> bool:
        """Tell whether anything was said of noise."""
        return self.estimate_noise or any(one is not None for one in (self.gain, self.read_noise, self.shot_noise))


@dataclass(frozen=True)
class Done:
    """One photograph that has been written."""

    source: Path
    target: Path
    width: int
    height: int
    seconds: float


def noise_of(gain: float | None, read: float | None, shot: float | None) -> NoiseLevel | None:
    """Return the noise level that the user says, or None.

    Raises:
        UsageError: half a level, or two.
    """
    if gain is not None and (read is not None or shot is not None):
        raise UsageError("--gain was given beside --read-noise or --shot-noise", "say the noise in one way")
    if (read is None) != (shot is None):
        missing = "--shot-noise" if shot is None else "--read-noise"
        raise UsageError(f"{missing} is missing", "say both: variance = read^2 + shot^2 * light, white 1")
    if read is not None and shot is not None:
        return NoiseLevel(read, shot)
    if gain is None:
        return None
    if not gain > 0:
        raise UsageError(f"a gain of {gain}", "give a positive one; 1 to 8 is what the networks know")
    from viewfinder.train.camera import noise

    return noise.at_stops(math.log2(gain))
