"""Intervals of simulated time at which output is due."""

from ekm3d.output.intervals import Interval


def test_an_interval_is_due_once_for_all_multiples_passed():
    """Every 10 s: at 10, not again at 10 + rounding, once for 20 and 30, and at the end anyway."""
    interval = Interval(10.0)
    assert not interval.due(9.9, False)
    assert interval.due(10.0 * (1 - 1e-15), False) and interval.next == 20
    assert not interval.due(10.0, False)
    assert interval.due(34.0, False) and interval.next == 40
    assert interval.due(35.0, True)
