"""Backends: where arrays live, and how kernels are compiled and called."""
