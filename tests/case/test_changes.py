"""Changes of a case with which a run may go on, and those that would falsify it."""

import pytest
from helpers.salt_block import salt_case

from ekm3d import Case
from ekm3d.case.changes import differences

MORE = ("schedule.stage=[{name='a', duration='2 h', anodes=['left'], cathodes=['right'], "
        "voltage='20 V'}, {name='b', duration='2 h'}, {name='c', duration='1 h'}]")


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def changes(case, time, *overrides, before=()):
    """Differences at `time` [h] between the case with `before` and with the overrides too."""
    old, new = (Case.read(case, words).record() for words in (before, (*before, *overrides)))
    return differences(old, new, 3600.0 * time)


def test_output_and_words_may_change(case):
    assert changes(case, 1.0, "title=other", "output.series_every=7 min", "output.checkpoint=1 h",
                   "output.mode=per-rank", "description=long") == []


def test_one_value_in_two_units_is_no_change(case):
    assert changes(case, 1.0, "schedule.max_step=600 s", "schedule.stage.0.duration=360 min") == []


@pytest.mark.parametrize("override, line", [
    ("schedule.cfl=0.5", "schedule.cfl: 0.9 -> 0.5"),
    ("ore.density=1600 kg/m3", "ore.density: 1500 -> 1600"),
    ("physics.skip=1e-3", "physics.skip: 0 -> 0.001"),
    ("well.1.head=1 m", "well.1.head: 0 m -> 1 m"),
    ("schedule.stage.0.voltage=21 V", "schedule.stage.0.voltage: 20 V -> 21 V")])
def test_everything_that_the_past_depends_on_is_named(case, override, line):
    """With both values, in SI where the schema has them so, else as they are written."""
    found, = changes(case, 1.0, override)
    assert found.split(":")[0] == line.split(":")[0] and " -> " in found


def test_the_present_stage_may_last_longer_and_later_ones_be_others(case):
    """At t = 3 h the second of three stages (2, 2 and 1 h) goes on."""
    def told(*overrides, time=3.0):
        return changes(case, time, *overrides, before=(MORE,))
    assert told("schedule.stage.1.duration=1.5 h") == []
    assert told("schedule.stage.1.duration=9 h", "schedule.stage.2.name=d") == []
    assert told(MORE.replace("'1 h'}", "'1 h'}, {name='d', duration='5 h'}")) == []
    assert len(told("schedule.stage.1.duration=30 min")) == 1        # it would have ended
    assert len(told("schedule.stage.0.duration=3 h")) == 1           # it has
    assert len(told("schedule.stage.1.name=d")) == 1
    assert told("schedule.stage.2.duration=2 h", time=5.0) == []     # the end of all


def test_a_stage_that_is_repeated_is_past_when_it_has_begun(case):
    """Its second turn may be yet to come, its first is not."""
    repeated = MORE.replace("'2 h'},", "'2 h', repeat=3},")
    assert changes(case, 3.0, "schedule.stage.1.duration=3 h", before=(repeated,)) != []
    assert changes(case, 3.0, "schedule.stage.2.duration=3 h", before=(repeated,)) == []


def test_another_table_of_the_same_name_is_found(case):
    """Values of a file that the case names are compared, not its name alone."""
    table, option = case / "n.csv", "ore.porosity={table='n.csv', column='n'}"
    points = "x,y,z,n\n" + "".join(f"{0.05 + 0.1 * i},{0.075 + 0.15 * j},{0.1 + 0.2 * k},{{}}\n"
                                   for i in range(6) for j in range(3) for k in range(4))
    table.write_text(points.format(*(72 * [0.45])))
    old = Case.read(case, (option,)).record()
    assert differences(old, Case.read(case, (option,)).record(), 60.0) == []
    table.write_text(points.format(*(71 * [0.45]), 0.46))
    assert differences(old, Case.read(case, (option,)).record(), 60.0) == [
        "[ore]: a file that the case names holds other data"]
