"""DnCNN of eight layers, which `dncnn-colour` grew from: ``viewfinder train scripts/dncnn_shallow.py:COLOUR``."""

from __future__ import annotations

from viewfinder.train.models import _dncnn

COLOUR = _dncnn.task("dncnn-colour-shallow", "DnCNN of 8 layers for colours, to deepen and train on", 3, 8, 225_091)
