"""Operators of one step: potential, flow, transport, reactions, kinetics, the medium's response."""
