"""Families of operations; every file here is found by `viewfinder.runtime.coreml.registry`."""
