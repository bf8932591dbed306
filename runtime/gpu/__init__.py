"""Phones' GPUs without a phone: the shaders that a runtime generates for one, executed by a software Vulkan driver.

What is computed is `Evidence.EMULATED`: the same shaders, in the same order and precision, on another processor. How
long it takes here says nothing about a phone.
"""
