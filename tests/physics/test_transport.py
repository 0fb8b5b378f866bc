"""Transport against formulas: every term of the flux by itself, electrodes and wells."""

import numpy as np
import pytest
from helpers.salt_columns import ON, SALT, Block, along, plates, side, well

from ekm3d.boundaries.schedule import Drive
from ekm3d.constants import F_RT, FARADAY, RT_F

ALL_AXES = pytest.mark.parametrize("axis", [0, 1, 2])
BOTH_WAYS = pytest.mark.parametrize("way", [1, -1])
UNEVEN = (1e-3, 2e-3, 3e-3)            # m: spacing along x, y, z


def column(axis, n, ions, **more):
    """A closed column of n voxels along an axis, its voxels 1 x 2 x 3 mm whatever the axis."""
    return Block(along(axis, n), UNEVEN, ions, **more)


def spike(block, axis, at, height=1.0, background=0.0):
    """Concentrations on a column: `height` above the background in one voxel."""
    c = np.full(block.grid.shape[axis], float(background))
    c[at] += height
    return c.reshape([-1 if a == axis else 1 for a in range(3)])


# ---- inside the ore ----------------------------------------------------------------------

def test_salt_variance_grows_by_2_D_t_along_every_axis():
    """Variance of a cloud grows by 2 D tau f t along x, y and z alike, whatever the spacing.

    Equal D: no potential. theta 0.4 and m = theta tau f = 0.12. From one voxel of a block of
    13 x 11 x 9 the cloud cannot reach the ends in 4 steps, and the scheme carries the second
    moment exactly: rounding is all that is left.
    """
    block = Block((13, 11, 9), UNEVEN, SALT, theta=0.4, mobility=0.12)
    c = np.ones((9, 11, 13))
    c[4, 5, 6] = 3.0
    block.fill(c, c)
    t = block.march(4, solve=True)
    for axis in range(3):
        amount, mean, variance = block.moments(0, axis, background=0.4)
        assert amount == pytest.approx(0.8, rel=1e-12)
        assert mean == pytest.approx(block.grid.size[2 - axis] / 2, rel=1e-12)
        assert variance == pytest.approx(2 * 1e-9 * 0.3 * t, rel=1e-11)


@ALL_AXES
def test_unequal_ions_spread_together(axis):
    """Both ions move with D = 2 D+ D-/(D+ + D-): the potential that diffusion makes holds them.

    |u| stays below 2 (D- - D+)/(D- + D+) = 0.67, where faces are central and both ions meet
    the same c*; the second moment is then exact, to the solver's tolerance.
    """
    ions = {"Na+": (1, 1e-9), "Cl-": (-1, 2e-9)}
    block = column(axis, 13, ions, theta=0.4, mobility=0.12)
    c = spike(block, axis, 6, background=1.0)
    block.fill(c, c)
    t = block.march(4, solve=True)
    for ion in (0, 1):
        _, _, variance = block.moments(ion, axis, background=0.4)
        assert variance == pytest.approx(2 * (4e-9 / 3) * 0.3 * t, rel=1e-9)


@ALL_AXES
@BOTH_WAYS
def test_ions_drift_with_the_field(axis, way):
    """Mean of a cloud moves by z (F/RT) D tau f E t, and its variance grows as without field.

    A given field, half a thermal voltage per voxel, z = 1 and -2: |u| <= 1, so faces are
    central and both moments exact. An explicit step takes (v dt)^2 off the variance; here the
    faces are chosen as for no step, so nothing makes up for it.
    """
    ions = {"Na+": (1, 1e-9), "SO4-2": (-2, 0.7e-9)}
    block = column(axis, 17, ions, theta=0.4, mobility=0.12)
    h = block.grid.spacing_along(axis)
    block.fill(*[spike(block, axis, 8)] * 2)
    block.field(axis, 0.5 * RT_F * way)
    t = block.march(5)
    for ion, (z, d) in enumerate(ions.values()):
        speed = z * d * 0.3 * 0.5 * way / h
        _, mean, variance = block.moments(ion, axis)
        assert mean == pytest.approx(8.5 * h + speed * t, rel=1e-12)
        assert variance == pytest.approx(2 * d * 0.3 * t - speed**2 * t * t / 5, rel=1e-11)


def test_tracer_drift_in_a_supporting_electrolyte():
    """Through the solver: a trace of sulfate moves by 2 (F/RT) D E t, with E = i/sigma of the salt.

    10 V over 40 voxels between plates; sigma = F (F/RT) m D (1 + 1). The current of each step
    gives E; the front stands at voxel 30, and what has passed voxel 35, where c* is the trace
    itself, is exact. Tolerance 5e-5: the tracer adds 4e-5/2 to sigma.
    """
    cells, spacing = (42, 2, 1), (1e-2, 2e-2, 3e-2)
    block = Block(cells, spacing, SALT | {"H+": (1, 1e-9), "SO4-2": (-2, 1e-9)}, theta=0.4,
                  mobility=0.12, rows=plates(cells, spacing))
    trace = np.where(np.arange(42) > 30, 1e-5, 0.0)
    block.fill(1.0 + 2 * trace, 1.0, 0.0, trace, tank=[1, 1, 0, 0])
    conductivity = FARADAY * F_RT * 0.12e-9 * 2.0
    expected = 0.0
    before = block.T[3, 0, 0, :36].sum()
    for _ in range(5):
        block.solve(ON, 600.0)
        assert block.prepare() > 600.0
        current = block.potential.into_ore[block.potential.into_ore > 0].sum()
        expected += 600.0 * 1e-5 * 2 * F_RT * 0.12e-9 * current / 12e-4 / conductivity / 1e-2
        block.transport.advance(block.state, 600.0)
        block.settle()
    assert block.T[3, 0, 0, :36].sum() - before == pytest.approx(expected, rel=5e-5)


@ALL_AXES
@BOTH_WAYS
@pytest.mark.parametrize("driver", ["water", "field"])
@pytest.mark.parametrize("timed", [False, True])
def test_steep_front_stays_sharp(axis, way, driver, timed):
    """A step at a cell Peclet number of 1000 moves by q t/theta, or u t, and stays a step.

    Far behind the front the flux is that of c = 1, so the amount beyond a face there is exact.
    Bounds: 0 <= c <= 1 but for rounding. Width, the standard deviation of the front's slope,
    after 15 voxels: first-order upwind would make it h sqrt(15 (1 - C)) = 2.9 h at Courant
    number C = 0.45. Limited it is 1.38 h with the step allowed for, and 0.59 h without, where
    the explicit step squeezes the front; 1.45 and 0.7 h are allowed.
    """
    block = column(axis, 120, {"NH4+": (1, 1e-9)}, theta=0.4, mobility=0.12)
    h, area, volume = (
        block.grid.spacing_along(axis),
        block.grid.face_area(axis),
        block.grid.voxel_volume,
    )
    upstream = np.arange(120) < 80 if way > 0 else np.arange(120) >= 40
    block.fill(spike(block, axis, 0, 0.0) + np.where(upstream, 1.0, 0.0).reshape(
        [-1 if a == axis else 1 for a in range(3)]))
    rate = 1000 * 1e-9 * 0.12 * area / h
    if driver == "water":
        block.stream(axis, way * rate)
    else:
        block.field(axis, way * 1000 * RT_F)
    steps, dt = 34, block.prepare()
    block.time(dt * timed)
    t = block.march(steps, dt)
    c = np.moveaxis(block.T[0] / 0.4, axis, -1)[0, 0][::way]
    moved = rate * t / (0.4 * volume)
    assert 14 < moved < 16
    assert c[70:].sum() == pytest.approx(10 + moved, rel=1e-12)
    assert c.min() > -1e-13 and c.max() < 1 + 1e-13
    slope = -np.diff(c[60:])
    x = np.arange(slope.size)
    mean = (slope * x).sum() / slope.sum()
    width = np.sqrt((slope * (x - mean)**2).sum() / slope.sum())
    assert width < (1.45 if timed else 0.7) <= 0.5 * np.sqrt(moved * (1 - moved / steps))


@ALL_AXES
@BOTH_WAYS
@pytest.mark.parametrize("timed", [False, True])
def test_flowing_water_disperses(axis, way, timed):
    """Variance grows by 2 alpha |q| t/theta, less v^2 dt t of an explicit step not allowed for.

    A cloud 10 voxels wide in water that moves by 20, alpha = 2 voxels: 80 h^2 more. The
    limiter's own part is the tolerance: it cuts the cloud's peak, 1e-3 of the growth, more so on
    one side: the middle lags by 1.5e-4 of the way.
    """
    block = column(axis, 160, {"NH4+": (1, 0.0)}, theta=0.4, mobility=0.12,
                   dispersivity=2 * UNEVEN[2 - axis])
    h, x = block.grid.spacing_along(axis), np.arange(160)
    block.fill(np.exp(-0.5 * ((x - 79.5 + way * 10) / 10.0)**2).reshape(
        [-1 if a == axis else 1 for a in range(3)]))
    _, mean, variance = block.moments(0, axis)
    q = 1e-6
    block.stream(axis, way * q * block.grid.face_area(axis))
    dt = block.prepare()
    block.time(dt * timed)
    steps = int(round(20 * h * 0.4 / q / dt))
    t = block.march(steps, dt)
    _, now, wider = block.moments(0, axis)
    v = q / 0.4
    assert now - mean == pytest.approx(way * v * t, rel=2e-4)
    expected = 2 * 2 * h * v * t - (not timed) * v**2 * dt * t
    assert wider - variance == pytest.approx(expected, rel=3e-3)


def test_face_dispersivity_is_the_mean_of_its_sides():
    """alpha |Q|/h (c_a - c_b) between voxels of 1 and 5 mm: what dispersivity adds to the flux."""
    moved = []
    for alpha in (0.0, np.array([1e-3, 5e-3]).reshape(1, 1, 2)):
        block = column(2, 2, SALT, dispersivity=alpha, blend=0.0)
        block.fill(*[np.array([3.0, 1.0]).reshape(1, 1, 2)] * 2)
        block.stream(2, -2e-9)
        block.prepare()
        moved.append(block.flux(0, 2)[0, 0, 1])
    assert moved[1] - moved[0] == pytest.approx(3e-3 * 2e-9 / 1e-3 * 2.0, rel=1e-12)


def test_complex_carries_its_components():
    """One mol of a neutral complex A B2 is one of A and two of B: J_k = sum_s nu_sk J_s."""
    ions = {"A+2": (2, 1e-9), "B-": (-1, 2e-9), "AB2": (0, 3e-9)}
    block = column(2, 2, ions, nu=[[1, 0, 0], [0, 1, 0], [1, 2, 0]])
    block.state.c[2][block.grid.inner] = [3.0, 1.0]
    block.field(2, 0.01)
    block.prepare()
    expected = 3e-9 * 6e-6 / 1e-3 * 2.0
    np.testing.assert_allclose([block.flux(k, 2)[0, 0, 1] for k in range(3)],
                               [expected, 2 * expected, 0.0], rtol=1e-12)


# ---- electrodes and wells ----------------------------------------------------------------

CELLS, VOXEL = (6, 2, 3), (1e-2, 2e-2, 3e-2)
AREA = 2 * 3 * 2e-2 * 3e-2             # m2 of a plate
HALF = 0.5e-2                          # m from the last ore voxel's centre to the plate
ACIDIC = {"H+": (1, 9e-9), "Na+": (1, 1e-9), "Cl-": (-1, 2e-9)}


def cell(ions=ACIDIC, wells=(), feeds=(), theta=0.4, mobility=0.12, cells=CELLS, **more):
    """Four voxels of ore between two plates, tanks of 1e-3 m3 and 18 ohm."""
    return Block(cells, VOXEL, ions, theta=theta, mobility=mobility, wells=wells, feeds=feeds,
                 rows=plates(cells, VOXEL, contact_resistance=18.0), **more)


def test_current_makes_acid_at_the_anode_and_base_in_the_tank():
    """I/F of H+ enters the ore at the anode, I/F of OH- the tank; uniform ore has no other source.

    Between plates every ion then carries t = z^2 D c / sum: what the voxel at the anode loses
    and what crosses into the tank, t I/(z F), with the tank filled as the ore is.
    """
    block = cell()
    block.fill(0.2, 1.0, 1.2, tank=[0.2, 1.0, 1.2])
    block.solve(ON)
    block.prepare()
    current = block.electrodes.per_strip(block.potential.into_ore)[0]
    z, carry = np.array([1, 1, -1]), np.array([9 * 0.2, 1.0, 2 * 1.2])
    by_ion = carry / carry.sum() * current / (z * FARADAY)
    made = np.array([current / FARADAY, 0.0, 0.0])
    assert current == pytest.approx(
        10.0 / (36.0 + 4e-2 / AREA / (FARADAY * F_RT * 0.12e-9 * carry.sum())), rel=1e-9)
    near_anode = block.gained[..., 1].sum((1, 2))
    np.testing.assert_allclose(near_anode, made - by_ion, rtol=1e-8, atol=1e-20)
    np.testing.assert_allclose(block.transport.tank[:, 1], by_ion - made, rtol=1e-8, atol=1e-20)
    np.testing.assert_allclose(block.gained[..., 2:].sum((1, 2)), 0.0, atol=1e-9 * made[0])
    np.testing.assert_allclose(block.transport.acid, [made[0], -made[0]], rtol=1e-8)
    assert not block.transport.tank[:, 0].any()


def test_averaged_pulse_scales_the_current_by_duty():
    """I = duty (V - V_ov)/R: ore as uniform as its tank is a resistor, and nothing else."""
    currents = []
    for overpotential, duty in ((0.0, 1.0), (2.5, 1.0), (2.5, 2 / 3)):
        block = cell(overpotential=overpotential)
        block.fill(0.2, 1.0, 1.2, tank=[0.2, 1.0, 1.2])
        block.solve(Drive(0, ("a",), ("c",), 10.0, duty, np.inf))
        currents.append(block.potential.into_ore[0])
    np.testing.assert_allclose(np.array(currents) / currents[0], [1, 0.75, 0.5], rtol=1e-9)


def test_weak_drive_passes_no_reverse_current():
    """1 mV against the diffusion potential of ore at 3 and tank at 1 mol/m3, Cl- ahead: 10 mV.

    Electrolysis cannot run in reverse, so no current flows; the salt still diffuses, as neutral
    as without a drive, and no acid is made.
    """
    block = cell({"H+": (1, 9e-9), "Na+": (1, 1e-9), "Cl-": (-1, 2e-9)})
    block.fill(0.0, 3.0, 3.0, tank=[0.0, 1.0, 1.0])
    weak = Drive(0, ("a",), ("c",), 1e-3, 1.0, np.inf)
    block.solve(weak)
    block.prepare()
    assert block.potential.drop[6:].min() > 5e-3
    assert not block.potential.into_ore.any() and not block.transport.acid.any()
    moved = block.transport.tank[:, 1]
    assert moved[1] > 0 and moved[2] == pytest.approx(moved[1], rel=1e-12)


def test_salt_diffuses_into_the_tank():
    """Without current both ions cross at G (o - t) 2 D+ D-/(D+ + D-), G = A m/(h/2).

    Ore o = 3, tank t = 1 mol/m3, D- = 2 D+: u = 1/3, where c* is the mean of both sides, so
    that the common D is exact.
    """
    ions = {"Na+": (1, 1e-9), "Cl-": (-1, 2e-9)}
    block = cell(ions)
    block.fill(3.0, 3.0, tank=[1.0, 1.0])
    idle = Drive(0, ("a",), ("c",), 0.0, 0.0, np.inf)
    block.solve(idle)
    block.prepare()
    ore, tank = 3.0, 1.0
    expected = AREA * 0.12 / HALF * 4e-9 / 3 * (ore - tank)
    np.testing.assert_allclose(block.transport.tank, [[0, expected]] * 2, rtol=1e-12)
    np.testing.assert_allclose(block.gained[..., 4].sum((1, 2)), -expected, rtol=1e-12)
    assert not block.gained[..., 1:4].any()
    block.transport.advance(block.state, 60.0)
    np.testing.assert_allclose(
        block.state.catholyte_totals[:, 1], 1e-3 * tank + 60.0 * expected, rtol=1e-14
    )
    np.testing.assert_allclose(
        block.T[..., 4], 0.4 * ore - 60.0 * expected / 6 / block.grid.voxel_volume, rtol=1e-14)


def test_ions_cross_to_the_tank_upwind():
    """With the field, cations drift at the ore's concentration and anions at the tank's.

    c* = c_up + (c_down - c_up)/(2 |z u|) for |z u| > 1, u = F/RT (phi_ore - phi_tank), makes
    J = G D (o - t + z u c*) = G D ((o - t)/2 + z u c_up), with the charge of the current, once u
    is the lagged one, too. Even on a run's first step K+, only in the tank, must not be drawn
    out of the ore, nor SO4-2, only in the ore, out of the tank.
    """
    ions = ACIDIC | {"K+": (1, 1e-9), "SO4-2": (-2, 1e-9)}
    block = cell(ions)
    block.fill(0.0, 1.2, 1.0, 0.0, 0.1, tank=[0.0, 0.0, 0.1, 0.1, 0.0])
    drive = Drive(0, ("a",), ("c",), 0.2, 1.0, np.inf)
    block.solve(drive)
    block.prepare()
    assert block.transport.tank[3, 1] <= 0 <= block.transport.tank[4, 1]
    for _ in range(30):
        block.solve(drive)
    block.prepare()
    u = F_RT * block.potential.drop[6:]
    assert u.min() > 1
    g = AREA * 0.12 / HALF * 1e-9
    current = -block.electrodes.per_strip(block.potential.into_ore)[1]
    expected = g * np.array([0.0, 0.6 + u[0] * 1.2, 2 * (0.45 - u[0] * 0.1), -0.05, 0.05])
    found = block.transport.tank[:, 1]
    assert found @ block.chem.z == pytest.approx(0.0, abs=1e-11 * current / FARADAY)
    expected[0] = -current / FARADAY
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_water_carries_salt_through_wells_and_tanks():
    """Level concentrations, no voltage: every opening passes rate x c, its own feed when it enters.

    2e-9 m3/s with twice the salt enter at the anode, 1e-9 with half of it in one voxel, 0.5e-9
    leave through another one; the collector behind the cathode's tank gets the rest, with the
    ore's own salt. Every voxel else passes on what it gets.
    """
    inside = [((x, 0.0, 0.0), (x + 1e-2, 2e-2, 3e-2)) for x in (2e-2, 3e-2)]
    wells = (well("injection", "anodes", rate=2e-9), well("injection", box=inside[0], rate=1e-9),
             well("injection", box=inside[1], rate=-0.5e-9),
             well("collector", "cathodes", head=0.0))
    block = cell(SALT, wells, [[6.0, 6.0], [1.5, 1.5], [9.0, 9.0], [9.0, 9.0]])
    block.fill(3.0, 3.0, tank=[3.0, 3.0])
    idle = Drive(0, ("a",), ("c",), 0.0, 0.0, np.inf)
    block.solve(idle)
    block.prepare()
    brought = np.array([2e-9 * 6, 1e-9 * 1.5, -0.5e-9 * 3, 0.0])
    np.testing.assert_allclose(block.transport.wells_in, np.array([brought] * 2).T, rtol=1e-9)
    np.testing.assert_allclose(block.transport.tank, [[0, 2.5e-9 * 3]] * 2, rtol=1e-9)
    gained = np.zeros(block.grid.shape)
    gained[..., 1] = 2e-9 * (6 - 3) / 6
    gained[0, 0, 2] = 1e-9 * (1.5 - 3)
    np.testing.assert_allclose(block.gained, [gained] * 2, rtol=1e-8, atol=1e-8 * 1e-9)


@pytest.mark.parametrize("roles", [(("a",), ("c",)), (("c",), ("a",)), ((), ())])
def test_drain_takes_the_salt_of_its_water_at_any_row(roles):
    """2e-9 m3/s of level salt leave at row a, be it cathode, anode or idle: 6e-9 mol/s with them.

    They pass the strip's tank; the ore, which is fed with its own salt at row c, stays level.
    """
    wells = (well("injection", "c", rate=2e-9), well("drain", "a", head=0.0))
    block = cell(SALT, wells, [[3.0, 3.0], [0.0, 0.0]])
    block.fill(3.0, 3.0, tank=[3.0, 3.0])
    block.solve(Drive(0, *roles, 0.0, 0.0, np.inf))
    block.prepare()
    np.testing.assert_allclose(block.gained, 0.0, atol=1e-16)
    np.testing.assert_allclose(block.transport.tank, [[6e-9, 0.0]] * 2, atol=1e-16)


@pytest.mark.parametrize("out, into", [("a", "c"), ("c", "a")])
def test_step_limit_of_a_voxel_that_is_drained(out, into):
    """cfl theta V / q, without diffusion: water out of boundary face 0, or 1, counts once."""
    wells = (well("injection", into, rate=2e-9), well("drain", out, head=0.0))
    block = cell(SALT, wells, [[3.0, 3.0], [0.0, 0.0]], cells=(3, 1, 1), mobility=0.0)
    block.fill(3.0, 3.0, tank=[3.0, 3.0])
    block.solve(Drive(0, (), (), 0.0, 0.0, np.inf))
    assert sorted(int(n) for place, _ in block.flow.wells for n in place.face) == [0, 1]
    assert block.prepare() == pytest.approx(0.9 * 0.4 * block.grid.voxel_volume / 2e-9, rel=1e-9)


@pytest.mark.parametrize("contact", ["diffusive", "advective"])
def test_sides_pass_water_salt_and_given_fluxes(contact):
    """Ore at 3 mol/m3, 2e-9 m3/s from a reservoir at 6 through it into another one at 1 mol/m3.

    Water brings 6 and leaves with the ore's 3; salt of equal ions crosses a diffusive side at
    A m D/(h/2) times the difference; a third, given flux of 1e-7 mol/m2/s comes in by itself.
    """
    area = 2 * 3 * 6e-6
    sides = (side(False, composition={}, contact=contact, flux=2e-9 / area),
             side(True, composition={}, contact=contact, head=0.0))
    block = Block((4, 2, 3), UNEVEN, SALT, theta=0.4, mobility=0.12, sides=sides,
                  given=np.array([[1e-7, 1e-7], [0.0, 0.0]]))
    block.fill(3.0, 3.0)
    block.state.reservoir_species[:] = [6.0, 1.0]
    block.solve()
    block.prepare()
    g = area * 0.12e-9 / 0.5e-3 * (contact == "diffusive")
    entered = [2e-9 * 6 + g * 3 + 1e-7 * area, -2e-9 * 3 - g * 2]
    np.testing.assert_allclose(block.transport.side, np.array([entered] * 2).T, rtol=1e-9)
    gained = [entered[0] - 2e-9 * 3, 0.0, 0.0, entered[1] + 2e-9 * 3]
    np.testing.assert_allclose(block.gained.sum((1, 2)), [gained] * 2, rtol=1e-8, atol=1e-17)
