"""[[well]]: mistakes in the place, the rate and the composition of wells."""

import pytest
from helpers.case_files import told_with_line

# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('name = "sump"', 'name = "feed"', "well.1.name", "also the name of well 0"),
    ('kind = "drain"', 'kind = "drian"', "well.1.kind", "'drain' or 'collector', not 'drian'"),
    ('kind = "drain"', 'kind = "injection"', "well.1", "needs either rate, or flux and area"),
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
