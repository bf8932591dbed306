"""Bursts: several raw frames of one scene, taken one after another by hand, and the classical way to merge them.

`Burst` and `NoiseLevel` are words; `viewfinder.bursts.align` and `viewfinder.bursts.merge` work on them with numpy
alone, so that training and the phone's side prepare frames in the same way.
"""

from viewfinder.bursts.burst import BadBurstError, Burst, NoiseLevel

__all__ = ["BadBurstError", "Burst", "NoiseLevel"]
