"""Communication per time step: messages, bytes and reductions of a rank.

They are counted where they are sent (`mpi_domain`, `halo_exchange`); reported are the numbers of
the rank that sends the most.
"""

from dataclasses import astuple, fields

import numpy as np

from ekm3d.parallel.counters import Counters
from ekm3d.parallel.domain import Domain


class CommunicationStats:
    """Communication of a domain since this object was made."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.start = self._now()

    def _now(self):
        return np.array(astuple(self.domain.counters))

    def per_step(self, steps: int) -> dict[str, float]:
        """Return {counter: number per step, of the rank with most of it}, the same on all ranks."""
        sent = np.max(self.domain.allgather(self._now() - self.start), axis=0)
        names = [field.name for field in fields(Counters)]
        return dict(zip(names, (sent / max(steps, 1)).tolist(), strict=True))

    def text(self, steps: int) -> str:
        """Return one line for the log."""
        mean, count = self.per_step(steps), len(self.domain.boxes)
        return (f"{count} process{'es' * (count > 1)}, per step: {mean['messages']:.1f} messages, "
                f"{mean['bytes'] / 1e6:.4g} MB sent, {mean['reductions']:.1f} reductions")
