"""Simulation: initial state, step, loop."""
