"""Snapdragon through LiteRT: a ``.tflite`` whose graph is one call of the NPU, compiled ahead of time.

LiteRT's plug-in needs Qualcomm's SDK. The NPU's binary is cut out of the file that ships (`dispatch`) and executed by
the emulator that `viewfinder.runtime.htp` uses too, so that the file that ships is the file that was tested.
"""
