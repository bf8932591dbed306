"""Arm's Ethos-U: compile a TFLite file with Vela, look at what stays on the CPU, read Vela's estimate.

Vela runs in the toolchain ``vela``. What it makes is not executed here, because there is no simulator of the processor
beside it: numbers of quality are `Evidence.REFERENCE`, those of the integer file that Vela was given, in LiteRT's own
kernels; costs are `Evidence.COMPILER_ESTIMATE`.
"""
