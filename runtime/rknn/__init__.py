"""Rockchip's NPUs: built by rknn-toolkit2, computed by its simulator, which is not the compiled file."""
