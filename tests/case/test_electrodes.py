"""[electrodes]: rows of strips and plates in SI, overlaps, and mistakes."""

import shutil

import pytest
from helpers.case_files import OPEN, ROOT, copy, told, told_with_line

from ekm3d.case.case import Case

# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('x = "0 m", y', 'x = "-1 cm", y', "electrodes.row.0.strips",
     "electrode 1 of row 'left': x from -0.0125 to -0.0075 m lies outside the grid (0 to 0.5 m)"),
    ('top = "3 m", width', 'top = "3.1 m", width', "electrodes.row.0.strips",
     "z from 1 to 3.1 m lies outside the grid (0 to 3 m)"),
    ('top = "3 m", width', 'top = "90 cm", width', "electrodes.row.0.strips.top",
     "0.9 m is not above the bottom 1 m"),
    ('x = "0 m", y', 'x = "0.4 m", y', "electrodes.row.1",
     "electrode 1 of cathode 'right' overlaps electrode 1 of anode 'left' on the grid of"),
    ('x = "0 m", y', 'x = ["0 m", "0 m", "0.1 m"], y', "electrodes.row.0.strips",
     "3 centres x and 2 centres y"),
    ('plates = [[[', 'plates = [[["1 m"], [', "electrodes.row.1.plates",
     "two opposite corners, [[x0, y0, z0], [x1, y1, z1]]"),
    ('name = "right"', 'name = "left"', "electrodes.row.1.name", "also the name of row 0"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_electrodes_are_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)


def test_catholyte_volume_may_be_zero(tmp_path):
    """0 l: the base enters the ore at once; less than nothing is refused."""
    opened = copy(tmp_path, OPEN)
    assert [row.catholyte_volume for row in Case.read(opened).electrodes.rows] == [0.0] * 3
    told(opened, "electrodes.catholyte_volume", "must be at least 0 m3",
         "electrodes.catholyte_volume=-1 l")


def test_deposition_is_one_rate_or_one_for_each_mineral_named(tmp_path):
    case = copy(tmp_path)
    for given, rates in (("0.034 1/s", [0.034] * 4), ('{ "Al(OH)3" = "2 1/min" }',
                                                      [1 / 30, 0.0, 0.0, 0.0])):
        read = Case.read(case, [f"electrodes.deposition={given}"])
        minerals = ("Al(OH)3", *(m for m in read.chemistry.minerals if m != "Al(OH)3"))
        assert read.electrodes.deposition_of(minerals)[:4] == pytest.approx(
            rates[:len(minerals)])
        assert "deposition" in read.describe()


AIR = ('electrodes.air={{ species="{}", saturation="0.014 mmol/l", velocity="1e-5 m/s", '
       'area="1 m2" }}')


@pytest.mark.parametrize("override, key, message", [
    (AIR.format("CO3-2"), "electrodes.air.species", "'CO3-2' is an ion; name a dissolved gas: "
     "'NH3', 'CO2(aq)'"),
    (AIR.format("CO2aq"), "electrodes.air.species", "CO2(aq)"),
    (AIR.format("CO2(aq)").replace("1e-5", "-1e-5"), "electrodes.air.velocity", "above 0 m/s"),
    ('electrodes.conditioning={ pH=5, acid="NH4+" }', "electrodes.conditioning.acid",
     "'NH4+' is no anion; name that of the acid: 'SO4-2'"),
    ('electrodes.conditioning={ pH=5, acid="S04" }', "electrodes.conditioning.acid",
     "did you mean 'SO4'?"),
    ('electrodes.conditioning={ pH=15, acid="SO4-2" }', "electrodes.conditioning.pH", "at most 14"),
    ('electrodes.conditioning={ pH=4, acid="HCO3-" }', "electrodes.conditioning.pH",
     "10 mol/l of the acid of 'HCO3-' bring a catholyte with 0.1 mol/l of base to pH 4.3"),
    ('electrodes.conditioning={ pH=5 }', "electrodes.conditioning.acid", "missing")])
def test_wrong_air_and_conditioning_are_refused(tmp_path, override, key, message):
    told(copy(tmp_path), key, message, override)


@pytest.mark.parametrize("acid, words", [
    ("NH4+", "'NH4+' is no anion; name that of the acid: 'SO4-2', 'HCO3-'"),
    ("x", "no component 'x' takes part; known: SO4-2, HCO3-")])
def test_anions_are_listed_once(tmp_path, acid, words):
    """By their names, which the labels SO4 and HCO3 stood beside."""
    key = "electrodes.conditioning.acid"
    assert told(copy(tmp_path), key, "", f'electrodes.conditioning={{ pH=5, acid="{acid}" }}'
                ).endswith(f"{key}: {words}")


def test_an_uncharged_species_is_not_a_gas_for_that(tmp_path):
    """Acetic acid is uncharged, and boils at 118 C."""
    case = copy(tmp_path)
    shutil.copy(ROOT / "cases" / "agents" / "acetate.toml", case)
    told(case, "electrodes.air.species", "'HAcetate' is no gas; name a dissolved gas: 'NH3', "
         "'CO2(aq)'", AIR.format("HAcetate"), 'chemistry.extend=["acetate.toml"]')


def test_a_pH_that_the_acid_can_hold_is_not_refused(tmp_path):
    """Ten times its base of carbonic acid holds pH 5.3; sulfuric acid pH 1 and below."""
    case = copy(tmp_path)
    for pH, acid in ((5.4, "HCO3-"), (1.0, "SO4-2"), (0.0, "SO4-2")):
        held = f'electrodes.conditioning={{ pH={pH}, acid="{acid}" }}'
        assert Case.read(case, [held]).electrodes.conditioning.pH == pH


def test_a_film_by_the_current_needs_a_capture_that_leaves_water(tmp_path):
    """1/(F k) is 104 mol/l of base at 1e-10 m/s per A/m2: no equilibrium was found there."""
    film, case = 'electrodes.plate_film="current"', copy(tmp_path)
    told(case, "electrodes.plate_capture", "hold over 10 mol/l of base", film,
         "electrodes.plate_capture=1e-10")
    for capture in ("0", "1.1e-9"):
        Case.read(case, (film, f"electrodes.plate_capture={capture}"))
    Case.read(case, ("electrodes.plate_capture=1e-10",))


@pytest.mark.parametrize("overrides, key, words", [
    (["chemistry.minerals=['Al(OH)3']"], "plate_capture", "1.84e-08 has no effect, plates "
     "capture nothing: no hydroxide of a rare earth is among the minerals"),
    (["chemistry.minerals=['Al(OH)3']", "electrodes.plate_film=current"], "plate_film",
     "current has no effect"),
    (["electrodes.catholyte_volume=0 l", "electrodes.row.1.catholyte_volume=0 l"], "plate_capture",
     "1.84e-08 has no effect, plates capture nothing: no row has a catholyte")])
def test_a_capture_of_nothing_is_warned_of(tmp_path, overrides, key, words):
    """With its key, and not where the capture is 0, or where there is one to make."""
    case = copy(tmp_path)
    line, = (line for line in Case.read(case, overrides).warnings if " electrodes.plate_" in line)
    assert f"electrodes.{key}: {words}" in line
    for other in ([], [*overrides, "electrodes.plate_capture=0"]):
        assert not any("plate_" in line for line in Case.read(case, other).warnings)


def test_air_and_conditioning_need_a_catholyte(tmp_path):
    for key, entry in (("air", AIR.format("CO2(aq)")), (
            "conditioning", 'electrodes.conditioning={ pH=5, acid="SO4-2" }')):
        told(copy(tmp_path / key, OPEN), f"electrodes.{key}", "no row has a catholyte", entry)


def test_air_and_conditioning_are_read_and_told(tmp_path):
    case = Case.read(copy(tmp_path), [AIR.format("CO2(aq)"),
                                      'electrodes.conditioning={ pH=5, acid="SO4-2" }'])
    assert case.electrodes.air.saturation == pytest.approx(0.014)
    assert case.electrodes.conditioning.acid == "SO4-2"
    text = case.describe()
    assert "CO2(aq) up to 0.014 mol/m3 at 1e-05 m/s" in text and "held at pH 5 by SO4-2" in text


def test_deposition_of_an_unknown_mineral_or_a_wrong_rate_is_refused(tmp_path):
    case = copy(tmp_path)
    told(case, "electrodes.deposition.Al(OH)4", "no mineral 'Al(OH)4' takes part",
         'electrodes.deposition={ "Al(OH)4" = "1 1/s" }')
    told(case, "electrodes.deposition", "1/s", 'electrodes.deposition={ "Al(OH)3" = "1 m" }')
