"""[physics.mobility]: factors on the diffusion of species, and mistakes."""

import pytest
from helpers.case_files import copy, told

from ekm3d import Case

MOBILITY = "physics.mobility={{{}}}".format


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("case"))


def ratio(case, mobility):
    """Return {species: new over old diffusion}."""
    old, new = Case.read(case).chemistry, Case.read(case, (MOBILITY(mobility),)).chemistry
    return dict(zip(new.species, new.diffusion / old.diffusion, strict=True))


def test_without_the_table_there_are_no_factors(case):
    assert Case.read(case).mobility == {}


def test_mobility_factors_multiply_the_diffusion_of_complexes(case):
    """The ion and its complexes; what is named itself has its own."""
    found = ratio(case, 'factor={"HREE+3"=1.2, "HREESO4+"=1.1}')
    assert found["HREE+3"] == pytest.approx(1.2) and found["HREESO4+"] == pytest.approx(1.1)
    assert found["HREE(SO4)2-"] == pytest.approx(1.2) and found["LREE+3"] == 1.0


def test_mobility_by_given_radii_of_lumps(case):
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
def test_wrong_mobility_is_refused(case, mobility, key, message):
    told(case, f"physics.mobility.{key}", message, MOBILITY(mobility))
