"""Run, verify and report artifacts. No PyTorch here."""
