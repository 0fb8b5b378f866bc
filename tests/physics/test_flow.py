"""Water: Darcy, electro-osmosis and wells against formulas."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.salt_medium import rock_of, row

from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import Wells
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import faces, gain
from ekm3d.parallel.domain import Domain
from ekm3d.physics.flow import Flow, osmosis, rock_conductance

DRIVE = Drive(0, ("a",), ("c",), 30.0, 1.0, np.inf)


def well(kind, at=None, box=None, rate=None, head=None, max_rate=None, max_head=None):
    return SimpleNamespace(kind=kind, at=at, box=box, rate=rate, head=head, max_rate=max_rate,
                           max_head=max_head)


def flow_cell(backend, wells, cells=(12, 3, 2), conductivity=1e-6, osmosis=0.0):
    """A bar of ore between an anode plate and a cathode plate, 0.1 m voxels; Flow and state."""
    grid = Grid(cells, (0.1, 0.1, 0.1))
    end = cells[0] * 0.1
    plates = [((x, 0, 0), (x + 0.1, cells[1] * 0.1, cells[2] * 0.1)) for x in (0.0, end - 0.1)]
    electrodes = Electrodes(grid, (row("a", plates[0]), row("c", plates[1])), 0.0)
    ore = electrodes.ore
    rock = rock_of(hydraulic_conductivity=np.pad(np.where(ore, conductivity, 0.0), GHOST),
                   electroosmosis=np.pad(np.where(ore, osmosis, 0.0), GHOST),
                   storage=np.zeros(grid.padded))
    contacts = BoundaryFaces(grid, electrodes)
    places = Wells(grid, wells, contacts, np.zeros((len(wells), 1)))
    flow = Flow(grid, backend, Domain(grid), rock, contacts, places, 1e-12)
    head, head_trend, phi = (np.zeros(grid.padded) for _ in range(3))
    s = SimpleNamespace(head=head, head_trend=head_trend, phi=phi, time=0.0)
    return grid, flow, s


def divergence(grid, flow):
    """Water that stays in each voxel without the wells [m3/s]; inner."""
    return sum(gain(faces(flow.water[a], a), a) for a in range(3))


def test_darcy_between_two_heads(backend):
    """q = K (h1 - h2) / L A through a bar of 10 voxels and two half voxels' links: exact.

    Heads sit on the plates' faces: L = 1.0 m, A = 0.06 m2, K = 1e-6 m/s, 2 m of head.
    """
    grid, flow, s = flow_cell(backend, (well("head", "anodes", head=3.0),
                                        well("head", "cathodes", head=1.0)))
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    expected = 1e-6 * 2.0 / 1.0 * 0.06
    assert flow.wells[0][1].sum() == pytest.approx(expected, rel=1e-9)
    assert flow.wells[1][1].sum() == pytest.approx(-expected, rel=1e-9)
    x = grid.centres(2)[1:-1] - 0.1
    np.testing.assert_allclose(s.head[grid.inner][0, 0, 1:-1], 3.0 - 2.0 * x, rtol=1e-9)


def test_electroosmosis_carries_k_e_times_the_field(backend, rng):
    """Between open ends at equal heads q = k_e E, uniform; in a closed bar it is zero.

    k_e 1e-8 m2/V/s, E 30 V/m over 0.06 m2. Closed, the head gradient balances: k_e E / K.
    """
    ends = (well("head", "anodes", head=0.0), well("head", "cathodes", head=0.0))
    for wells, expected in ((ends, 1e-8 * 30 * 0.06), ((), 0.0)):
        grid, flow, s = flow_cell(backend, wells, osmosis=1e-8)
        s.phi[grid.inner] = -30.0 * grid.centres(2)
        half = np.repeat([-1.5, 1.5], 6)          # V from the plate's face to the voxel's centre
        flow.solve(s, DRIVE, half, np.ones(s.head.shape), 1.0)
        inner = faces(flow.water[2], 2)[..., 2:-2]
        np.testing.assert_allclose(inner.sum((0, 1)), expected, atol=1e-18)
    slope = np.diff(s.head[grid.inner][0, 0, 1:-1]) / 0.1
    np.testing.assert_allclose(slope, 1e-8 * 30 / 1e-6, rtol=1e-8)


def test_water_balance_closes_in_every_voxel(backend, rng):
    """Heterogeneous K and k_e over 4 decades: what enters a voxel leaves it, to the tolerance."""
    shape = (2, 3, 12)
    wells = (well("injection", "anodes", rate=2e-6), well("collector", "cathodes", head=0.0),
             well("injection", box=((0.5, 0, 0), (0.6, 0.1, 0.2)), rate=1e-6))
    grid, flow, s = flow_cell(backend, wells, conductivity=10 ** rng.uniform(-8, -4, shape),
                              osmosis=10 ** rng.uniform(-12, -8, shape))
    s.phi[grid.inner] = rng.normal(size=shape)
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    kept = divergence(grid, flow).ravel()
    for place, inflow in flow.wells:
        k, j, i = (q - GHOST for q in np.unravel_index(place.voxel, grid.padded))
        np.add.at(kept, np.ravel_multi_index((k, j, i), grid.shape), inflow)
    assert np.abs(kept).max() < 1e-9 * 3e-6
    assert flow.out.sum() == pytest.approx(3e-6, rel=1e-9)


def test_drain_never_admits_water(backend):
    """A drain whose head stands above the ore's stays dry; all water goes to the lower one."""
    wells = (well("injection", box=((0.5, 0, 0), (0.6, 0.3, 0.2)), rate=1e-6),
             well("drain", "anodes", head=50.0), well("collector", "cathodes", head=0.0))
    _, flow, s = flow_cell(backend, wells)
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    assert not flow.wells[1][1].any()
    assert flow.wells[2][1].sum() == pytest.approx(-1e-6, rel=1e-9)


@pytest.mark.parametrize("seed", [114, 136])
def test_outlets_of_a_block_without_an_inlet_come_to_rest(backend, seed):
    """Electro-osmosis towards six outlets that let no water in: none can let any out.

    Five close one after the other; the last has no flow but rounding, of either sign. Taken for
    water that enters, as with these seeds, it closed that one too, all opened again, and so on. The
    head there is what holds the electro-osmosis of its own opening back, -k_e drop / K.
    """
    values = np.random.default_rng(seed)
    k_e, k = 10 ** values.uniform(-9, -8, (2, 3, 12)), 10 ** values.uniform(-8, -4, (2, 3, 12))
    grid, flow, s = flow_cell(backend, (well("collector", "cathodes", head=0.0),), osmosis=k_e,
                              conductivity=k)
    s.phi[grid.inner] = -30.0 * grid.centres(2)
    flow.solve(s, DRIVE, np.repeat([-1.5, 1.5], 6), np.ones(s.head.shape), 1.0)
    (_, inflow), = flow.wells
    assert (inflow <= 0.0).all() and np.abs(inflow).max() < 1e-11 * 1e-8 * 30 * 0.06
    driven = k[..., 10] * s.head[grid.inner][..., 10]
    outward = (driven + k_e[..., 10] * 1.5) / (np.abs(driven) + k_e[..., 10] * 1.5)
    assert abs(outward.max()) < 1e-11


def test_a_drain_opens_again_where_a_pump_takes_less_than_it_seemed(backend):
    """3e-8 m3/s enter; a pump at -20 m takes 1e-8 of them, the drain at 0 m the rest.

    Unlimited, the pump would draw the ore below the drain, which then closes in the first round.
    """
    wells = (well("injection", box=((0.5, 0, 0), (0.6, 0.3, 0.2)), rate=3e-8),
             well("drain", "anodes", head=0.0),
             well("collector", "cathodes", head=-20.0, max_rate=1e-8))
    _, flow, s = flow_cell(backend, wells)
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    assert [flow.wells[n][1].sum() for n in (1, 2)] == pytest.approx([-2e-8, -1e-8], rel=1e-9)


def test_one_of_two_drains_opens_again_beside_a_third_outlet(backend):
    """As above, with a second drain that takes part of the water while the first one is closed.

    By the heads: the first drain stands 0.1 m below the second, nearer to the injection.
    """
    wells = (well("injection", box=((0.5, 0, 0), (0.6, 0.3, 0.2)), rate=3e-8),
             well("drain", "anodes", head=-0.1),
             well("collector", "cathodes", head=-20.0, max_rate=1e-8),
             well("head", box=((1.0, 0, 0), (1.1, 0.3, 0.2)), head=0.0))
    _, flow, s = flow_cell(backend, wells)
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    taken = [flow.wells[n][1].sum() for n in range(4)]
    assert taken[1] < -1e-9 and taken[2] == pytest.approx(-1e-8, rel=1e-9)
    assert sum(taken) == pytest.approx(0.0, abs=1e-16)


def test_inlet_is_limited_to_max_rate(backend):
    """A head of 100 m would push 100 times its supply: exactly max_rate enters."""
    wells = (well("head", "anodes", head=100.0, max_rate=6e-8),
             well("collector", "cathodes", head=0.0))
    _, flow, s = flow_cell(backend, wells)
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    assert flow.wells[0][1].sum() == pytest.approx(6e-8, rel=1e-9)


def test_injection_is_limited_to_max_head(backend):
    """Asked for 6e-6 m3/s, which takes 100 m; 3 m drive in K A / L h = 1.8e-7 m3/s, exactly.

    As in the bar between two heads above. With 200 m there is head enough: just the rate enters,
    and nothing but the rate decides.
    """
    for max_head, inflow in ((3.0, 1.8e-7), (200.0, 6e-6)):
        wells = (well("injection", "anodes", rate=6e-6, max_head=max_head),
                 well("collector", "cathodes", head=0.0))
        _, flow, s = flow_cell(backend, wells)
        flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
        place, found = flow.wells[0]
        assert found.sum() == pytest.approx(inflow, rel=1e-9)
        head = flow.control.head_needed(0, found, flow.domain.gather(s.head, place.voxel))
        assert head == pytest.approx(min(max_head, 100.0), rel=1e-9)


def test_each_opening_of_a_limited_injection_has_its_own_limit(backend):
    """Two layers of K 1e-6 and 1e-9 m/s are to take half of 6e-8 m3/s each, with 2 m of head.

    The permeable one takes its half; the tight one what 2 m less the head of its voxel drive
    through half a voxel, K A / 5 cm: a hundredth of its share.
    """
    k = np.ones((2, 3, 12)) * np.array([1e-6, 1e-9])[:, None, None]
    wells = (well("injection", "anodes", rate=6e-8, max_head=2.0),
             well("collector", "cathodes", head=0.0))
    _, flow, s = flow_cell(backend, wells, conductivity=k)
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    place, found = flow.wells[0]
    layer = np.unravel_index(place.voxel, s.head.shape)[0] - GHOST
    assert found[layer == 0].sum() == pytest.approx(3e-8, rel=1e-9)
    tight = 1e-9 * 0.01 / 0.05 * (2.0 - flow.domain.gather(s.head, place.voxel[layer == 1]))
    assert found[layer == 1] == pytest.approx(tight, rel=1e-9)
    assert 0.0 < tight.sum() < 0.02 * 3e-8


def test_a_limited_injection_takes_nothing_out(backend):
    """A head well holds 5 m where the injection may have 1 m: it gives nothing, and takes none."""
    wells = (well("head", "anodes", head=5.0), well("head", "cathodes", head=0.0),
             well("injection", box=((0.2, 0, 0), (0.3, 0.3, 0.2)), rate=1e-8, max_head=1.0))
    _, flow, s = flow_cell(backend, wells)
    flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
    assert not flow.wells[2][1].any()
    assert flow.wells[0][1].sum() == pytest.approx(3e-7, rel=1e-9)


def test_injection_without_an_outlet_is_refused(backend):
    """The pores are full: water that cannot leave cannot enter."""
    _, flow, s = flow_cell(backend, (well("injection", "anodes", rate=1e-6),))
    with pytest.raises(RuntimeError, match="outlet"):
        flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)


def test_osmosis_across_layers_in_series(backend):
    """One face between voxels of K 1e-6 and 4e-6 m/s, k_e 1e-8 and 3e-8 m2/V/s, sigma 1 and 9 S/m.

    6 V over it: 5.4 V in the first half, 0.6 V in the second, the parts of the resistances. Each
    half then pushes as k_e/K times its part, and both resist in series:
    q = (5.4 x 1e-2 + 0.6 x 7.5e-3) / (1/1e-6 + 1/4e-6) x 2/0.1 m x 0.01 m2 of face, exactly.
    """
    grid = Grid((2, 1, 1), (0.1, 0.1, 0.1))
    sigma, k, k_e, phi = (np.zeros(grid.padded) for _ in range(4))
    for field, values in ((sigma, (1.0, 9.0)), (k, (1e-6, 4e-6)), (k_e, (1e-8, 3e-8)),
                          (phi, (6.0, 0.0))):
        field[grid.inner] = values
    conductance, water = np.zeros((2, 3, *grid.padded))
    backend.bind(rock_conductance)(grid, k, conductance)
    backend.bind(osmosis)(grid, sigma, k, k_e, conductance, phi, water)
    expected = (5.4 * 1e-2 + 0.6 * 7.5e-3) / (1e6 + 2.5e5) * 2 / 0.1 * 0.01
    assert water[2][grid.inner][0, 0, 0] == pytest.approx(expected, rel=1e-14)
    assert np.count_nonzero(water) == 1


def test_unchanged_operator_is_set_once(backend, monkeypatch):
    """Rock and openings as they were: the multigrid stands. New rock or a drain that closes: anew.

    Heads 3 and 1 m, then 5 and 1: the operator is the same, the water doubles. Then K doubles.
    """
    wells = (well("head", "anodes", head=3.0), well("head", "cathodes", head=1.0))
    _, flow, s = flow_cell(backend, wells)
    taken, take = [], flow.elliptic.multigrid.set_operator
    monkeypatch.setattr(flow.elliptic.multigrid, "set_operator",
                        lambda *given: (taken.append(1), take(*given)))

    def through():
        flow.solve(s, DRIVE, np.zeros(12), np.ones(s.head.shape), 1.0)
        return flow.wells[0][1].sum(), len(taken)

    first = 1e-6 * 2.0 * 0.06
    assert through() == (pytest.approx(first, rel=1e-9), 1)
    assert through() == (pytest.approx(first, rel=1e-9), 1)
    wells[0].head = 5.0
    assert through() == (pytest.approx(2 * first, rel=1e-9), 1)
    flow.rock.hydraulic_conductivity *= 2
    flow.update_rock()
    assert through() == (pytest.approx(4 * first, rel=1e-9), 2)
    wells[1].kind, wells[1].head = "drain", 50.0     # open as before, then closed: no water
    assert through() == (pytest.approx(0.0, abs=1e-9 * first), 3)
