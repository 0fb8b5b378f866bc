"""Ionic properties of a voxel against measured conductivities and worked numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.salt_medium import rock_of

from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.electrolyte import Electrolyte

GRID = Grid((3, 2, 2), (0.1, 0.2, 0.5))       # 0.01 m3
# K+, Cl-, a neutral pair; D of the ions at infinite dilution and 25 C (CRC Handbook)
CHEM = SimpleNamespace(z=np.array([1, -1, 0]), diffusion=np.array([1.957e-9, 2.032e-9, 1e-9]),
                       z_x=np.array([1, 3]))


def water(backend, chem=CHEM, theta=0.4, **given):
    """An Electrolyte of ore with water content theta, and a state of zeros."""
    def full(value, *lead):
        a = np.zeros((*lead, *GRID.padded))
        a[GRID.inner] = value
        return a

    s = SimpleNamespace(c=full(0.0, len(chem.z)), exchanged=full(0.0, len(chem.z_x)),
                        transport_factor=full(1.0), charge=full(0.0), pore_turnover=full(7.0))
    return Electrolyte(GRID, backend, Domain(GRID), chem, rock_of(water_content=full(theta)),
                       **given), s


def test_conductivity_of_potassium_chloride(backend):
    """149.8 S cm2/mol at infinite dilution (Kohlrausch; CRC Handbook, ions 73.5 and 76.3).

    1 mol/m3 in water alone: 14.98 mS/m to the digits of the table, 1e-3. The neutral species
    adds nothing; where mobility is 0.3 conductivity is 0.3 of it.
    """
    ions, s = water(backend)
    s.c[:] = 1.0
    s.transport_factor[GRID.inner] = [[[1.0, 0.3, 0.0]] * 2] * 2
    sigma = ions.conductivity(s)[GRID.inner]
    assert sigma[..., 0] == pytest.approx(0.01498, rel=1e-3)
    np.testing.assert_allclose(sigma[..., 1], 0.3 * sigma[..., 0], rtol=1e-14)
    assert not sigma[..., 2].any()
    assert (s.pore_turnover[GRID.inner] == 7.0).all()               # asking changes nothing


def test_exchanger_retards_the_turnover(backend):
    """10 mol/m3 of KCl in theta = 0.4 are 4 eq/m3 of cations; 3 of K and 3 x 3 of La held: R = 4.

    dt/(theta V R) = 100 s / (0.4 x 0.01 m3 x 4) = 6250 s/m3; without the clay 25 000; where nothing
    is dissolved or held R is 1, and 0 where there is no water. Exact to rounding.
    """
    ions, s = water(backend)
    s.c[:2] = 10.0
    s.exchanged[GRID.inner] = 3.0
    s.exchanged[:, 2, 2, 3] = 0.0
    s.c[:, 2, 2, 4] = s.exchanged[:, 2, 2, 4] = 0.0
    ions.rock.water_content[3, 3, 3] = 0.0
    ions.update(s, 100.0)
    turnover = s.pore_turnover[GRID.inner]
    expected = np.full(GRID.shape, 6250.0)
    expected[0, 0, 1] = expected[0, 0, 2] = 25000.0
    expected[1, 1, 1] = 0.0
    np.testing.assert_allclose(turnover, expected, rtol=1e-14)
    ions.update(s, 0.0)
    assert not s.pore_turnover[GRID.inner].any()


def test_no_retardation_without_exchanger(backend):
    """No exchange species at all: R = 1."""
    ions, s = water(backend, SimpleNamespace(**(vars(CHEM) | {"z_x": np.zeros(0)})))
    s.c[:] = 2.0
    ions.update(s, 8.0)
    np.testing.assert_allclose(s.pore_turnover[GRID.inner], 2000.0, rtol=1e-14)


def test_given_conductivity_replaces_that_of_ions(backend, rng):
    """The ions' own is not asked for, whatever they are."""
    given = rng.random(GRID.padded)
    ions, s = water(backend, given=given)
    s.c[:] = 1.0
    assert ions.conductivity(s) is given and ions.sigma is given


def test_imbalance_is_relative_to_dissolved_ions(backend):
    """-1e-3 mol/m3 of rock beside 0.4 x (1 + 3) mol/m3 of charges: 6.25e-4, the largest of all.

    Neutral species do not count; where nothing is dissolved there is nothing to compare with.
    """
    ions, s = water(backend)
    s.c[0], s.c[1], s.c[2] = 1.0, 3.0, 50.0
    s.charge[2, 3, 2], s.charge[3, 2, 3] = 1e-4, -1e-3
    assert ions.imbalance(s) == pytest.approx(6.25e-4, rel=1e-14)
    s.c[:2, 3, 2, 3] = 0.0
    assert ions.imbalance(s) == pytest.approx(6.25e-5, rel=1e-14)
    for array, place in ((s.c, (1, 2, 2, 2)), (s.charge, (2, 2, 2))):
        kept, array[place] = float(array[place]), np.nan
        assert np.isnan(ions.imbalance(s))                  # and is not passed over
        array[place] = kept
