"""DnCNN for colour pictures: 20 layers, 668,227 parameters (669,379 before its normalisation is folded)."""

from __future__ import annotations

from viewfinder.train.models import _dncnn

TASK = _dncnn.task("dncnn-colour", "DnCNN, removes white noise from colour pictures", 3, 20, 668_227)
