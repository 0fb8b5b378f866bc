"""What the processes of a run send one another, per step: messages, bytes, reductions.

Counted where they are sent (`domain`, `halo`), on the process that sends the most.
"""

import numpy as np

COUNTS = ("messages", "bytes", "reductions")


class CommunicationStats:
    """Counts from now on."""

    def __init__(self, domain):
        self.domain = domain
        self.begun = self._now()

    def _now(self):
        return np.array([getattr(self.domain.counters, name) for name in COUNTS])

    def per_step(self, steps):
        """{count: per step, of the process that has most of it}; the same everywhere."""
        sent = np.max(self.domain.allgather(self._now() - self.begun), axis=0)
        return dict(zip(COUNTS, (sent / max(steps, 1)).tolist()))

    def text(self, steps):
        """One line for the log."""
        found, count = self.per_step(steps), len(self.domain.boxes)
        return (f"{count} process{'es' * (count > 1)}, per step: {found['messages']:.1f} messages, "
                f"{found['bytes'] / 1e6:.4g} MB sent, {found['reductions']:.1f} reductions")
