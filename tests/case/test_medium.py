"""[physics.medium]: laws of porosity, permeability, tortuosity and zeta potential, mistakes."""

import numpy as np
import pytest
from helpers.case_files import copy, told

from ekm3d import Case

VOLUMES = ('molar_volume={"CaCO3"="36.9 cm3/mol", "Al(OH)3"="3.2e-5 m3/mol", '
           '"LREE(OH)3"="55 cm3/mol", "HREE(OH)3"="50 cm3/mol"}')
NO_OSMOSIS = "ore.electroosmotic_permeability=0"
MEDIUM = "physics.medium={{{}}}".format


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("case"))


def test_without_the_table_there_is_no_response(case):
    assert Case.read(case).response is None


@pytest.mark.parametrize("text, law", [('"kozeny-carman"', "kozeny-carman"), ("3", 3.0)])
def test_medium_in_si(case, text, law):
    """Volumes in the order of the minerals, the points of zeta in volts, I in mol/l."""
    read = Case.read(case, (NO_OSMOSIS, MEDIUM(
        f"porosity=true, {VOLUMES}, permeability={text}, tortuosity=0.333, "
        'zeta=[[3.0, "0 mV"], [9, "-40 mV"]], zeta_per_decade=-0.3, '
        'reference_strength="20 mmol/l"')))
    found = read.response
    volume = dict(zip(read.chemistry.minerals, found.volumes, strict=True))
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
    ('salt={ "NH5+" = [["0 mol/l", 1]] }', "salt", "did you mean 'NH4+'?"),
    ('salt={ "H+" = [["0 mol/l", 1]] }', "salt", "H+ is no salt"),
    ('salt={ "NH4+" = "0.6" }', "salt.NH4+", "should be points of concentration and factor"),
    ('salt={ "NH4+" = [["0 mol/l", 1], ["0 mol/l", 0.5]] }', "salt.NH4+", "must rise"),
    ('salt={ "NH4+" = [["-1 mol/l", 1]] }', "salt.NH4+", "at least 0 mol/m3"),
    ('salt={ "NH4+" = [["0 mol/l", 0]] }', "salt.NH4+", "at least 1e-06"),
    ('salt={ "NH4+" = [["0 mol/l", 1]], NH4 = [["0 mol/l", 1]] }', "salt.NH4",
     "is the component of 'NH4+', which has a table already"),
    ("kozeny=true", "kozeny", "unknown key"),
])
def test_wrong_medium_is_refused(case, medium, key, message):
    told(case, f"physics.medium.{key}", message, NO_OSMOSIS, MEDIUM(medium))


def test_salt_in_si(case):
    """Points in mol/m3, by name or label of the component; told in words."""
    read = Case.read(case, [MEDIUM('salt={ NH4 = [["0 mol/l", 1], ["0.1 mol/l", 0.6]] }')])
    law = read.response.salts[0]
    assert read.chemistry.components[law.component] == "NH4+"
    np.testing.assert_allclose(law(np.array([0.0, 50.0, 1e3])), [1.0, 0.8, 0.6])
    assert "0.6 at 100 mol/m3" in read.describe()
    told(case, "physics.medium.salt", "physics.flow is off", "physics.flow=false",
         MEDIUM('salt={ NH4 = [["0 mol/l", 1]] }'))


def test_zeta_excludes_electroosmotic_permeability(case):
    told(case, "physics.medium.zeta", "leave out ore.electroosmotic_permeability",
         MEDIUM('zeta=[[3, "0 mV"], [9, "-40 mV"]]'))


def test_medium_requires_transport(case):
    told(case, "physics.medium", "needs physics.transport", MEDIUM(f"porosity=true, {VOLUMES}"),
         "physics.transport=false")
