"""[physics.medium] and [physics.mobility]: what is read, and what is said of mistakes."""

import numpy as np
import pytest
from helpers.case_files import copy, told

from ekm3d import Case

VOLUMES = ('molar_volume={"CaCO3"="36.9 cm3/mol", "Al(OH)3"="3.2e-5 m3/mol", '
           '"LREE(OH)3"="55 cm3/mol", "HREE(OH)3"="50 cm3/mol"}')
NO_OSMOSIS = "ore.electroosmotic_permeability=0"
MEDIUM = "physics.medium={{{}}}".format
MOBILITY = "physics.mobility={{{}}}".format


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("case"))


def test_without_the_tables_nothing_responds(case):
    read = Case.read(case)
    assert read.response is None and read.mobility == {}


@pytest.mark.parametrize("text, law", [('"kozeny-carman"', "kozeny-carman"), ("3", 3.0)])
def test_what_is_written_is_read(case, text, law):
    """Volumes in the order of the minerals, the points of zeta in volts, I in mol/l."""
    read = Case.read(case, (NO_OSMOSIS, MEDIUM(
        f"porosity=true, {VOLUMES}, permeability={text}, tortuosity=0.333, "
        'zeta=[[3.0, "0 mV"], [9, "-40 mV"]], zeta_per_decade=-0.3, '
        'reference_strength="20 mmol/l"')))
    found = read.response
    volume = dict(zip(read.chemistry.minerals, found.volumes))
    assert volume["CaCO3"] == pytest.approx(36.9e-6) and volume["Al(OH)3"] == 3.2e-5
    assert found.permeability == law and found.tortuosity == 0.333
    np.testing.assert_allclose(found.zeta.pH, [3.0, 9.0])
    np.testing.assert_allclose(found.zeta.volts, [0.0, -0.04])
    assert (found.zeta.per_decade, found.zeta.reference) == (-0.3, pytest.approx(0.02))
    shown = read.describe()
    for line in ("follows the minerals' volumes", "0 mV at pH 3, -40 mV at pH 9", "(n/n_0)^0.333"):
        assert line in shown


@pytest.mark.parametrize("medium, key, message", [
    ('porosity=true', "molar_volume", "is not known; write e.g. molar_volume"),
    (f'porosity=true, {VOLUMES}, permeability="kozeny"', "permeability", "is not a law"),
    (f"porosity=true, {VOLUMES}, permeability=-2", "permeability", "above 0"),
    (f"porosity=true, {VOLUMES}, tortuosity=-2", "tortuosity", "at least 0"),
    ('permeability="kozeny-carman"', "permeability", "give porosity = true as well"),
    ("tortuosity=0.5", "tortuosity", "give porosity = true as well"),
    (VOLUMES, "molar_volume", "give porosity = true as well"),
    ('porosity=true, molar_volume={CaCO4="1 cm3/mol"}', "molar_volume", "did you mean 'CaCO3'?"),
    (f"porosity=true, {VOLUMES}".replace("50 cm3/mol", "50 cm3"), "molar_volume", "36.9 cm3/mol"),
    ('zeta=[[3, "0 mV"], [3, "-40 mV"]]', "zeta", "must rise"),
    ('zeta=[[3, "0 mV"], [15, "-40 mV"]]', "zeta", "at most 14"),
    ('zeta=[[3, "0 mV"], [9, "-40 mm"]]', "zeta", "-20 mV"),
    ('zeta="-40 mV"', "zeta", "should be a list"),
    ('zeta=["-40 mV"]', "zeta", "should be points of pH and potential"),
    ("zeta=[]", "zeta", "should be points of pH and potential"),
    ("kozeny=true", "kozeny", "unknown key"),
])
def test_mistakes_in_the_medium_are_told(case, medium, key, message):
    told(case, f"physics.medium.{key}", message, NO_OSMOSIS, MEDIUM(medium))


def test_zeta_takes_the_place_of_the_given_permeability(case):
    told(case, "physics.medium.zeta", "leave out ore.electroosmotic_permeability",
         MEDIUM('zeta=[[3, "0 mV"], [9, "-40 mV"]]'))


def test_the_medium_needs_transport(case):
    told(case, "physics.medium", "needs physics.transport", MEDIUM(f"porosity=true, {VOLUMES}"),
         "physics.transport=false")


# --- mobility ---------------------------------------------------------------------------------

def ratio(case, mobility):
    """{species: new over old diffusion}"""
    old, new = Case.read(case).chemistry, Case.read(case, (MOBILITY(mobility),)).chemistry
    return dict(zip(new.species, new.diffusion / old.diffusion))


def test_factors_reach_the_chemistry(case):
    """The ion and its complexes; what is named itself has its own."""
    found = ratio(case, 'factor={"HREE+3"=1.2, "HREESO4+"=1.1}')
    assert found["HREE+3"] == pytest.approx(1.2) and found["HREESO4+"] == pytest.approx(1.1)
    assert found["HREE(SO4)2-"] == pytest.approx(1.2) and found["LREE+3"] == 1.0


def test_lumps_have_the_radii_that_they_are_given(case):
    """(1.06/1.16)^-2 for the heavy, 1 for the light: lumps are not in the table of ions."""
    found = ratio(case, 'size_exponent=2, reference="LREE+3", '
                        'radius={"LREE+3"=1.16, "HREE+3"=1.06}')
    assert found["LREE+3"] == 1.0 and found["HREESO4+"] == pytest.approx((1.16 / 1.06)**2)
    shown = Case.read(case, (MOBILITY('factor={"HREE+3"=1.2}'),)).describe()
    assert "mobility of HREE+3" in shown and "1.2 of that in water" in shown


@pytest.mark.parametrize("mobility, key, message", [
    ('factor={"HREE"=1.2}', "factor.HREE", "did you mean"),
    ('factor={"HREE+3"=-1.2}', "factor.HREE+3", "at least 0"),
    ('radius={"HREE+2"=1.2}', "radius.HREE+2", "did you mean 'HREE+3'?"),
    ("size_exponent=2", "reference", "is missing; name the ion"),
    ('size_exponent=2, reference="La3+"', "reference", "did you mean 'La+3'?"),
    ('size_exponent=2, reference="La+3"', "size_exponent", "the radius of no component is known"),
])
def test_mistakes_in_mobilities_are_told(case, mobility, key, message):
    told(case, f"physics.mobility.{key}", message, MOBILITY(mobility))
