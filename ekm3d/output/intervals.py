"""Equal intervals of simulated time at which output is due."""


class Interval:
    """Multiples of `every` [s] at which something is due; `next`: the coming one [s]."""

    def __init__(self, every: float, now: float = 0.0) -> None:
        """now: time [s] at which all that was due has been done."""
        self.every, self.count, self.next = every, 1, every
        if now >= every:
            self.count = int(now / every)
            self._pass(now)

    def due(self, now: float, last: bool) -> bool:
        """Return True once `next` is reached, or if `last`, and pass on to the multiple after now.

        Several multiples that one step has passed are due once. Rounding of time is allowed for by
        1e-12 of it.
        """
        if now < self.next * (1 - 1e-12) and not last:
            return False
        self._pass(now)
        return True

    def _pass(self, now: float) -> None:
        self.next = self.count * self.every
        while self.next <= now * (1 + 1e-12):
            self.count += 1
            self.next = self.count * self.every
