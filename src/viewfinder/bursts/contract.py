"""What a network asks of a burst: written into the manifest of its artifacts, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viewfinder.bursts.burst import BadBurstError, NoiseLevel
from viewfinder.bursts.frames import Frames

KEY = "contract"
"""Where it stands among an artifact's parameters."""
LIGHT, BLACK, WHITE, RANGE = "linear", 0.0, 1.0, "not clipped: noise goes below 0, highlights may go above 1"
ORDER = "frame 0 is the reference, whose view the result has; the others in any order"
PLANES = "one at a time, the alignment shared: grey, R G B, or Bayer R G1 G2 B at half resolution"
NOISE = "read_std and shot_std of one frame: variance = read_std^2 + shot_std^2 * signal"
MOST_FRAMES = 256
NOISE_HINT = (
    "say --read-noise and --shot-noise (deviations in shares of white), or --gain (1 to 8: noise of a typical small "
    "sensor), or --estimate-noise (measured on the frames)"
)


@dataclass(frozen=True)
class Contract:
    """What the frames have to be.

    Attributes:
        frames: how many; the first one is the reference.
        aligned: whether the network wants the others moved onto the reference first.
    """

    frames: int
    aligned: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON data, with what is the same for every network."""
        return {
            "frames": self.frames,
            "aligned": self.aligned,
            "light": LIGHT,
            "black": BLACK,
            "white": WHITE,
            "range": RANGE,
            "order": ORDER,
            "planes": PLANES,
            "noise": NOISE,
        }

    @classmethod
    def from_dict(cls, data: Any) -> Contract:
        """Read what `to_dict` made, or what a stranger wrote into a manifest.

        Raises:
            ValueError: it is no contract, or one that nobody here keeps.
        """
        if not isinstance(data, Mapping):
            raise ValueError("it has no contract about its input")  # noqa: TRY004 the caller knows one kind of mistake
        frames, aligned = data.get("frames"), data.get("aligned")
        if isinstance(frames, bool) or not isinstance(frames, int) or not 2 <= frames <= MOST_FRAMES:
            raise ValueError(f"its contract asks for {frames!r} frames")
        if not isinstance(aligned, bool):
            raise ValueError(f"its contract says aligned: {aligned!r}")  # noqa: TRY004 as above
        asked = tuple(data.get(key) for key in ("light", "black", "white"))
        if asked != (LIGHT, BLACK, WHITE):
            raise ValueError(f"its contract asks for the light, black and white {asked}")
        return cls(frames, aligned)

    def check(self, frames: Frames) -> NoiseLevel:
        """Hold a burst against the contract and return its noise level.

        Raises:
            BadBurstError: another number of frames, or an unknown noise level.
        """
        if frames.count != self.frames:
            extra = frames.count - self.frames
            way = f"leave {extra} of its frames out" if extra > 0 else f"add {-extra} more of the same scene"
            raise BadBurstError(f"{frames.name} has {frames.count} frames, and the network takes {self.frames}", way)
        if frames.noise is None:
            raise BadBurstError(
                f"{frames.name} does not say how noisy its frames are, which the network has to know",
                NOISE_HINT,
                code="unknown-noise",
            )
        return frames.noise
