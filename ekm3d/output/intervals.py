"""Intervals at which rows of the series and snapshots are due."""


class Interval:
    """Regular moments, every so many seconds; next: the coming one [s]."""

    def __init__(self, every: float):
        """every: s."""
        self.every, self.count, self.next = every, 1, every

    def due(self, now: float, last: bool) -> bool:
        """Return True if the moment has come, or if this is the last chance; then go on to the next.
        """
        if now < self.next * (1 - 1e-12) and not last:
            return False
        while self.next <= now * (1 + 1e-12):
            self.count += 1
            self.next = self.count * self.every
        return True
