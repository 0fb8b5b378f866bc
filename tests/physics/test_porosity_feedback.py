"""Porosity feedback of minerals and pore water, against numbers by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.salt_medium import rock_of
from helpers.slow_voxels import chemistry

from ekm3d.case.medium import Response, Salt, Zeta
from ekm3d.grid.grid import Grid
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.porosity_feedback import EPSILON_ETA, LEAST, PorosityFeedback, kozeny_carman

VOLUMES = np.array([3e-5, 2e-5])       # m3/mol
FIRST = {
    "water_content": 0.3,
    "tortuosity": 0.5,
    "hydraulic_conductivity": 2e-6,
    "electroosmosis": 0.0,
}


def medium(response, n=3, amounts=0.0):
    """Return (PorosityFeedback, state, value of a rock array) for n voxels of porosity 0.4."""
    chem = chemistry("salt", "base")
    grid = Grid((n, 1, 1), (0.1, 0.1, 0.1), (0.0, 0.0, 0.0))
    ore = OreVoxels(grid, np.ones(grid.shape, bool))

    def padded(value, *lead):
        array = np.zeros((*lead, *grid.padded))
        ore.put(array, value)
        return array

    rock = rock_of(**{name: padded(value) for name, value in FIRST.items()})
    s = SimpleNamespace(solid=padded(amounts, 2), kinetic_minerals=padded(500.0, 2),
                        immobile_solid=padded(100.0, 2), c=padded(0.0, len(chem.species)),
                        pH=padded(7.0))
    made = PorosityFeedback(ore, chem, rock, padded(0.4), response)
    made.start(s)
    return made, s, lambda name: ore.take(getattr(rock, name))


def test_kozeny_carman():
    """n^3/(1 - n)^2: from 0.4 to 0.2 by (1/2)^3 (0.6/0.8)^2 = 0.0703125; 1 where n stays."""
    assert kozeny_carman(0.2, 0.4) == pytest.approx(0.0703125, rel=1e-15)
    assert kozeny_carman(0.37, 0.37) == 1.0


@pytest.mark.parametrize("law, K", [("kozeny-carman", 0.5**3 * (0.6 / 0.8)**2), (4.0, 0.5**4),
                                    (None, 1.0)])
def test_minerals_fill_the_pores(law, K):
    """3000 and 5500 mol/m3 of 30 and 20 cm3/mol, however they came: n = 0.4 - 0.2.

    The part of them in equilibrium, with a law and in immobile water counts alike; half the
    porosity: half the water, tau by 2^-0.33, K by its law. What dissolves comes back exactly.
    """
    made, s, value = medium(Response(VOLUMES, law, 0.33))
    at_start = {name: value(name) for name in FIRST}
    for name, change in (("solid", (2000.0, 0.0)), ("kinetic_minerals", (1000.0, 5000.0)),
                         ("immobile_solid", (0.0, 500.0))):
        getattr(s, name)[...] += np.array(change)[:, None, None, None]
    made.advance(s)
    np.testing.assert_allclose(made.porosity, 0.2, rtol=1e-14)
    np.testing.assert_allclose(value("water_content"), 0.15, rtol=1e-14)
    np.testing.assert_allclose(value("tortuosity"), 0.5 * 2**-0.33, rtol=1e-14)
    np.testing.assert_allclose(value("hydraulic_conductivity"), 2e-6 * K, rtol=1e-14)
    s.kinetic_minerals[0] -= 1000.0
    s.kinetic_minerals[1] -= 5000.0
    s.immobile_solid[1] -= 500.0
    s.solid[0] -= 2000.0
    made.advance(s)
    for name, first in at_start.items():
        np.testing.assert_array_equal(value(name), first)


def test_pores_never_close():
    """Twice as much as there is room for in one of three voxels: LEAST of the porosity, counted."""
    made, s, value = medium(Response(VOLUMES, "kozeny-carman", 1.0))
    s.solid[0, ..., 3] += 0.8 / 3e-5
    made.advance(s)
    assert made.closed == 1
    np.testing.assert_allclose(np.sort(value("water_content")), [LEAST * 0.3, 0.3, 0.3])
    assert (value("hydraulic_conductivity") > 0).all()


def test_rock_is_unchanged_without_volumes():
    """Minerals come and go; the rock stays to the bit where the porosity is off."""
    made, s, value = medium(Response(zeta=Zeta(np.array([3.0]), np.array([-0.02]))))
    s.solid += 1000.0
    made.advance(s)
    for name in ("water_content", "tortuosity", "hydraulic_conductivity"):
        np.testing.assert_array_equal(value(name), FIRST[name])


def test_permeability_follows_the_salt_of_the_pore_water():
    """0.6 at 40 mol/m3 of Cl-, half way to it 0.8, constant beyond; of two components the product.

    With Kozeny and Carman at half the porosity 0.0703125 times that. In water again, to the bit.
    """
    chloride = Salt(3, "Cl-", np.array([0.0, 40.0]), np.array([1.0, 0.6]))
    metal = Salt(2, "M+2", np.array([0.0, 10.0]), np.array([1.0, 0.5]))
    made, s, value = medium(Response(VOLUMES, "kozeny-carman", None, None, (chloride, metal)))
    for c, factor in ((20.0, 0.8), (40.0, 0.6), (100.0, 0.6)):
        s.c[3] = c
        made.advance(s)
        np.testing.assert_allclose(value("hydraulic_conductivity"), 2e-6 * factor, rtol=1e-14)
    s.c[2] = 5.0
    s.solid[1] += 10000.0
    made.advance(s)
    np.testing.assert_allclose(value("hydraulic_conductivity"), 2e-6 * 0.6 * 0.75 * 0.5**3 * 0.5625,
                               rtol=1e-13)
    s.c[...], s.solid[1] = 0.0, 0.0
    made.advance(s)
    np.testing.assert_array_equal(value("hydraulic_conductivity"), 2e-6)


# --- electro-osmosis --------------------------------------------------------------------------

def test_zeta_between_and_beyond_its_points():
    """0 mV at pH 3, -40 at 9: -20 in the middle, the ends beyond; a tenfold I takes off 30 %."""
    zeta = Zeta(np.array([3.0, 9.0]), np.array([0.0, -0.04]), -0.3, 0.01)
    strength = np.full(4, 0.01)
    np.testing.assert_allclose(zeta(np.array([2.0, 6.0, 9.0, 12.0]), strength),
                               [0, -0.02, -0.04, -0.04])
    strengths = np.array([0.001, 0.1, 0.01 * 10**4])
    np.testing.assert_allclose(zeta(np.full(3, 6.0), strengths), [-0.026, -0.014, 0.0], atol=1e-15)
    assert np.isfinite(zeta(6.0, 0.0))


def test_smoluchowski_permeability():
    """k_e = -(epsilon/eta) zeta theta tau; epsilon/eta = 78.4 x 8.854e-12/0.890e-3 m2/s/V2.

    -30 mV in 0.3 of water and tau = 0.5: +3.51e-9 m2/V/s, towards the cathode. I of 20 mol/m3 of
    M+2 and 40 of Cl- is (4 x 20 + 40)/2 = 60 mol/m3: 0.06 mol/l, log10(6) decades above 0.01.
    """
    assert EPSILON_ETA == pytest.approx(78.4 * 8.854e-12 / 0.890e-3, rel=1e-3)
    made, s, value = medium(Response(zeta=Zeta(np.array([7.0]), np.array([-0.03]))))
    np.testing.assert_allclose(value("electroosmosis"), 3.51e-9, rtol=1e-12)
    salty, s, value = medium(Response(zeta=Zeta(np.array([7.0]), np.array([-0.03]), -0.3, 0.01)))
    s.c[2], s.c[3] = 20.0, 40.0
    salty.advance(s)
    np.testing.assert_allclose(value("electroosmosis"), 3.51e-9 * (1 - 0.3 * np.log10(6.0)),
                               rtol=1e-12)


def test_osmosis_shrinks_with_the_pores():
    """theta tau halved twice over: k_e with tau ~ n is a quarter at half the porosity."""
    made, s, value = medium(Response(VOLUMES, None, 1.0, Zeta(np.array([7.0]), np.array([-0.03]))))
    s.solid[1] += 10000.0
    made.advance(s)
    np.testing.assert_allclose(value("electroosmosis"), 3.51e-9 / 4, rtol=1e-12)
