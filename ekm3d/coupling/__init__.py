"""Interfaces by which other programs drive a run."""
