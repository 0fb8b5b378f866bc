"""Counters of a rank's communication, advanced where it is sent."""

from dataclasses import dataclass


@dataclass
class Counters:
    """Messages and bytes sent by this rank, and reductions over all ranks, since the start."""

    messages: int = 0
    bytes: int = 0
    reductions: int = 0
