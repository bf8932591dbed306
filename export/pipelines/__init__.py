"""How a network is cut into graphs: one module per pipeline, found by its file name."""
