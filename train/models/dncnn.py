"""DnCNN for grey pictures: 17 layers, 555,137 parameters (556,097 before its normalisation is folded)."""

from __future__ import annotations

from viewfinder.train.models import _dncnn

TASK = _dncnn.task("dncnn", "DnCNN, removes white noise from grey pictures", 1, 17, 555_137)
