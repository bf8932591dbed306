"""Quantization: one file per format. None stands here yet: artifacts are float or fp16."""
