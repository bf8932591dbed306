"""Viewfinder: prove a camera model on phone silicon before it meets a phone."""

__version__ = "0.1.0"
