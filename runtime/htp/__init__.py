"""Snapdragon's NPU (HTP): compile a graph with Qualcomm's compiler, look into what came out, read its estimates.

All of it runs in the toolchain ``qnn``; nothing here imports Qualcomm's libraries. What the emulator computes is
`Evidence.EMULATED`, what the compiler predicts `Evidence.COMPILER_ESTIMATE`; neither is a latency of a phone.
"""
