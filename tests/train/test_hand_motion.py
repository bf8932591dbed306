"""What hand motion costs the shipped burst denoiser: shifts, turns, long ways, things that move by themselves.

`pytest tests/train/test_hand_motion.py -s` prints the table of docs/bursts.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.bursts import scene

from viewfinder import models
from viewfinder.bursts import Burst, align, preparation
from viewfinder.bursts.frames import FloatFrames
from viewfinder.export.reference import Reference
from viewfinder.train.camera import noise

pytestmark = pytest.mark.slow

SIZE, FRAMES, OBJECT, TOP, LEFT = (192, 256), 8, 48, 70, 20
PATHS = {"still": (0.0, 0.0), "shifts": (6.0, 0.0), "turns": (6.0, 0.4), "far": (24.0, 0.0)}
"""Largest shift in pixels and largest turn in degrees of each frame."""
WALKS = {"a thing of 48 pixels, 4 a frame": 4, "a thing of 48 pixels, 20 a frame": 20}
"""Pixels that a square with texture of its own moves between two frames, before a still background."""
WHERE = (slice(TOP, TOP + OBJECT), slice(LEFT, LEFT + OBJECT))
"""Where the reference shows it."""
GAIN = 2
Table = dict[str, dict[str, float]]


def _frames() -> dict[str, np.ndarray]:
    """Make the clean bursts: the hand's, and those in which something moves."""
    picture, rng = scene.light(), np.random.default_rng(7)
    shares = np.vstack([np.zeros((1, 3)), rng.uniform(-1, 1, (FRAMES - 1, 3))])
    found = {
        name: np.stack(
            [scene.frame(picture, SIZE, (y * far, x * far), np.radians(turn * angle)) for y, x, angle in shares]
        )
        for name, (far, turn) in PATHS.items()
    }
    thing = scene.frame(picture, (OBJECT, OBJECT), (-150.0, 120.0)) * 0.5 + 0.3
    for name, step in WALKS.items():
        found[name] = found["still"].copy()
        for number, frame in enumerate(found[name]):
            frame[TOP : TOP + OBJECT, LEFT + step * number : LEFT + step * number + OBJECT] = thing
    return found


def _merged(burst: FloatFrames) -> dict[str, np.ndarray]:
    """Merge a burst without alignment, after whole shifts of the frames alone, and as the product does."""
    task, motions = models.load("kpn-lite"), preparation.motions
    plain = Reference(replace(task, pipeline_options={**task.pipeline_options, "align": False}))
    whole = Reference(task)
    found = {"not aligned": plain.merge(burst)[..., 0]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            preparation, "motions", lambda *given: [align.Motion(one.centre, one.shift) for one in motions(*given)]
        )
        found["shifts alone"] = whole.merge(burst)[..., 0]
    return found | {"aligned": whole.merge(burst)[..., 0]}


@pytest.fixture(scope="module")
def table() -> Table:
    """PSNR in dB by motion and method; of moving things, where the reference shows them."""
    found: Table = {}
    level = noise.GAINS[GAIN]
    for name, clean in _frames().items():
        noisy = noise.add(clean, level, np.random.default_rng(1))
        made = {"reference": noisy[0], **_merged(FloatFrames(Burst(noisy[..., None], level)))}
        where, border = (WHERE, 1) if name in WALKS else ((slice(None), slice(None)), 8)
        found[name] = {kind: scene.psnr(one[where], clean[0][where], border) for kind, one in made.items()}
        print(f"{name}: {', '.join(f'{kind} {value:.1f}' for kind, value in found[name].items())} dB")
    return found


def test_hands_that_shift_and_turn_cost_little_once_they_are_followed(table: Table) -> None:
    """Within 1 dB of a camera that stands still; without alignment 8 dB and more are lost."""
    for name in PATHS:
        assert table[name]["aligned"] > table["still"]["aligned"] - 1
        if name != "still":
            assert table[name]["aligned"] > table[name]["not aligned"] + 8
    assert table["turns"]["aligned"] > table["turns"]["shifts alone"] + 0.4


def test_what_moves_by_itself_is_better_than_one_frame_and_worse_than_what_stands(table: Table) -> None:
    """Its places in other frames do not leak in; it keeps noise that the background loses."""
    for name in WALKS:
        assert table[name]["reference"] + 1 < table[name]["aligned"] < table["still"]["aligned"] - 4
