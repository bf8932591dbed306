"""Aids for whoever trains a network: are its gradients right, are its layers alive, what do its first filters see."""
