"""Air over catholytes and acid that holds their pH: rates, bounds and what is booked."""

import numpy as np
import pytest
from helpers.case_files import FIELD

from ekm3d.boundaries.treatment import Air, Conditioning
from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.errors import PlanError
from ekm3d.physics.catholyte_treatment import Treatment, falling_root
from ekm3d.thermodata.build import read_database

CHEM = read_database(FIELD / "database.toml", ["H+", "Na+", "SO4-2", "HCO3-", "Al+3"])
H, NA, SO4, HCO3, AL = (CHEM.index(name) for name in ("H+", "Na+", "SO4-2", "HCO3-", "Al+3"))
CO2 = CHEM.species_index("CO2(aq)")
C_STAR = 0.0143         # mol/m3: 4.2e-4 atm times 0.034 mol/l/atm
V = 2e-3                # m3


def solver(volume, start):
    """solve(totals, tanks) of tanks of these volumes, from the equilibrium of `start`."""
    engine = EquilibriumSolver(CHEM)
    warm = engine.solve_numpy(start / volume, np.ones(volume.size)).warm_start
    return lambda totals, tanks: engine.solve_numpy(totals / volume[tanks], np.ones(tanks.size),
                                                    warm_start=warm[:, tanks])


def tank(base=0.0, acid=0.0, al=0.0, salt=20.0, n=1):
    """(K, n) mol of Na2SO4 [mol/m3] with a base, an acid or aluminium sulfate."""
    c = np.zeros(len(CHEM.components))
    c[NA], c[AL], c[SO4] = 2 * salt + base, al, salt + acid / 2 + 1.5 * al
    c[H] = acid - base
    return np.tile(c[:, None] * V, n)


def test_acid_water_comes_to_equilibrium_with_the_air_as_an_exponential():
    """At pH 2 carbon is CO2 alone: n = c* V (1 - exp(-k_L A t / V)).

    A step is implicit: 20 of them to t = 2 V/(k_L A) have an error of some half of a step over the
    time constant, 1/20; the exact answer of implicit steps is met to the share of carbon that is
    HCO3- at pH 2, 5e-5.
    """
    volume = np.array([V])
    air = Treatment(CHEM, volume, Air("CO2(aq)", C_STAR, 1e-5, 0.02))
    totals, dt = tank(acid=20.0), 2 * V / (1e-5 * 0.02) / 20
    before, solve = totals.copy(), solver(volume, totals)
    for _ in range(20):
        air.advance(totals, dt, np.zeros(1), solve)
    implicit = 1 - (1 + 0.1)**-20.0
    assert totals[HCO3, 0] / (C_STAR * V) == pytest.approx(implicit, rel=2e-4)
    assert implicit == pytest.approx(1 - np.exp(-2.0), rel=0.05)
    gained = totals - before                  # CO2 = HCO3- + H+ - H2O
    assert gained[H, 0] == pytest.approx(gained[HCO3, 0], rel=1e-12)
    assert not np.delete(gained, [H, HCO3], axis=0).any()


def test_alkaline_water_takes_up_carbon_at_the_full_rate():
    """At pH 12 no CO2 is left in the water: k_L A c* t, and never more; equal in 1 or 4 steps."""
    volume = np.array([V])
    for steps in (1, 4):
        air = Treatment(CHEM, volume, Air("CO2(aq)", C_STAR, 1e-5, 0.02))
        totals = tank(base=20.0)
        solve = solver(volume, totals)
        for _ in range(steps):
            air.advance(totals, 36000.0 / steps, np.zeros(1), solve)
        assert totals[HCO3, 0] == pytest.approx(1e-5 * 0.02 * C_STAR * 36000.0, rel=1e-6)


def test_a_step_of_any_length_ends_at_equilibrium_from_either_side():
    """c = c* - n/(k_L A t), where n is what has come: the implicit step, to 1e-6 of c*.

    Alkaline, acid, and acid with 1 mol/m3 of CO2, which is given off; k_L A t is 1e6 volumes.
    Nothing becomes negative.
    """
    volume = np.full(3, V)
    totals = np.hstack([tank(base=5.0), tank(acid=20.0), tank(acid=20.0)])
    totals[[[HCO3], [H]], 2] += 1.0 * V
    air, solve = Treatment(CHEM, volume, Air("CO2(aq)", C_STAR, 1e-4, 0.02)), solver(volume, totals)
    air.advance(totals, 1e9, np.zeros(3), solve)
    assert air.absorbed[HCO3, 0] > 0.0 and air.absorbed[HCO3, 2] < 0.0
    assert (totals[HCO3] > 0.0).all()
    np.testing.assert_allclose(solve(totals, np.arange(3)).c[CO2],
                               C_STAR - air.absorbed[HCO3] / (1e-4 * 0.02 * 1e9), rtol=1e-6)


def test_a_gas_that_would_come_by_tonnes_stops_at_its_saturation():
    """CO2 of 1 bar and a vast surface: k_L A c* t is 3e7 mol/m3, which has no equilibrium."""
    volume, totals = np.array([V]), tank(base=20.0)
    air, solve = Treatment(CHEM, volume, Air("CO2(aq)", 34.0, 1.0, 1.0)), solver(volume, totals)
    air.advance(totals, 1800.0, np.zeros(1), solve)
    assert solve(totals, np.arange(1)).c[CO2, 0] == pytest.approx(34.0, rel=1e-4)
    assert 34.0 * V < totals[HCO3, 0] < 70.0 * V


def test_acid_holds_the_pH_of_cathodes_and_of_these_alone():
    """pH 5 to 1e-8 in the tank of a cathode, whatever it holds; none to the others.

    Two moles of H+ and one of sulfate; base of 10 mol/m3 takes 5 mol/m3 of H2SO4, and the little
    that makes pH 5: 1e-2 mol/m3 of H+, 1.5e-2 of HSO4-.
    """
    volume = np.full(4, V)
    totals = np.hstack([tank(base=10.0), tank(base=10.0, al=3.0), tank(base=10.0), tank(acid=5.0)])
    dosing = Treatment(CHEM, volume, conditioning=Conditioning(5.0, "SO4-2"))
    solve = solver(volume, totals)
    dosing.advance(totals, 60.0, np.array([0.1, 1.0, 0.0, 1.0]), solve)
    found = solve(totals, np.arange(4)).pH
    np.testing.assert_allclose(found[:2], 5.0, atol=1e-8)
    assert found[2] > 11 and found[3] < 3
    assert dosing.dosed[SO4, 0] == pytest.approx(5.0 * V, rel=4e-3)
    assert not dosing.dosed[:, 2:].any()
    np.testing.assert_allclose(dosing.dosed[H], 2 * dosing.dosed[SO4], rtol=1e-12)
    assert abs(CHEM.charge @ dosing.dosed).max() < 1e-15


def test_a_pH_that_no_acid_reaches_ends_the_run():
    """pH 0 by carbonic acid, which is too weak for that at any concentration."""
    volume, totals = np.array([V]), tank(base=10.0)
    dosing = Treatment(CHEM, volume, conditioning=Conditioning(0.0, "HCO3-"))
    with pytest.raises(PlanError, match="pH 0"):
        dosing.advance(totals, 60.0, np.ones(1), solver(volume, totals))


def test_roots_of_falling_functions_are_found_within_their_bounds():
    """1 - x^p has its root at 1, flat or steep; a function without a root ends at a bound."""
    powers = np.array([0.2, 1.0, 9.0])
    root = falling_root(lambda x, n: 1 - x**powers[n], np.zeros(3), np.full(3, 3.0), 1e-12)
    np.testing.assert_allclose(root, 1.0, rtol=1e-10)
    ends = falling_root(lambda x, n: np.array([1.0, -2.0])[n] - 0.1 * x, np.zeros(2), np.ones(2),
                        1e-12)
    assert ends.tolist() == [1.0, 0.0]
