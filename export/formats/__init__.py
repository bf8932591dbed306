"""Writers of file formats: one module per format, found by its file name.

Each has ``SUFFIX`` of its files, ``TOOLS`` (packages whose versions decide the bytes), ``PRECISIONS`` and
``convert(conversion) -> notes``, which writes ``conversion.path``.
"""
