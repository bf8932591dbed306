"""DnCNN of eight layers, which the shipped grey one grew from: ``viewfinder train scripts/dncnn_shallow.py:TASK``."""

from __future__ import annotations

from viewfinder.train.models import _dncnn

TASK = _dncnn.task("dncnn-shallow", "DnCNN of 8 layers, to deepen and train on", 1, 8, 222_785)
