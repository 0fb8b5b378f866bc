"""[schedule]: gradient, voltage, current and its limit, floating rows, fixed time steps."""

import pytest
from helpers.case_files import OPEN, SMALL, complaints, copy, told, told_with_line

from ekm3d.case.case import Case


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("open"), OPEN)


def test_stage_with_a_current_and_a_limit(opened):
    """1.5 A up to 60 V; the voltage of such a stage is not given, and 0 says so."""
    drive, rest = Case.read(opened).schedule.stages
    assert (drive.current, drive.limit, drive.voltage) == (1.5, 60.0, 0.0)
    assert (rest.current, rest.limit, rest.voltage) == (None, None, 0.0)
    free, _ = Case.read(opened, ["schedule.stage.0={name='a', duration=9, anodes=['left'], "
                                 "cathodes=['right'], current='15 mA'}"]).schedule.stages
    assert (free.current, free.limit, free.floating) == (pytest.approx(0.015), None, ())


def test_stage_with_a_voltage_has_no_current(tmp_path):
    drive, rest = Case.read(copy(tmp_path, SMALL)).schedule.stages
    assert (drive.current, drive.limit, drive.floating) == (None, None, ())
    assert drive.voltage == pytest.approx(13.5) and rest.floating == ()


def test_floating_rows_are_read_as_groups(opened):
    """Each entry a group of its own, joined rows by +, blanks as you like."""
    drive, rest = Case.read(opened).schedule.stages
    assert drive.floating == (("middle",),)
    assert rest.floating == (("left", "middle"), ("right",))


def test_row_name_with_a_plus(opened):
    """"a+b" is the row of that name where there is one."""
    case = Case.read(opened, ["electrodes.row.1.name=a+b", "schedule.stage.0.floating=['a+b']",
                              "schedule.stage.1.floating=['a+b', 'left+right']"])
    assert case.schedule.stages[0].floating == (("a+b",),)
    assert case.schedule.stages[1].floating == (("a+b",), ("left", "right"))


STAGE = "schedule.stage.0={name='drive', duration=9, anodes=['left'], cathodes=['right'], %s}"
REST = "schedule.stage.0={name='drive', duration=9, %s}"


@pytest.mark.parametrize("stage, key, message", [
    (STAGE % "current='1 V'", "current", "cannot read '1 V' as A"),
    (STAGE % "current='0 A'", "current", "must be above 0 A"),
    (STAGE % "current='-1 A'", "current", "must be above 0 A"),
    (STAGE % "current='1 A', limit='0 V'", "limit", "must be above 0 V"),
    (STAGE % "current='1 A', voltage='1 V'", "", "has both voltage and current; give one of them"),
    (STAGE % "current='1 A', voltage='1 V', gradient=3", "",
     "has gradient and voltage and current; give one of them"),
    (STAGE % "voltage='1 V', limit='9 V'", "limit", "a limit holds back a current; give current"),
    (STAGE % "limit='9 V'", "limit", "a limit holds back a current"),
    (STAGE % "on=3", "", "needs gradient = \"0.3 V/cm\", voltage = \"30 V\" or current = "
     "\"1.5 A\""),
    (REST % "current='1 A'", "", "has a current but drives no rows; name anodes and cathodes, or "
     "leave the current out"),
    (REST % "voltage='1 V'", "", "has a voltage but drives no rows"),
    (REST % "limit='1 V'", "limit", "a limit holds back a current"),
    (STAGE % "current=1, floating=['right']", "floating.0",
     "row 'right' is driven in this stage; a floating row has no supply"),
    (STAGE % "current=1, floating=['middle + left']", "floating.0", "row 'left' is driven in"),
    (STAGE % "current=1, floating=['midle']", "floating.0",
     "no electrode row 'midle'; did you mean 'middle'?"),
    (STAGE % "current=1, floating=['middle+']", "floating.0", "no electrode row ''"),
    (STAGE % "current=1, floating=['']", "floating.0", "no electrode row ''"),
    (REST % "floating=['middle', 'left+middle']", "floating.1",
     "row 'middle' floats twice; a row belongs to one group"),
    (REST % "floating=['left+left']", "floating.0", "row 'left' floats twice"),
    (REST % "floating='left'", "floating", "should be a list in brackets, not 'left'"),
    (REST % "floating=[['left']]", "floating.0", "should be text in quotes, not ['left']"),
])
def test_wrong_stage_is_refused(opened, stage, key, message):
    told(opened, "schedule.stage.0" + f".{key}" * bool(key), message, stage)


def test_fixed_step(opened):
    """10 s in the file; without it, as long as may be."""
    assert Case.read(opened).schedule.fixed_step == 10.0
    assert Case.read(opened, ["schedule.fixed_step=1 min"]).schedule.fixed_step == 60.0
    told(opened, "schedule.fixed_step", "must be above 0 s", "schedule.fixed_step=0 s")


def test_fixed_step_is_none_by_default(tmp_path):
    assert Case.read(copy(tmp_path, SMALL)).schedule.fixed_step is None


def test_report_of_driven_stages(opened):
    lines = Case.read(opened).describe().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("  stage "))
    assert lines[first].endswith("at most V  pulse min   floating")
    drive, rest = (line.split() for line in lines[first + 1:first + 3])
    assert drive == ["drive", "0", "2", "left", "right", "1.5", "60", "continuous", "middle"]
    assert rest == ["rest", "2", "2.5", "0", "off", "left+middle,", "right"]
    assert "steps of 10 s" in "\n".join(lines)


# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('gradient = "0.3 V/cm"', 'gradient = "0.3 A"', "schedule.stage.0.gradient",
     "cannot read '0.3 A' as V/m: 'A' is a unit of something else"),
    ('name = "rest"', 'name = "drive"', "schedule.stage.1.name", "also the name of stage 0"),
    ('name = "rest"', 'name = "a/b"', "schedule.stage.1.name", "must not be empty or hold"),
    ('cathodes = ["right"]', "", "schedule.stage.0", "drives anodes (left) without cathodes"),
    ('anodes = ["left"]', "", "schedule.stage.0", "drives cathodes (right) without anodes"),
    ('anodes = ["left"]', 'anodes = ["lift"]', "schedule.stage.0.anodes.0",
     "no electrode row 'lift'; did you mean 'left'?"),
    ('anodes = ["left"]', 'anodes = ["left", "right"]', "schedule.stage.0",
     "row 'right' is anode and cathode at once"),
    ('gradient = "0.3 V/cm"', "", "schedule.stage.0", "needs gradient"),
    ('gradient = "0.3 V/cm"', 'gradient = "0.3 V/cm"\nvoltage = "3 V"', "schedule.stage.0",
     "has both gradient and voltage"),
    ('duration = "30 min"', 'duration = "0 min"', "schedule.stage.1.duration",
     "'0 min' is out of range; it must be above 0 s"),
    ('duration = "30 min"', 'duration = "-3 min"', "schedule.stage.1.duration", "above 0 s"),
    ('duration = "30 min"', "", "schedule.stage.1.duration",
     'is missing; write e.g. duration = "132 h"'),
    ('off = "10 min"', 'of = "10 min"', "schedule.stage.0.pulse.of", "did you mean 'off'?"),
    ('pulses = "resolved"', 'pulses = "solved"', "schedule.pulses", "'averaged' or 'resolved'"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_schedule_is_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)


def test_empty_schedule_is_refused(opened):
    for override in ("schedule={}", "schedule.stage=[]"):
        assert any("the schedule is empty; add at least one [[schedule.stage]]" in line
                   for line in complaints(opened, override))


def test_gradient_times_distance_of_the_rows_is_the_voltage(tmp_path):
    """From the middle of the strips at x = 0, cut at the side, to the plate's at 0.45 m: 13.5 V."""
    small = copy(tmp_path)
    drive, rest = Case.read(small).schedule.stages
    assert drive.voltage == pytest.approx(13.5) and (drive.on, drive.off) == (1200.0, 600.0)
    assert (rest.voltage, rest.off, rest.anodes) == (0.0, 0.0, ())
    other = Case.read(small, ["schedule.stage.0={name='a', duration=9, anodes=['left'], "
                              "cathodes=['right'], voltage='4 V'}"])
    assert other.schedule.stages[0].voltage == 4.0 and other.schedule.stages[0].off == 0.0


def sequence(small, *stages):
    """Names of the stages of a run in their order."""
    text = ", ".join(f"{{name='{s[0]}', duration=9{s[1:]}}}" for s in stages)
    plan = Case.read(small, [f"schedule.stage=[{text}]"]).schedule
    return "".join(stage.name for stage in plan.run_stages)


def test_stages_repeat(tmp_path):
    """One by itself, several from the named one on, and a group within a group."""
    small = copy(tmp_path)
    assert sequence(small, "a", "b") == "ab"
    assert sequence(small, "a", "b, repeat=3", "c") == "abbbc"
    assert sequence(small, "w", "a", "b, repeat=3, repeat_from='a'", "c") == "wabababc"
    assert sequence(small, "a", "b, repeat=2", "c, repeat=2, repeat_from='a'") == "abbcabbc"


@pytest.mark.parametrize("stages, key, message", [
    ("{name='a', duration=9, repeat=0}", "repeat", "greater than or equal to 1"),
    ("{name='a', duration=9, repeat=2, repeat_from='b'}", "repeat_from", "no stage 'b' before"),
    ("{name='a', duration=9, repeat_from='a'}", "repeat_from", "needs repeat = 2 or more"),
])
def test_wrong_repetitions_are_refused(tmp_path, stages, key, message):
    told(copy(tmp_path), f"schedule.stage.0.{key}", message, f"schedule.stage=[{stages}]")


def test_a_repetition_from_inside_another_is_refused(tmp_path):
    told(copy(tmp_path), "schedule.stage.2.repeat_from", "inside stages that are repeated already",
         "schedule.stage=[{name='a', duration=9}, {name='b', duration=9, repeat=2, "
         "repeat_from='a'}, {name='c', duration=9, repeat=2, repeat_from='b'}]")


def test_many_repetitions_are_shown_in_short(tmp_path):
    text = Case.read(copy(tmp_path), ["schedule.stage=[{name='a', duration='1 h', repeat=1000}]"]
                     ).describe()
    assert "... 1000 stages in all, to 1000 h" in text and text.count("\n  a ") == 40
