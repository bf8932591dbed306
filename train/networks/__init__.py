"""PyTorch modules. Importing a module of this package imports torch; `train.models` does not."""
