"""Catholyte: drainage, capture of REE by the plate, settling of suspended solids."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.case_files import FIELD

from ekm3d.boundaries.treatment import Conditioning
from ekm3d.chemistry.equilibrium import EquilibriumSolver, acidity_from_neutrality
from ekm3d.constants import FARADAY
from ekm3d.physics.catholyte import Catholytes
from ekm3d.thermodata.build import read_database

CHEM = read_database(FIELD / "database.toml",
                     ["H+", "Na+", "SO4-2", "LREE+3", "HREE+3", "Al+3"])
H, NA, LREE, HREE, AL = (CHEM.index(name) for name in ("H+", "Na+", "LREE+3", "HREE+3", "Al+3"))
CAPTURE = 1.84e-8       # m/s per A/m2


def tanks(volume, salt=100.0, lree=5.0, hree=2.0, al=3.0, base=0.0, capture=CAPTURE,
          deposition=0.0, conditioning=None, film="catholyte"):
    """(Catholytes, state): tanks of `volume` [m3] with sulfates [mol/m3], `base` mol/m3 of OH-."""
    volume = np.atleast_1d(np.asarray(volume, float))
    content = np.zeros(len(CHEM.components))
    content[[NA, LREE, HREE, AL]] = 2 * salt, lree, hree, al
    content[CHEM.index("SO4-2")] = 0.5 * (CHEM.charge @ content)
    content[H] = acidity_from_neutrality(CHEM, content)
    content[H] -= base
    content[NA] += base
    n, m = volume.size, len(CHEM.minerals)
    k, s = len(CHEM.components), len(CHEM.species)
    state = SimpleNamespace(
        catholyte_totals=content[:, None] * volume,
        plate_totals=np.zeros((k, n)),
        leachate=np.zeros(k),
        drained=np.zeros(k),
        dosed=np.zeros(k),
        gas_uptake=np.zeros(k),
        catholyte_species=np.zeros((s, n)),
        catholyte_pH=np.zeros(n),
        catholyte_warm_start=np.zeros((k + 3 + m, n)),
    )
    cathodes = Catholytes(CHEM, EquilibriumSolver(CHEM), volume, capture, deposition,
                          conditioning=conditioning, film=film)
    cathodes.start(state)
    return cathodes, state


def advance(cathodes, s, dt, drained=0.0, collected=True, current=0.0):
    n = cathodes.volume.size
    cathodes.advance(s, dt, np.broadcast_to(drained, n), np.broadcast_to(collected, n),
                     np.broadcast_to(float(current), n) * np.ones(n))


def held(s):
    """mol of every component, wherever it is."""
    return s.catholyte_totals.sum(1) + s.plate_totals.sum(1) + s.leachate + s.drained


def test_drain_takes_the_share_of_a_mixed_tank():
    """Water of constant volume, c = c0 exp(-Q t / V): exact, and the same in one step or in ten.

    2 l, 1e-6 m3/s, 1000 s: 1 - exp(-0.5) of everything, suspended hydroxide included.
    """
    for steps in (1, 10):
        cathodes, s = tanks(2e-3, base=20.0)
        before = s.catholyte_totals.copy()
        for _ in range(steps):
            advance(cathodes, s, 1000.0 / steps, drained=1e-6)
        share = 1.0 - np.exp(-1e-6 * 1000.0 / 2e-3)
        np.testing.assert_allclose(s.leachate, share * before[:, 0], rtol=1e-12)
        np.testing.assert_allclose(s.catholyte_totals, (1 - share) * before, rtol=1e-12)


def test_only_collected_drainage_counts_as_leachate():
    """Two tanks, one with a collector, one with a drain; `left` is the amount from each."""
    cathodes, s = tanks([1e-3, 3e-3])
    cathodes.advance(s, 600.0, np.array([1e-7, 2e-7]), np.array([True, False]), np.zeros(2))
    np.testing.assert_allclose(s.leachate, cathodes.left[:, 0], rtol=1e-15)
    np.testing.assert_allclose(s.drained, cathodes.left[:, 1], rtol=1e-15)
    assert s.leachate[LREE] > 0 and s.drained[LREE] > 0


def test_capture_rate_far_below_faraday_limit():
    """d n/dt = k_pl (I/A) c A = k_pl I n/V: n(t) = n0 exp(-k_pl I t / V), the same for both REE.

    A strong base current and little REE: 1e-3 mol/m3 in 2 l under 1 A for an hour would need
    6e-6 mol of OH- at most, and 0.037 mol were made. 3 % of it is captured; Al is not. 10 mol/m3
    of base make the catholyte alkaline, whatever the 3 mol/m3 of Al take.
    """
    cathodes, s = tanks(2e-3, lree=1e-3, hree=5e-4, base=10.0)
    before = s.catholyte_totals.copy()
    advance(cathodes, s, 3600.0, current=1.0)
    share = 1.0 - np.exp(-CAPTURE * 1.0 * 3600.0 / 2e-3)
    assert 0.03 < share < 0.04
    for k in (LREE, HREE):
        assert s.plate_totals[k, 0] == pytest.approx(share * before[k, 0], rel=1e-12)
    assert s.plate_totals[AL, 0] == s.plate_totals[NA, 0] == 0.0


def test_capture_takes_three_hydroxides_per_ree():
    """Faraday: what is captured is the metal with 3 OH-, so the plate's acidity is -3 per mol."""
    cathodes, s = tanks(2e-3, base=40.0)
    advance(cathodes, s, 60.0, current=0.1)
    assert s.plate_totals[LREE, 0] > 0
    assert s.plate_totals[H, 0] == pytest.approx(
        -3 * (s.plate_totals[LREE, 0] + s.plate_totals[HREE, 0]), rel=1e-12
    )
    assert abs(CHEM.charge @ s.plate_totals[:, 0]) < 1e-12 * s.plate_totals[LREE, 0]


@pytest.mark.parametrize("current", [1e-3, 0.3, 3.0])
def test_capture_never_exceeds_base_made_by_current(current):
    """I t / F mol of OH-, 3 per mol of REE: with 1e5 times the usual k_pl the cap always binds.

    Then exactly I t / 3F is captured, shared out by what is there: LREE to HREE as 5 to 2.
    """
    cathodes, s = tanks(2e-3, lree=500.0, hree=200.0, capture=1e5 * CAPTURE, base=2200.0,
                        salt=3000.0)
    advance(cathodes, s, 60.0, current=current)
    captured = s.plate_totals[LREE, 0] + s.plate_totals[HREE, 0]
    assert captured == pytest.approx(current * 60.0 / FARADAY / 3.0, rel=1e-12)
    assert s.plate_totals[LREE, 0] / s.plate_totals[HREE, 0] == pytest.approx(2.5, rel=1e-12)


@pytest.mark.parametrize("hree, base, pH, captures", [(2.0, 0.0, 5.0, False),
                                                      (1000.0, 20.0, 7.0, True),
                                                      (2.0, 40.0, 14.0, True)])
def test_no_capture_while_the_catholyte_is_acid(hree, base, pH, captures):
    """Sulfates of 3 mol/m3 of Al and of REE: acid by hydrolysis, alkaline by 40 mol/m3 of base.

    In the acid catholyte the current's base is used up in the water, and the plate stays bare. 1
    mol/l of HREE holds the pH below 7 with its hydroxide: that can stand on the plate, too.
    """
    cathodes, s = tanks(2e-3, base=base, hree=hree)
    assert s.catholyte_pH[0] < pH
    advance(cathodes, s, 600.0, current=1.0)
    assert (s.plate_totals[HREE, 0] > 0.0) == captures
    assert captures or not s.plate_totals.any()


def test_acid_that_has_just_come_keeps_the_plate_bare():
    """Alkaline at the end of the last step, acid now: transport brought 60 mol/m3 of acid."""
    cathodes, s = tanks(2e-3, base=40.0)
    assert s.catholyte_pH[0] > 7.0
    s.catholyte_totals[[H, CHEM.index("SO4-2")], 0] += 60.0 * 2e-3, 30.0 * 2e-3
    advance(cathodes, s, 600.0, current=1.0)
    assert s.catholyte_pH[0] < 7.0 and not s.plate_totals.any()


@pytest.mark.parametrize("current", [0.01, 1.0])
def test_the_base_of_the_current_makes_a_film_in_an_acid_catholyte(current):
    """Catholyte with 1/(F k_pl) = 563 mol/m3 of base is above pH 13 at any current, REE are solid.

    So both are captured at k_pl I/V as in an alkaline catholyte; 1e-5: solubility of their
    hydroxides there, 10^(20.3 - 3 pH) mol/l. Al is dissolved as Al(OH)4- and stays.
    """
    cathodes, s = tanks(2e-3, film="current")
    before = s.catholyte_totals.copy()
    assert s.catholyte_pH[0] < 5.0
    advance(cathodes, s, 600.0, current=current)
    share = 1.0 - np.exp(-CAPTURE * current * 600.0 / 2e-3)
    for k in (LREE, HREE):
        assert s.plate_totals[k, 0] == pytest.approx(share * before[k, 0], rel=1e-5)
    assert s.plate_totals[AL, 0] == 0.0


@pytest.mark.parametrize("acid, al, part", [(0.0, 3.0, 1.0), (600.0, 3.0, 0.0), (0.0, 250.0, 0.0),
                                            (550.0, 0.0, (563.27 - 550.0) / 3 / 7)])
def test_acid_and_aluminium_take_the_base_at_the_plate_first(acid, al, part):
    """Of 563.3 mol/m3 of base acid takes its amount and Al(OH)3 three per Al: REE get the rest.

    600 mol/m3 of acid, or 250 of Al, leave nothing; 550 leave 13.3 for 7 of REE, which need 21:
    what is hydroxide is 13.3/3/7, and 3 % for the little that acid at pH 7 and hydrolysis hold.
    """
    cathodes, s = tanks(2e-3, al=al, film="current", salt=1000.0)
    s.catholyte_totals[[H, CHEM.index("SO4-2")], 0] += acid * 2e-3, 0.5 * acid * 2e-3
    before = s.catholyte_totals.copy()
    advance(cathodes, s, 600.0, current=1.0)
    share = 1.0 - np.exp(-CAPTURE * 600.0 / 2e-3)
    caught = s.plate_totals[[LREE, HREE], 0].sum() / before[[LREE, HREE], 0].sum()
    assert caught == pytest.approx(part * share, rel=0.03, abs=1e-6)


def test_deposition_of_one_mineral_leaves_the_others_suspended():
    """Al(OH)3 settles at 0.034 1/s, the hydroxides of the REE stay and leave with the drain.

    28 mol/m3 of base precipitate all three: after 200 s 99.9 % of the Al is on the plate, none
    of the REE; one rate for all would settle them as well, and no leachate would hold any.
    """
    rates = np.array([0.034 * (name == "Al(OH)3") for name in CHEM.minerals])
    cathodes, s = tanks(2e-3, base=28.0, deposition=rates)
    before = s.catholyte_totals[:, 0].copy()
    solid = cathodes.suspended[CHEM.minerals.index("Al(OH)3"), 0] * 2e-3
    advance(cathodes, s, 200.0, drained=1e-5)
    assert solid > 0.9 * before[AL]
    assert s.plate_totals[AL, 0] == pytest.approx((1 - np.exp(-6.8)) * solid, rel=1e-9)
    assert s.plate_totals[LREE, 0] == s.plate_totals[HREE, 0] == 0.0
    assert s.leachate[LREE] == pytest.approx((1 - np.exp(-1.0)) * before[LREE], rel=1e-12)


def test_no_capture_without_current():
    """Power off, or no plate capture in the case: what is dissolved stays so."""
    for current, capture in ((0.0, CAPTURE), (1.0, 0.0)):
        cathodes, s = tanks(2e-3, capture=capture, base=40.0)
        before = s.catholyte_totals.copy()
        advance(cathodes, s, 3600.0, current=current)
        assert not s.plate_totals.any() and (s.catholyte_totals == before).all()


def test_suspended_hydroxide_settles_at_its_rate():
    """d n/dt = k n on what is solid: 1 - exp(-k dt) of it, 3 acids less per mol.

    28 mol/m3 of base on 10 of M3+: all three metals precipitate, Al nearly all. Solids before
    the step are those that the engine itself finds in the same totals.
    """
    cathodes, s = tanks(2e-3, base=28.0, deposition=0.034)
    solid = cathodes.engine.solve_numpy(s.catholyte_totals / 2e-3, np.ones(1)).solid[:, 0] * 2e-3
    assert solid[CHEM.minerals.index("Al(OH)3")] > 0.9 * 3.0 * 2e-3
    advance(cathodes, s, 20.0)
    share = 1.0 - np.exp(-0.034 * 20.0)
    for mineral, k in (("Al(OH)3", AL), ("LREE(OH)3", LREE), ("HREE(OH)3", HREE)):
        amount = share * solid[CHEM.minerals.index(mineral)]
        assert s.plate_totals[k, 0] == pytest.approx(amount, rel=1e-9, abs=1e-15)
    assert s.plate_totals[H, 0] == pytest.approx(
        -3 * s.plate_totals[[AL, LREE, HREE], 0].sum(), rel=1e-9
    )


def test_a_pH_is_held_though_water_without_acid_comes(rng):
    """pH 4 to 1e-8 at the end of every step, base and drains of whatever size between.

    A tenth of the tank leaves in half an hour: doses against the base alone left pH 4.05 and more.
    What was dosed is in the books, two acidities for one sulfate, and counts for its strip.
    """
    cathodes, s = tanks([2e-3, 2e-3], base=10.0, conditioning=Conditioning(4.0, "SO4-2"))
    before, booked = held(s), np.zeros(len(CHEM.components))
    for _ in range(5):
        base = rng.uniform(0.5, 2.0, 2) * 2e-3
        s.catholyte_totals[H] -= base
        before[H] -= base.sum()
        cathodes.advance(s, 1800.0, np.array([1.2e-7, 2e-7]), np.array([True, False]), np.ones(2))
        booked += cathodes.dosed.sum(1)
        np.testing.assert_allclose(s.catholyte_pH, 4.0, rtol=0, atol=1e-8)
    np.testing.assert_allclose(held(s), before + s.dosed, rtol=1e-13)
    np.testing.assert_allclose(s.dosed, booked, rtol=1e-13)
    assert s.dosed[H] > 0.0
    assert s.dosed[H] == pytest.approx(2 * s.dosed[CHEM.index("SO4-2")])


@pytest.mark.parametrize("film", ["catholyte", "current"])
def test_mass_and_charge_are_conserved(rng, film):
    """Ten steps with everything going on: tanks, plates, leachate and drains hold what was there.

    1e-13 relative: only additions. What leaves is neutral, as the tank was: a tank that is as
    acid as the base taken from it would show here.
    """
    cathodes, s = tanks([1e-3, 2e-3, 5e-3], base=40.0, deposition=0.034, film=film)
    before = held(s)
    for dt in rng.uniform(10, 600, 10):
        cathodes.advance(s, dt, np.array([1e-7, 0.0, 3e-7]), np.array([True, False, False]),
                         np.array([0.7, 0.2, 0.0]))
    np.testing.assert_allclose(held(s), before, rtol=1e-13)
    ions = np.abs(CHEM.charge) @ before
    for part in (s.catholyte_totals.sum(1), s.plate_totals.sum(1), s.leachate, s.drained):
        assert abs(CHEM.charge @ part) < 1e-13 * ions
    assert (s.catholyte_totals[[NA, LREE, HREE, AL]] >= 0).all()


def test_tank_turns_alkaline_with_current():
    """1 A for 60 s makes 6.2e-4 mol of OH-, in 2 l of 0.1 M Na2SO4: 0.31 mM more every time.

    The first batch in water that was near neutral: log10(3.1e-4) + 14 = 10.49 by concentration,
    less log10 of the activity coefficient of OH- in I = 0.3 M (0.7, Davies): 10.35, to 0.02.
    Sodium stands for what migrates in.
    """
    cathodes, s = tanks(2e-3, lree=0.0, hree=0.0, al=0.0)
    pH = [s.catholyte_pH[0]]
    assert pH[0] == pytest.approx(7.0, abs=0.5)
    for _ in range(5):
        made = 60.0 / FARADAY
        s.catholyte_totals[H, 0] -= made
        s.catholyte_totals[NA, 0] += made
        advance(cathodes, s, 60.0, current=1.0)
        pH.append(s.catholyte_pH[0])
    assert pH[1] == pytest.approx(10.35, abs=0.02)
    assert (np.diff(pH) > 0).all() and pH[5] - pH[1] == pytest.approx(np.log10(5), abs=0.02)


def test_a_block_without_electrodes_has_no_tanks():
    cathodes = Catholytes(CHEM, None, np.zeros(0), CAPTURE, 0.0)
    state = SimpleNamespace()
    cathodes.start(state)
    cathodes.advance(state, 10.0, np.zeros(0), np.zeros(0, bool), np.zeros(0))
    assert cathodes.left.shape == (len(CHEM.components), 0)
