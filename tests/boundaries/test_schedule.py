"""Stages and pulses in time: every switch is met exactly, and no step is a sliver."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.boundaries.schedule import Schedule

HOUR = 3600.0


def stage(duration, on=None, off=0.0, voltage=30.0, rows=(("a",), ("c",))):
    """A stage as a case describes it; continuous if `on` is not given."""
    return SimpleNamespace(duration=duration, on=duration if on is None else on, off=off,
                           anodes=rows[0], cathodes=rows[1], voltage=voltage,
                           current=None, limit=None, floating=())


def walk(schedule, steps):
    """[(t, dt, drive)] from 0 to the end with the wanted steps in turn, the last one repeated."""
    steps, t, taken = iter(steps), 0.0, []
    wanted = next(steps)
    while t < schedule.end - schedule.slack:
        dt = schedule.clip(wanted, t)
        taken.append((t, dt, schedule.drive(t)))
        t, wanted = t + dt, next(steps, wanted)
        assert len(taken) < 100_000
    return taken, t


FIELD = (stage(132 * HOUR), stage(132 * HOUR, 1200.0, 600.0, rows=(("b",), ("c",))))


def test_stages_follow_each_other():
    """The second begins where the first ends; a switch at t has happened at t."""
    schedule = Schedule(FIELD, averaged=True)
    assert schedule.end == 264 * HOUR and schedule.starts == [0, 132 * HOUR]
    before, at = schedule.drive(132 * HOUR - 1.0), schedule.drive(132 * HOUR)
    assert (before.stage, before.anodes, before.end) == (0, ("a",), 132 * HOUR)
    assert (at.stage, at.anodes, at.cathodes, at.end) == (1, ("b",), ("c",), 264 * HOUR)
    assert schedule.drive(264 * HOUR).stage == 1


def test_averaged_pulses_are_a_share_of_the_time():
    """20 min on, 10 min off: 2/3 throughout, and no switch inside the stage."""
    drive = Schedule(FIELD, averaged=True).drive(200 * HOUR)
    assert drive.duty == pytest.approx(2 / 3, rel=1e-15) and drive.voltage == 30.0 and drive.on
    assert Schedule(FIELD, averaged=True).drive(10 * HOUR).duty == 1.0


def test_resolved_pulses_switch_on_time_over_132_h():
    """264 pulses: on at n 1800 s, off 1200 s later, for every n, whatever rounding came before.

    A walk with steps of 700 s; all switches are whole seconds, so each must be met exactly
    in floating point, to 1e-9 of the run at worst.
    """
    schedule = Schedule(FIELD[1:], averaged=False)
    taken, end = walk(schedule, [700.0])
    starts = np.array([t for t, _, _ in taken])
    assert end == pytest.approx(132 * HOUR, rel=1e-12)
    for n in range(264):
        for switch in (1800.0 * n, 1800.0 * n + 1200.0):
            assert np.abs(starts - switch).min() < 1e-6
    on = sum(dt for _, dt, drive in taken if drive.on)
    assert on == pytest.approx(132 * HOUR * 2 / 3, rel=1e-12)
    assert all(drive.duty in (0.0, 1.0) for _, _, drive in taken)


def test_a_pulse_s_drive_ends_at_its_own_switch():
    """And the last one with the stage, where it does not fit: 2 h + 700 s of 30 min pulses."""
    schedule = Schedule((stage(2 * HOUR + 700.0, 1200.0, 600.0), stage(HOUR)), averaged=False)
    for t, duty, end in ((0.0, 1, 1200.0), (1199.0, 1, 1200.0), (1200.0, 0, 1800.0),
                         (1800.0, 1, 3000.0), (7200.0, 1, 7900.0), (7900.0, 1, 11500.0)):
        drive = schedule.drive(t)
        assert (drive.duty, drive.end) == (duty, end)


def test_a_switch_that_rounding_has_just_missed_counts_as_met():
    """1e-7 s before the switch of a run of 264 h: the pulse is over, no step of 1e-7 s is left."""
    schedule = Schedule(FIELD[1:], averaged=False)
    drive = schedule.drive(1800.0 * 200 + 1200.0 - 1e-7)
    assert drive.duty == 0.0 and drive.end == 1800.0 * 201


def test_power_off_is_not_on():
    """Neither a stage without voltage nor the pause of a pulse is on."""
    schedule = Schedule((stage(HOUR, voltage=0.0, rows=((), ())),), averaged=False)
    assert not schedule.drive(0.0).on
    assert not Schedule(FIELD[1:], averaged=False).drive(1500.0).on


@pytest.mark.parametrize("wanted, left, taken", [
    (500.0, 2000.0, 500.0), (500.0, 1000.0, 500.0), (500.0, 999.0, 499.5), (500.0, 501.0, 250.5),
    (500.0, 500.0, 500.0), (500.0, 499.0, 499.0), (500.0, 1.0, 1.0)])
def test_the_rest_before_a_switch_is_halved_rather_than_left_as_a_sliver(wanted, left, taken):
    """Two equal steps instead of 500 s and 1 s; never longer than wanted."""
    assert Schedule((stage(left), stage(HOUR)), True).clip(wanted, 0.0) == pytest.approx(taken)


def test_marks_shorten_a_step_like_switches():
    """Snapshots at 700 s and 1500 s, wanted 1000 s: halves of 700 are not needed, it is reached."""
    schedule = Schedule((stage(HOUR),), averaged=True)
    assert schedule.clip(1000.0, 0.0, 700.0, 1500.0) == 700.0
    assert schedule.clip(1000.0, 0.0, 1500.0) == 750.0
    assert schedule.clip(1000.0, 0.0, 9000.0) == 1000.0


seconds = st.floats(30.0, 5000.0)
stages = st.lists(st.builds(stage, st.floats(10.0, 20_000.0), seconds,
                            st.one_of(st.just(0.0), seconds)), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(stages, st.booleans(), st.lists(st.floats(200.0, 4000.0), min_size=1, max_size=30))
def test_any_walk_meets_every_switch_and_ends_at_the_end(stages, averaged, steps):
    """No step crosses a switch of the drive, for any stages, pulses and step lengths.

    The switches are laid out here by adding up durations. Every one must be the start of a
    step to 1e-8 of the run (the schedule's own slack is 1e-9); no step may be longer than
    wanted, and none empty. Time with the power on adds up pulse by pulse.
    """
    schedule = Schedule(stages, averaged)
    taken, end = walk(schedule, steps)
    slack = 1e-8 * schedule.end
    assert end == pytest.approx(sum(s.duration for s in stages), rel=1e-9)
    switches, start = [], 0.0
    for s in stages:
        t = start
        while s.off and not averaged and t < start + s.duration - slack:
            switches += [t, min(t + s.on, start + s.duration)]
            t += s.on + s.off
        switches.append(start)
        start += s.duration
    starts = np.array([t for t, _, _ in taken] + [end])
    for switch in switches:
        assert np.abs(starts - switch).min() < 2 * slack
    wanted = iter(steps)
    for t, dt, drive in taken:
        assert 0.0 < dt <= next(wanted, steps[-1]) * (1 + 1e-12)
        assert t + dt <= drive.end + slack
    driven = sum(dt * drive.duty for _, dt, drive in taken)
    by_hand = sum(_on(s, averaged) for s in stages)
    assert driven == pytest.approx(by_hand, rel=1e-6, abs=4 * len(taken) * slack)


def _on(s, averaged):
    """Seconds of voltage in a stage, pulse by pulse."""
    if not s.off:
        return s.duration
    if averaged:
        return s.duration * s.on / (s.on + s.off)
    whole, rest = divmod(s.duration, s.on + s.off)
    return whole * s.on + min(rest, s.on)


@settings(max_examples=60, deadline=None)
@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_a_constant_wish_never_ends_in_a_sliver(duration, wanted):
    """The last step is at least half of the one before: halved where less than two were left."""
    taken, _ = walk(Schedule((stage(duration),), True), [max(wanted, duration / 500)])
    for (_, before, _), (_, after, _) in zip(taken, taken[1:], strict=False):
        assert after >= 0.5 * before * (1 - 1e-6)
