"""Quantization: one file per format, each a thin use of the format's own tool, led by one recipe."""
