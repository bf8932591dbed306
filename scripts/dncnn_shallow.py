"""DnCNN of eight layers, which the shipped ones grew from: ``viewfinder train scripts/dncnn_shallow.py:TASK``.

``TASK`` is for grey pictures, ``COLOUR`` for colours.
"""

from __future__ import annotations

from viewfinder.train.models import _dncnn

TASK = _dncnn.task("dncnn-shallow", "DnCNN of 8 layers, to deepen and train on", 1, 8, 222_785)
COLOUR = _dncnn.task("dncnn-colour-shallow", "DnCNN of 8 layers for colours, to deepen and train on", 3, 8, 225_091)
