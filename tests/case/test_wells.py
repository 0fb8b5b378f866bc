"""[[well]]: mistakes in the place, the rate and the composition of wells."""

import pytest
from helpers.case_files import ROOT, copy, told, told_with_line

from ekm3d.case.case import Case

# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('name = "sump"', 'name = "feed"', "well.1.name", "also the name of well 0"),
    ('kind = "drain"', 'kind = "drian"', "well.1.kind", "'drain' or 'collector', not 'drian'"),
    ('kind = "drain"', 'kind = "injection"', "well.1", "needs either rate, or flux and area"),
    ('kind = "drain"', 'kind = "drain"\nmax_head = "1 m"', "well.1.max_head", "a drain has a head"),
    ('flux = "5e-7 m/s"', "", "well.0", "needs either rate, or flux and area; it has area"),
    ('at = "anodes"', 'at = "anode"', "well.0.at", "no row 'anode'; did you mean 'anodes'?"),
    ('head = "-10 cm"', "", "well.1", "a drain needs head"),
    ('head = "-10 cm"', 'head = "0 m"\ncomposition = { Na = "0 mol/l" }', "well.1.composition",
     "a drain admits no water"),
    ('"0.8 m", "50 cm"]]', '"0.9 m", "50 cm"]]', "well.1.box", "y from 0 to 0.9 m lies outside"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_wells_are_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)


SALT = ROOT / "tests" / "data" / "case_salt"
STAGES = ("schedule.stage=[{{name='a', duration=9, anodes=['left'], cathodes=['right'], voltage=5, "
          "well=[{}]}}, {{name='b', duration=9}}]")


def test_a_stage_changes_its_wells_and_no_others(tmp_path):
    """The feed of the salt block at another rate and without salt, the leachate closed."""
    case = Case.read(copy(tmp_path, SALT), [STAGES.format(
        "{name='feed', rate='1e-8 m3/s', composition={}, max_head='3 m'}, "
        "{name='leachate', head='-1 m'}")])
    (feed, leachate), second = case.stage_wells
    assert (feed.rate, feed.composition, feed.max_head) == (1e-8, {}, 3.0)
    assert (leachate.head, leachate.kind, leachate.at) == (-1.0, "collector", "cathodes")
    assert second == case.wells and case.wells[0].rate == 2e-8
    assert "in stage" in case.describe()


def test_a_rate_of_a_stage_replaces_flux_and_area(tmp_path):
    case = copy(tmp_path)
    flux = Case.read(case, ["schedule.stage.0.well=[{name='feed', flux='1e-6 m/s'}]"])
    area = Case.read(case).wells[0].rate / 5e-7
    assert flux.stage_wells[0][0].rate == pytest.approx(1e-6 * area)
    rate = Case.read(case, ["schedule.stage.0.well=[{name='feed', rate='3e-8 m3/s'}]"])
    assert rate.stage_wells[0][0].rate == 3e-8
    off = Case.read(case, ["schedule.stage.0.well=[{name='feed', off=true}]"])
    assert off.stage_wells[0][0] is None and "closed" in off.describe()


@pytest.mark.parametrize("change, key, message", [
    ("{name='fed', off=true}", "schedule.stage.0.well.0.name",
     "there is no [[well]] 'fed'; did you mean 'feed'?"),
    ("{name='feed', off=true}, {name='feed', rate=0}", "schedule.stage.0.well.1.name",
     "also the name of well 0"),
    ("{name='feed', head='1 m'}", "schedule.stage.0.well.0.head", "an injection has a rate"),
    ("{name='leachate', rate=0}", "schedule.stage.0.well.0.rate", "a collector has a head"),
    ("{name='leachate', composition={'Na+'='2 mol/m3', 'SO4-2'='1 mol/m3'}}",
     "schedule.stage.0.well.0.composition", "a collector admits no water"),
    ("{name='leachate', off=true}", "schedule.stage.0", "water is injected but cannot leave"),
])
def test_wrong_wells_of_a_stage_are_refused(tmp_path, change, key, message):
    told(copy(tmp_path, SALT), key, message, STAGES.format(change))
