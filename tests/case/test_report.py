"""Report of a case, as `ekm3d check` prints it."""

from helpers.case_files import copy
from helpers.rain_block import rain_case

from ekm3d.case.case import Case


def test_report_names_all_sections_in_si(tmp_path):
    text = Case.read(copy(tmp_path)).describe()
    for word in ("120 of 0.1 x 0.2 x 0.5 m", "1800 kg", "0.54 m3", "LREE+3", "Al(OH)3", "left",
                 "right", "feed", "sump", "13.5", "20 on, 10 off", "middle", "3.5e-07"):
        assert word in text


def test_report_tells_boundaries_their_stages_and_retention(tmp_path):
    """Rain of 4 cm/h, less in the second stage, where the sun is back; the first has none."""
    lines = Case.read(rain_case(tmp_path), ("well=[]",)).describe().splitlines()
    found = {line.strip().partition("  ")[0]: line.split() for line in lines}
    assert found["rain"][1:4] == ["rain", "z+", "1.11111e-05"]
    assert found["below"][1:] == ["leak", "z-", "-0.3", "1e-06"]
    assert found["sun in stage wetting"][-1] == "closed"
    assert "1.38889e-06" in found["rain in stage current"]
    assert found["retention: n"][-3:] == ["1.4", "1.533", "1.6"]
    assert "no wells" in lines
