"""What golden samples are made of where a photograph alone will not do: a module per kind, named by ``Task.samples``.

Each has ``TRUTH``, what the truth is, in words, and ``make(name, pixels, weights) -> Iterator[Sample]``, which makes
the same samples every time. A photograph too small for them is refused.
"""
