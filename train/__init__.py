"""Train a network: models, reference operators, data, the training loop and its aids."""
