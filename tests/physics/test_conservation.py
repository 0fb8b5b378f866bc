"""Invariants of transport in any state: amounts, charge, positivity; and the longest step."""

from functools import partial

import numpy as np
import pytest
from helpers.salt_columns import SALT, Block, plates, side, well
from helpers.salt_medium import row

from ekm3d.boundaries.boundary_faces import PASSING
from ekm3d.boundaries.schedule import Drive
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.stencil import above, below, faces

SLOW = partial(pytest.param, marks=pytest.mark.slow)
MANY = {"H+": (1, 9.3e-9), "NH4+": (1, 2e-9), "Ca+2": (2, 0.8e-9), "La+3": (3, 0.6e-9),
        "Cl-": (-1, 2e-9), "SO4-2": (-2, 1.1e-9)}
POSTS = (row("a", ((0, 0, 0), (0.1, 0.1, 0.8)), contact_resistance=3.0),
         row("b", ((0.3, 0.1, 0.2), (0.4, 0.2, 0.6))),
         row("c", ((0.5, 0, 0), (0.6, 0.1, 0.4)), ((0.5, 0.3, 0.4), (0.6, 0.4, 0.8)),
             contact_resistance=5.0))


def neutral(water):
    """The same concentrations (ions, ...) with more Cl- or NH4+, so that charges add up to zero."""
    surplus = np.tensordot([z for z, _ in MANY.values()], water, 1)
    water[4] += np.maximum(surplus, 0)
    water[1] += np.maximum(-surplus, 0)
    return water


def wild(rng, backend=None, cfl=1.0):
    """Ore in which everything varies over decades, with posts, wells and a closed voxel."""
    wells = (well("injection", "anodes", rate=3e-8),
             well("injection", box=((0.1, 0.3, 0.2), (0.2, 0.4, 0.4)), rate=1e-8),
             well("drain", box=((0.2, 0.1, 0), (0.3, 0.2, 0.4)), head=0.0),
             well("collector", "cathodes", head=0.0))
    shape = (4, 4, 6)
    mobility, k = 10 ** rng.uniform(-4, 0, shape), 10 ** rng.uniform(-8, -4, shape)
    mobility[2, 2, 1] = k[2, 2, 1] = 0.0
    block = Block((6, 4, 4), (0.1, 0.1, 0.2), MANY, theta=rng.uniform(0.2, 0.5, shape),
                  mobility=mobility, dispersivity=rng.uniform(0, 0.1, shape), conductivity=k,
                  osmosis=10 ** rng.uniform(-10, -8, shape), rows=POSTS, wells=wells,
                  feeds=neutral(rng.uniform(0, 2, (6, 4))).T, cfl=cfl, backend=backend)
    block.fill(*neutral(10 ** rng.uniform(-4, 2, (6, *shape))),
               tank=neutral(10 ** rng.uniform(-4, 2, (6, 4))))
    return block


DRIVES = (Drive(0, ("a",), ("c",), 20.0, 1.0, np.inf), Drive(0, ("c",), ("a",), 5.0, 1.0, np.inf),
          Drive(0, ("b",), ("a", "c"), 60.0, 1.0, np.inf),
          Drive(0, ("a",), ("c",), 20.0, 0.0, np.inf))
WEAK = tuple(Drive(0, ("a",), ("c",), v, 1.0, np.inf) for v in (0.02, 0.1, 0.3, 1.0))


def steps(block, drives=(*DRIVES, *WEAK)):
    """Under each drive in turn: solve, hand out the longest step, take it, neutralise the tanks."""
    for drive in drives:
        block.solve(drive, 3600.0)
        dt = block.prepare()
        assert 0 < dt < np.inf
        yield dt
        block.transport.advance(block.state, dt)
        block.state.catholyte_totals[0] = 1.0
        block.settle()


@pytest.mark.parametrize("seed", [SLOW(3), SLOW(17), 211])
def test_mass_conservation_and_positivity(seed, backend):
    """Eight steps of the full length allowed, each under another drive, from wild states.

    At cfl = 1 the step is the longest that can be proved safe. Sums close to 1e-14: every face
    takes from one voxel what it gives to the other. Base makes the acidity of tanks negative.
    Closed faces and the closed voxel let nothing through at all.
    """
    block = wild(np.random.default_rng(seed), backend)
    volume, transport = block.grid.voxel_volume, block.transport
    for dt in steps(block):
        for axis in range(3):
            outer = np.moveaxis(block.flux(slice(None), axis), axis + 1, 0)[[0, -1]]
            assert not outer.any()
        assert not block.gained[:, 2, 2, 1].any() and block.T[:, 2, 2, 1].all()
        rates = block.gained.sum((1, 2, 3)) + transport.tank.sum(1) - transport.wells_in.sum(0)
        rates[0] -= transport.acid.sum()
        held = block.T.sum((1, 2, 3)) * volume + block.state.catholyte_totals.sum(1)
        assert (np.abs(rates * dt) <= 1e-14 * held).all()
        ore = block.T + dt / volume * block.gained
        tank = (block.state.catholyte_totals + dt * transport.tank)[1:]
        assert (ore.min((1, 2, 3)) >= -1e-15 * ore.max((1, 2, 3))).all()
        assert (tank.min(1) >= -1e-15 * tank.max(1)).all()


@pytest.mark.parametrize("seed", [5, SLOW(29)])
def test_species_flux_carries_the_solved_current(seed, backend):
    """On every face sum z F J_s = S (phi_a - phi_b) + I_d, the current that the solver balanced.

    Water and dispersion add nothing, as every voxel is neutral. So the charge that a voxel
    gains is the solver's residual: 1e-12 of all sources together, here 1e-9 of the largest flux.
    """
    block = wild(np.random.default_rng(seed), backend, cfl=0.9)
    z, phi, potential = block.chem.z, block.state.phi[block.grid.inner], block.potential
    for _ in steps(block, DRIVES):
        ionic = 0.0
        for axis in range(3):
            flux = block.flux(slice(None), axis)
            drop = below(block.state.phi, axis) - above(block.state.phi, axis)
            current = (faces(potential.conductance[axis], axis) * drop
                       + faces(potential.current[axis], axis))
            largest = FARADAY * np.tensordot(np.abs(z), np.abs(flux), 1).max()
            charge = FARADAY * np.tensordot(z, flux, 1)
            np.testing.assert_allclose(charge, current, rtol=0, atol=1e-11 * largest)
            ionic = max(ionic, largest)
        net = FARADAY * np.tensordot(z, block.gained, 1)
        assert np.abs(net).max() < 1e-9 * ionic
        assert np.ptp(phi) > 0.01


def test_residual_charge_is_removed_in_one_step():
    """F rho V/dt is a source of the potential: a voxel's net charge leaves it within the step.

    1e-6 of the ions of one voxel too much; after the step nothing but the solver's tolerance.
    """
    block = Block((5, 4, 3), (1e-3, 2e-3, 3e-3), {"K+": (1, 1e-9), "Cl-": (-1, 2e-9)}, theta=0.4,
                  mobility=0.12)
    c = np.ones((3, 4, 5))
    c[0, 1, 2] += 1e-6
    block.fill(c, 1.0 + 0 * c + 1e-6 / 60)
    assert block.state.charge.max() > 3e-7
    for dt in (5.0, 50.0):
        block.solve(dt=dt)
        block.prepare()
        rate = np.tensordot(block.chem.z, block.gained, 1) / block.grid.voxel_volume
        left = block.state.charge[block.grid.inner] + dt * rate
        assert np.abs(left).max() < 1e-11


@pytest.mark.parametrize("seed", [11, SLOW(59)])
def test_face_concentrations_match_the_final_drift(seed):
    """Condition for positivity: c* belongs to the direction of the drift, and to its size.

    On every face that conducts and every charge: the potential that c* was chosen by has the
    same sign, or |z u| <= 1/2 where diffusion makes up for it, or the smaller side was taken;
    and |z u| is at most twice what it was then, or at most 2. Few faces need the smaller side.
    """
    block = wild(np.random.default_rng(seed))
    s, potential = block.state, block.potential
    taken = total = 0
    for _ in steps(block, (*DRIVES, *WEAK, DRIVES[1])):
        for axis in range(3):
            moves = faces(potential.conductance[axis], axis) > 0
            u, old = (F_RT * (below(p, axis) - above(p, axis))[moves]
                      for p in (s.phi, potential.previous_phi))
            safe = faces(potential.use_smaller_side[axis], axis)[moves] > 0
            for z in (1, 2, 3):
                assert (safe | (u * old > 0) | (z * np.abs(u) <= 0.5)).all()
                assert (safe | (z * np.abs(u) <= 2 * np.maximum(z * np.abs(old), 1))).all()
            taken, total = taken + safe.sum(), total + safe.size
        t = potential.boundary_state
        crossed = np.isin(t.roles.kinds, PASSING) & (t.use_smaller_side == 0)
        u, old = (3 * F_RT * v[crossed] for v in (t.drop, t.previous_drop))
        assert ((u * old > 0) | (np.abs(u) <= 0.5)).all()
        assert (np.abs(u) <= 2 * np.maximum(np.abs(old), 1)).all()
    assert taken <= 0.1 * total


def test_reversing_field_draws_no_absent_species():
    """Two reservoirs at 1.5, 5, -5, no and again 1.5 thermal voltages: c* turns with the field.

    Na+ is beyond one side only and enters there; never does the ore, which has none at first,
    give any. A field found the first time, or the other way round, is solved for once more.
    """
    block = Block((1, 1, 1), (1e-3, 2e-3, 3e-3), {"Na+": (1, 1e-9), **IONS}, given=np.zeros((2, 3)),
                  sides=[side(u, composition={}, potential=0.0) for u in (False, True)])
    block.fill(0.0, 2.0, 1.0)
    block.state.reservoir_species[...] = np.array([[0.2, 0.0], [0.0, 0.2], [0.1, 0.1]])
    for u in (1.5, 5.0, -5.0, 0.0, 1.5):
        block.contacts.sides[0].potential = u / F_RT
        block.solve()
        block.prepare()
        t = block.potential.boundary_state
        assert (block.gained[0] >= 0).all()
        assert (block.transport.side[1, 0] >= 0) and (block.transport.side[0, 1] <= 0)
        if u:
            assert (t.drop * t.previous_drop > 0).all()


def test_advection_of_neutral_water_carries_no_current(rng):
    """Still diffusion, wild concentrations, water and dispersion: charge fluxes are rounding."""
    block = wild(rng)
    block.state.transport_factor *= 1e-30
    for axis in range(3):
        inner = faces(block.potential.conductance[axis], axis)
        faces(block.flow.water[axis], axis)[...] = rng.normal(0, 1e-8, inner.shape)
    block.prepare()
    for axis in range(3):
        flux = block.flux(slice(None), axis)
        charge = np.tensordot(block.chem.z, flux, 1)
        assert np.abs(flux).max() > 1e-8
        assert np.abs(charge).max() < 1e-14 * np.abs(flux).max()


# ---- the longest step: cfl x the time in which the fastest species could empty a voxel -------

IONS = {"K+": (1, 1e-9), "SO4-2": (-2, 0.7e-9)}


def test_step_limit_of_diffusion():
    """dt = theta / (2 D m (1/dx2 + 1/dy2 + 1/dz2)) of the fastest ion, times cfl.

    At cfl = 1 a voxel amid empty ones gives away all it has, and nothing more.
    """
    block = Block((3, 3, 3), (1e-3, 2e-3, 3e-3), SALT | {"H+": (1, 9e-9)}, theta=0.4,
                  mobility=0.12, cfl=0.5)
    c = np.zeros((3, 3, 3))
    c[1, 1, 1] = 5.0
    block.fill(0.0, c, c)
    dt = block.prepare()
    expected = 0.4 / (2 * 9e-9 * 0.12 * 1e6 * (1 + 1 / 4 + 1 / 9))
    assert dt == pytest.approx(0.5 * expected, rel=1e-12)
    kept = block.T[2, 1, 1, 1] + expected / block.grid.voxel_volume * block.gained[2, 1, 1, 1]
    assert kept == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize("u", [0.5, -0.5, 4.0, -4.0])
def test_step_limit_of_drift(u):
    """dt = theta h2 / (m D (2 + 2 |z u|)): a limited face may carry twice the upwind value.

    At u = 0.5 K+ is the quicker of the two, 3e-9 against 2.8e-9; at u = 4 SO4-2: 12.6 and 10.
    """
    block = Block((4, 1, 1), (1e-3, 2e-3, 3e-3), IONS, theta=0.4, mobility=0.12)
    block.fill(1.0, 1.0)
    block.field(2, u / F_RT)
    rate = max(d * (2 + 2 * abs(z * u)) for z, d in IONS.values())
    assert block.prepare() == pytest.approx(0.9 * 0.4 * 1e-6 / (0.12 * rate), rel=1e-12)


def test_step_limit_of_drift_depends_on_the_losing_voxel():
    """Two voxels, theta 0.4 and 0.1: u > 0 takes K+ out of the first, SO4-2 out of the second.

    Rates D m/h2 (1 + 2 |z u|) of the ion that leaves through the face, D m/h2 of the other.
    """
    for u, rate in ((1.0, 0.7e-9 * 5 / 0.1), (-1.0, 1e-9 * 3 / 0.1)):
        block = Block((2, 1, 1), (1e-3, 2e-3, 3e-3), IONS, mobility=0.12,
                      theta=np.array([0.4, 0.1]).reshape(1, 1, 2))
        block.fill(1.0, 1.0)
        block.field(2, u / F_RT)
        assert block.prepare() == pytest.approx(0.9 * 1e-6 / 0.12 / rate, rel=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("way", [1, -1])
def test_step_limit_of_water(axis, way):
    """dt = theta V / (2 Q + 2 alpha Q/h): twice the upwind value, dispersion through both faces."""
    block = Block(tuple(4 if d == 2 - axis else 1 for d in range(3)), (1e-3, 2e-3, 3e-3),
                  {"K+": (1, 0.0)}, theta=0.4, mobility=0.12, dispersivity=5e-3)
    block.fill(1.0)
    block.stream(axis, way * 2e-9)
    rate = 2e-9 * (2 + 2 * 5e-3 / block.grid.spacing_along(axis))
    assert block.prepare() == pytest.approx(0.9 * 0.4 * 6e-9 / rate, rel=1e-12)


def test_step_limit_of_a_drained_voxel():
    """dt = theta V / Q where water leaves through a well inside the ore: it takes c itself."""
    wells = [well(kind, box=((x, 0, 0), (x + 1e-3, 2e-3, 3e-3)), rate=rate)
             for kind, x, rate in (("injection", 0.0, 3e-9), ("injection", 0.0, -3e-9))]
    block = Block((1, 1, 1), (1e-3, 2e-3, 3e-3), {"K+": (1, 1e-9)}, theta=0.4, wells=wells,
                  feeds=[[1.0], [0.0]])
    block.fill(1.0)
    block.solve()
    assert block.prepare() == pytest.approx(0.9 * 0.4 * 6e-9 / 3e-9, rel=1e-12)


@pytest.mark.parametrize("volume", [1e-2, 1e-9])
@pytest.mark.parametrize("voltage", [0.05, 5.0])
def test_step_limit_at_a_cathode(volume, voltage):
    """Ore and tank meet at G = A m/(h/2), upwind: rates D (G + z F/RT G drop), once, not twice.

    One voxel of ore between two plates, level salt: cations empty the voxel through the one
    face that conducts for them, anions a small tank. Strips of two faces: their sum counts.
    """
    cells, spacing = (3, 2, 1), (1e-3, 2e-3, 3e-3)
    block = Block(cells, spacing, IONS, theta=0.4, mobility=0.12,
                  rows=plates(cells, spacing, catholyte_volume=volume))
    block.fill(2.0, 1.0, tank=[2.0, 1.0])
    drive = Drive(0, ("a",), ("c",), voltage, 1.0, np.inf)
    block.solve(drive)
    u = F_RT * voltage / 2
    g = 6e-6 * 0.12 / 0.5e-3
    across_y = 3e-6 * 0.12 / 2e-3
    ore = max(1e-9 * (g * (1 + u) + across_y), 0.7e-9 * (g + across_y)) / (0.4 * 6e-9)
    tank = 2 * g * max(1e-9, 0.7e-9 * (1 + 2 * u)) / volume
    assert block.prepare() == pytest.approx(0.9 / max(ore, tank), rel=1e-9)


def test_step_limit_between_reservoirs():
    """One voxel with a reservoir at either end: cations leave through one, anions the other.

    Rates D (2 G + |z| G u) per ion, each half voxel with half of the 6 thermal voltages: SO4-2
    sets the step, 0.7 (2 + 2 x 3) against 2 + 3, whichever way the field points.
    """
    for volts in ((6 / F_RT, 0.0), (0.0, 6 / F_RT)):
        block = Block(
            (1, 1, 1),
            (1e-3, 2e-3, 3e-3),
            IONS,
            theta=0.4,
            mobility=0.12,
            sides=[
                side(upper, composition={}, potential=v)
                for upper, v in zip((False, True), volts, strict=True)
            ],
            given=np.zeros((2, 2)),
        )
        block.fill(2.0, 1.0)
        block.state.reservoir_species[...] = np.array([[2.0], [1.0]])
        block.solve()
        rate = 6e-6 * 0.12 / 0.5e-3 * 0.7e-9 * 8 / (0.4 * 6e-9)
        assert block.prepare() == pytest.approx(0.9 / rate, rel=1e-9)


def test_step_limit_of_water_into_a_tank():
    """dt = theta V / Q of a voxel that a collector drains through the cathode's face."""
    cells, spacing = (3, 1, 1), (1e-3, 2e-3, 3e-3)
    block = Block(cells, spacing, {"K+": (1, 0.0), "Cl-": (-1, 0.0)}, theta=0.4,
                  rows=plates(cells, spacing), feeds=[[1.0, 1.0], [0.0, 0.0]],
                  wells=(well("injection", "anodes", rate=3e-9),
                         well("collector", "cathodes", head=0.0)))
    block.fill(1.0, 1.0, tank=[1.0, 1.0])
    drive = Drive(0, ("a",), ("c",), 0.0, 0.0, np.inf)
    block.solve(drive)
    assert block.prepare() == pytest.approx(0.9 * 0.4 * 6e-9 / 3e-9, rel=1e-9)


def test_step_limit_is_that_of_the_fastest_ion(rng):
    """Any list of ions: the step is the shortest that one of them alone would need.

    The last list is headed by a molecule without charge that outruns all drift.
    """
    for quick in (1e-9, 2e-9, 3e-9, 4e-9, 90e-9):
        ions = {
            f"ion {n}": (int(z), d)
            for n, (z, d) in enumerate(
                zip(rng.integers(-3, 4, 8), rng.uniform(0.5e-9, 3e-9, 8), strict=True)
            )
        } | {"NH3": (0, quick)}
        drop = rng.normal(0, 0.02)
        found = []
        for some in (ions, *({name: ion} for name, ion in ions.items())):
            block = Block((5, 1, 1), (1e-3, 1e-3, 1e-3), some)
            block.field(2, drop)
            found.append(block.prepare())
        assert max(found) < np.inf and found[0] == pytest.approx(min(found[1:]), rel=1e-12)
